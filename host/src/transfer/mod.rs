//! Moving files over FTP and FTPS so that a crash costs one commit interval and nothing else.
//!
//! This module knows neither Wasm nor the journal: a transfer is given a [`TransferLog`] to keep its
//! offsets in, a [`Watch`] to tell how it goes and a [`Stop`] that ends it early.
//!
//! | part | holds |
//! |---|---|
//! | [`Transfers`] | the handle: leases sessions from the pool, repeats what is safe to repeat |
//! | `remote`, [`ftp`] | what is asked of a server, and the session that asks |
//! | `local` | granted folders, never left and durable |
//! | `throttle` | limits per second, shared by all that they hold for |
//! | `hash`, `record` | hash states that can be saved; what a transfer keeps in its log |
//! | `download`, `upload` | exact resume, step by step |
//! | `effect` | renames and the like, with evidence |
//! | `look`, `wait` | stat, list, small reads; waiting for a file |

pub mod ftp;

mod course;
mod download;
mod effect;
mod hash;
mod local;
mod log;
mod look;
mod options;
mod part;
mod pattern;
mod policy;
mod pool;
mod record;
mod remote;
mod stop;
mod throttle;
mod transfers;
mod trial;
mod upload;
mod wait;
mod watch;

#[cfg(test)]
mod chaos;
#[cfg(test)]
mod failover_tests;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod outage_tests;
#[cfg(test)]
mod proxied;
#[cfg(test)]
mod real;
#[cfg(test)]
mod real_names;

pub use effect::{Evidence, PUT_BYTES_MAX};
pub use local::{LocalFile, LocalRoot};
pub use log::{MemoryLog, TransferLog};
pub use options::Options;
pub use part::PartName;
pub use pool::ServerView;
pub use remote::{Connect, Features, Finish, ListItem, Remote, StoreFrom};
pub use stop::{Stop, StopKind};
pub use transfers::{Job, Transfers};
pub use trial::Trial;
pub use wait::Wait;
pub use watch::{Unwatched, Watch};
