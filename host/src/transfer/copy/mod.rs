//! Copies from one site to another, through this host (never FXP).
//!
//! A copy is an upload whose bytes come from a second session instead of a file: B's settled size is the
//! offset, `may_send` is durable before bytes go out, the part is verified and renamed once. What this
//! module adds is the other end: the file on A, read again from the last chunk that the log can prove.
//!
//! ```text
//!  session with A ──▶ pump: hash ──▶ ring (6 MiB, then a spill on disk) ──▶ send ──▶ session with B
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `run` | [`Transfers::copy`](crate::transfer::Transfers::copy) |
//! | `source` | the file on A: two sessions at once, what it is, whether it is still the same |
//! | `reading` | a RETR on A, proven up to where the part goes on |
//! | `pump`, `ring`, `spill` | from A's session to B's, within bounds of memory and of disk |

mod pump;
mod reading;
mod ring;
mod run;
mod source;
mod spill;

pub(super) use pump::{Extent, Judged};
pub(super) use reading::{Point, Reading};
pub(super) use source::Both;
pub use source::SiteFile;
pub use spill::SpillOptions;

#[cfg(test)]
mod tests;
