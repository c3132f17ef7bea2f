//! The journal: the ordered entries of a run, from which it is brought back after a crash.
//!
//! A run is deterministic but for what the host tells it, so a run *is* its journal: replaying the
//! same component over the same entries arrives at the same place and then goes on live.
//!
//! | file | holds |
//! |---|---|
//! | `entry`, `disk` | the facts, and what they look like on disk |
//! | `state` | the fold: which fact may follow which, and how a run stands after them |
//! | `steps` | [`StepLog`]: replay or record |
//! | `effect`, `slot`, `deliveries` | what an effect, a transfer and a batch keep there |
//! | `inbox` | signals that wait for a run |
//! | `remembered` | what workflows remember across their runs |
//! | `halt` | why a guest is stopped; divergence |
//! | `control`, `retry` | cancel, pause, suspicion and going back, from outside of the guest |
//! | `writer`, `cursor` | the one way to append to a run's journal, and the one to read it |
//! | `store`, `error`, `limits` | what is asked of a store, and what it promises |
//! | `commit` | group commit |
//! | `memory`, `sled` | the store as a model, and on disk |
//! | `backup`, `frames`, `check` | everything in one file and back; a look through a store |
//!
//! Whoever drives a run claims it; every write carries the claim's epoch and the number of the last
//! entry known, so a process that lost the run is refused (`store`).

mod entry;
mod state;
mod steps;

mod deliveries;
mod effect;
mod halt;
mod inbox;
mod remembered;
mod slot;

mod control;
mod cursor;
mod disk;
mod fingerprint;
mod retry;
mod summary;
mod writer;

mod error;
mod limits;
mod store;

mod commit;
mod memory;
mod sled;

mod backup;
mod check;
mod frames;

#[cfg(test)]
mod tests;

pub use backup::{BackupReport, backup, export_run, import_runs, restored_at, verify_backup};
pub use check::{CheckReport, check, prune};
pub use commit::Written;
pub use control::{
    Control, UNCLEAN_ENDS_MAX, cancel_resting, history, is_suspect, pause_resting, state_of, suspicion,
};
pub use disk::ENTRY_FORMAT;
pub use effect::{Delivery, Effect};
pub use entry::{CallRecord, Ending, Entry, Fact, RunCreated, Stored};
pub use error::Error;
pub use fingerprint::{Fingerprint, readable};
pub use halt::{Divergence, Halt, Seen};
pub use inbox::{SIGNAL_NAME_BYTES_MAX, Sent, Signal, signal_resting};
pub use limits::Limits;
pub use memory::MemoryStore;
pub use remembered::{Memory, Remembered, Tally, forget, memories, recall, value_of};
pub use retry::{NoRetry, go_back};
pub use sled::{FORMAT, Options, SledStore, restore};
pub use slot::{NAME_BYTES_MAX, Slot};
pub use state::{Cancel, FailedAttempt, RunState, next_status};
pub use steps::{
    CHECKPOINT_KEY_BYTES_MAX, Call, LOG_BYTES_MAX, LOG_LINE_BYTES_MAX, Noted, Recovery, Rehearsal, StepLog,
};
pub use store::{
    Append, BlobId, Claim, Firing, FiringKey, KEY_BYTES_MAX, NewFiring, NewRun, RunExport, RunHead, Store,
    StoredSchedule, ValueWrite, Versioned, Write,
};
pub use summary::Summary;
pub use writer::{fold, load};
