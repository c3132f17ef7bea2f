//! The configuration: one TOML file, read as typed and then as meant.
//!
//! *As typed* ([`typed`](self)) mirrors the file key by key, so that an unknown key, a wrong unit or
//! a password in clear is an error with its file and line. *As meant* ([`Config`]) is what the rest
//! of the program uses: defaults filled in, relative paths resolved against the file's folder,
//! sites as [`Site`](crate::model::Site).
//!
//! Flags come before the environment, the environment before the file, the file before defaults.
//! Nothing here reads the process's environment: it is passed in as [`Environment`], and every name
//! that counts stands in [`environment`].

mod edit;
pub mod environment;
mod error;
mod find;
mod meant;
mod proxy;
mod quantity;
mod rate;
mod reader;
mod schedule;
mod secret;
mod server;
mod suggest;
#[cfg(test)]
mod tests;
mod typed;
mod url;

pub use edit::{NewSite, add_site, add_token, remove_site, remove_token};
pub use environment::Environment;
pub use error::{Error, Place};
pub use find::{Flags, Found, find, state_default};
pub use meant::{Config, LogFormat, Origin, TransferSettings, WasmLimits};
pub use quantity::{parse_duration, parse_size, show_duration, show_size};
pub use rate::show_rate;
pub use schedule::ZONE;
pub use server::ServerSettings;
pub use suggest::closest;
pub use url::SiteUrl;
