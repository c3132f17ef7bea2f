//! Real FTP servers for tests: vsftpd, ProFTPD and pure-ftpd as Debian ships them.
//!
//! `cargo xtask servers` unpacks them under the target folder. [`Server::start`] runs one on free
//! loopback ports with a folder, a user and a certificate of its own, and stops it when it is dropped.

mod installed;

pub use installed::{Installed, Kind};
