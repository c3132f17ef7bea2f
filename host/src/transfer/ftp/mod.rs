//! FTP sessions around suppaftp, behind the traits of [`Remote`](super::Remote) and
//! [`Connect`](super::Connect). Nothing outside this folder names suppaftp.
//!
//! suppaftp sends commands, reads replies and opens data connections; it knows no deadlines, takes
//! whatever stands next on the control connection for an answer, and reads listings without bound. So
//! it runs on streams of ours and never sees a password:
//!
//! ```text
//!  FtpConnector ── makes ──▶ Session ── commands ──▶ suppaftp ── bytes ──▶ Wire ──▶ TCP or TLS
//!   (what sites taught us)    (state, poison)                     (one reply at a time, deadlines)
//! ```
//!
//! | file | holds |
//! |---|---|
//! | connector, reach, proxy, login | a site becomes a session: addresses, greeting, TLS, login, root |
//! | session | the state of one control connection; sending one command |
//! | remote | the session as the algorithms see it |
//! | commands, listing, open, transfer | what a session can do |
//! | replies | what codes and texts mean: one match |
//! | lines, facts, list, names, features, time | reading what servers write |
//! | encoding, zone | the bytes of names, and the clock of listings |
//! | wire, framing, dial | the streams under suppaftp |
//! | pace | the low-speed rule of data connections |
//! | tls, tickets, trust | TLS, resuming its sessions, judging certificates |
//! | secret, place | passwords, names for messages |
//! | learned, profile | what stays known of a server, for this process and for the next |

mod connector;
mod login;
mod reach;
mod remote;
mod session;

mod commands;
mod listing;
mod mode;
mod open;
mod transfer;

mod replies;

mod facts;
mod features;
mod lines;
mod list;
mod names;
mod time;

mod dial;
mod encoding;
mod framing;
mod pace;
mod proxy;
mod wire;
mod zone;

mod tickets;
mod tls;
mod trust;

mod learned;
mod place;
mod profile;
mod ready;
mod secret;

#[cfg(test)]
mod list_tests;
#[cfg(test)]
mod network_tests;
#[cfg(test)]
mod proxy_tests;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;

pub use connector::FtpConnector;
pub use profile::{Avoided, Profile};
pub use ready::unreadable;
