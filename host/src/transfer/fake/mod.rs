//! A server in memory for the tests of this module: with the faults of real ones, a journal of its
//! effects, and a fuse that ends the client at any step.
//!
//! | file | holds |
//! |---|---|
//! | `server` | files, folders, faults, zombies |
//! | `session` | one session as a [`Remote`](super::Remote) |
//! | `rig` | a server, a folder, a log and a clock, and jobs between them |

mod rig;
mod server;
mod session;

pub(super) use rig::{Rig, noise, sha256};
pub(super) use server::{Faults, Rest};
