//! What all transfers of a process have in common.

use std::time::Duration;

use super::copy::SpillOptions;
use crate::model::{ByteCount, RateLimit};

/// The most bytes that one [`Remote::read`](super::Remote::read) gives.
pub(super) const READ_BYTES_MAX: u64 = 256 * 1024;

/// How much a transfer may have under way, and how it goes about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The most bytes that have come (or gone out) and aren't committed: what a kill costs at most,
    /// together with `overlap`. At least [`Options::COMMIT_BYTES_MIN`].
    pub commit_bytes: ByteCount,
    /// How long the oldest byte may stay uncommitted while the network still delivers.
    pub commit_interval: Duration,
    /// How many bytes before the committed offset are fetched (or sent) again when a transfer goes
    /// on, so that another file, or a server that ignored REST, is noticed.
    pub overlap: ByteCount,
    /// A session that lay unused for longer is asked with NOOP before it is used again.
    pub probe_after: Duration,
    /// Most sessions of the process, over all sites; `None` for no limit but those of the sites.
    pub sessions_max: Option<u16>,
    /// How often a watcher is told of progress at most.
    pub progress_interval: Duration,
    /// The most bytes of files per second, all transfers and both ways together.
    pub rate: Option<RateLimit>,
    /// Where a copy may put what it has read while its target stands still; `None` for memory only.
    pub spill: Option<SpillOptions>,
}

impl Options {
    /// The smallest `commit_bytes`: two reads of 256 KiB have to fit, or nothing could be received
    /// while a commit is under way.
    pub const COMMIT_BYTES_MIN: u64 = 512 * 1024;

    /// `commit_bytes`, within its bound.
    pub(super) fn window(&self) -> u64 {
        self.commit_bytes.0.max(Self::COMMIT_BYTES_MIN)
    }

    /// How many bytes a download may have received and not committed. The rest of the window is for
    /// what the server has sent already and the kernel still holds: some MiB with its largest buffers.
    pub(super) fn uncommitted_max(&self) -> u64 {
        self.window() / 8 * 5
    }

    /// After how many bytes a download begins a commit: early enough that a disk that keeps up with
    /// the network never has it wait for [`Options::uncommitted_max`], and at the latest when there is
    /// no room for another read.
    pub(super) fn commit_after(&self) -> u64 {
        (self.window() / 4).min(self.uncommitted_max().saturating_sub(READ_BYTES_MAX))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            commit_bytes: ByteCount(16 << 20),
            commit_interval: Duration::from_secs(5),
            overlap: ByteCount(64 << 10),
            probe_after: Duration::from_secs(2),
            sessions_max: None,
            progress_interval: Duration::from_millis(100),
            rate: None,
            spill: None,
        }
    }
}
