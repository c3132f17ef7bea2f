//! The embedded FTP(S) server: for the demo, for tests, and for receiving files.
//!
//! [`Server::start`] serves one folder to one user, plain or with explicit TLS (RFC 4217), and gives
//! a [`Handle`]: its address, and the way to stop it. What clients did to the folder can be written
//! to an [effect log](effects), one JSON object a line, so that a test can judge by the server's
//! side whether something was done once.
//!
//! ```text
//!  accept loop ──► one libunftp service for each control connection
//!                       │ storage calls
//!                       ▼
//!                  Folder (unftp-sbe-fs under the root) ──► EffectLog
//! ```
//!
//! Under libunftp 0.24 it does: EPSV and PASV, REST with RETR and STOR, APPE, SIZE, MDTM, MLST, MLSD,
//! rename, delete, folders. It doesn't: active mode, implicit TLS, setting a file's time, HASH. Its
//! MLST takes only a path from the root; a transfer that fails leaves its REST offset for the next
//! one, so a client must send REST before each transfer or leave after a failure.

mod certificate;
pub mod effects;
mod login;
mod server;
mod storage;
#[cfg(test)]
mod tests;

pub use certificate::Tls;
pub use effects::EffectLog;
pub use server::{Error, Handle, Options, Server};
