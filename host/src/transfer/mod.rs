//! Moving files over FTP and FTPS so that a crash costs one commit interval and nothing else.
//!
//! This module knows neither Wasm nor the journal: a transfer is given a [`TransferLog`] to keep its
//! offsets in, a [`Pool`](pool) to lease sessions from, and tells what happens through a callback.

pub mod ftp;
mod log;
mod remote;

pub use log::{MemoryLog, TransferLog};
pub use remote::{Connect, Features, Finish, ListItem, Remote, StoreFrom};
