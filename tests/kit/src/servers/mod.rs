//! Real FTP servers for tests: vsftpd, ProFTPD and pure-ftpd as Debian ships them.
//!
//! `cargo xtask servers` unpacks them under the target folder. [`Server::start`] runs one on a free
//! loopback port with a folder, a user and a certificate of its own, and stops it when it is
//! dropped. Each runs as it does in earnest: started by root, confined to its folder (chroot), doing
//! its work as an unprivileged user. So the tests that use them need root.

mod certificate;
mod installed;
mod moved;
mod outage;
mod proftpd;
mod pure_ftpd;
mod server;
mod vsftpd;

pub use certificate::Certificate;
pub use installed::{Installed, Kind};
pub use moved::Moved;
pub use server::{Options, PASSWORD, Server, Tls};
