//! The default store: one folder on the local disk, kept by sled 0.34.7. This is the only place that
//! knows sled.
//!
//! ```text
//! <state>/             0700
//!   lock               held while the state is open; says by which process
//!   store/             made whole in store.new and renamed
//!     format           the version of all of this
//!     witness          how many commits are on disk
//!     db conf snap.*   sled's
//!     objects/         blobs, each under its SHA-256
//! ```
//!
//! sled was measured before it was trusted; what was seen there made these rules:
//! - `flush` never fsyncs, so a commit is: one batch, `flush`, our own fsync of `db` (`medium`).
//! - Values over 16 KiB or so go to files that it never fsyncs, so no value is over 4 KiB (`long`) and
//!   what is over 64 KiB is a blob file of our own (`objects`).
//! - A kill while it opens leaves a partial snapshot that it can't open again, so that is moved aside
//!   first; a damaged snapshot is moved aside once, since the log alone holds everything (`open`).
//! - A log whose end is missing looks like one that was never longer, so the witness tells (`medium`).
//! - After a failed write or fsync nobody knows what is on disk: the store takes no more writes, and
//!   the process has to end (`medium`).
//! - A batch is atomic in one tree only, so there is one tree, and a letter in front of each key
//!   (`keys`).

mod store;

mod keep;
mod keys;
mod ledger;
mod long;
mod medium;
mod objects;
mod open;
mod records;
mod restore;
mod schedules;
mod staging;

pub use open::FORMAT;
pub use restore::restore;
pub use store::{Options, SledStore};
