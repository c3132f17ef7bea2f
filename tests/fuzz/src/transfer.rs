//! The part of the host's module of this name that its parsers need.

pub(crate) use remote::{Features, ListItem};

#[path = "../../../host/src/transfer/remote.rs"]
mod remote;

#[path = "ftp.rs"]
pub(crate) mod ftp;
