//! A server that goes wrong in the ways in which real ones do.
//!
//! It is a whole small FTP server with files in memory, plain or under TLS. A [`Plan`] says where it
//! strays from that: [`Rule`]s give a command other [`Act`]s than obeying it, [`Twist`]s bend a
//! transfer, [`Quirks`] change what commands mean for files. Plans add up, so faults can be combined.
//! The [`catalogue`] has one for each behaviour of servers that we know, by its number F01–F60.
//!
//! ```text
//!  accept ──► session (a thread each): line → rules of the plan → obey, or stray
//!                 │ RETR, STOR, APPE                    │
//!                 ▼                                     ▼
//!              data connection ◄── twists ──►  files in memory ──► effect log
//! ```
//!
//! The [`EffectLog`] is only ever added to, in the order in which things happened; so it tells whether
//! something was done once. A transfer goes on when its control connection is gone, as on vsftpd,
//! ProFTPD and pure-ftpd. Rules count over all sessions, so that one plan gives one course of events
//! wherever the client has one session at a time.

pub mod catalogue;
mod data;
mod effects;
mod files;
mod line;
mod listing;
mod obey;
mod plan;
mod server;
mod session;
mod tls;

pub use effects::{Effect, EffectLog};
pub use files::Files;
pub use plan::{Act, Ending, Plan, Quirks, RestOfRetr, RestOfStor, Rule, Size, Time, Twist};
pub use server::{PASSWORD, Scripted, USER};
pub use tls::{Doubt, TlsPlan};
