//! Limits on bytes, and on commands, per second.
//!
//! | file | holds |
//! |---|---|
//! | bucket | one limit that any number of transfers share, in turns |
//! | timetable | what a limit says at an instant |
//! | limits | all limits of a process, and the [`Throttle`] of one transfer under those that hold for it |
//!
//! A transfer counts what has passed, and goes on once every limit that holds for it has paid for that.
//! So a limit of all transfers, one of a site and one of a single transfer hold at the same time, and
//! none of them has to know of the others.

mod bucket;
mod limits;
mod timetable;

pub(in crate::transfer) use bucket::Bucket;
pub(in crate::transfer) use limits::{Buckets, Limits, Throttle};
