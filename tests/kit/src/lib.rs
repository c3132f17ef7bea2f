//! What the tests stand on.
//!
//! | module | holds |
//! |---|---|
//! | [`layout`] | where things lie under the repository and its target folder |
//! | [`servers`] | vsftpd, ProFTPD and pure-ftpd on free loopback ports, each with its own folder |
//!
//! It knows nothing of the host's library: what it judges, it judges from outside.

pub mod layout;
pub mod servers;
