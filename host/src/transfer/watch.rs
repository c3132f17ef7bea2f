//! Who is told how a transfer goes.

use std::time::Duration;

use crate::model::{ByteCount, Fault};

/// Told how a transfer goes, for people to see. Called from the transfer's own task, so it must not
/// block; nothing is decided by it.
pub trait Watch: Send + Sync {
    /// An attempt begins at `from`; `total` is the length of the whole file, where known.
    fn started(&self, total: Option<ByteCount>, from: ByteCount);

    /// `done` bytes of the file are there; at most ten times a second.
    fn progress(&self, done: ByteCount, total: Option<ByteCount>);

    /// The `attempt`-th attempt failed, and the next one follows after `wait`.
    fn retry(&self, attempt: u32, fault: &Fault, wait: Duration);

    /// Every byte has come, and the session is given back: what is left takes this machine alone.
    fn landed(&self) {}
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn started(&self, _: Option<ByteCount>, _: ByteCount) {}
    fn progress(&self, _: ByteCount, _: Option<ByteCount>) {}
    fn retry(&self, _: u32, _: &Fault, _: Duration) {}
}
