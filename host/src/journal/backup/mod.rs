//! Backup and restore: everything of a store in one file, taken while runs go on, each run as of one
//! instant. An exported run is a backup that holds nothing else.
//!
//! Schedules come with their firings, so that nothing fires twice. A restored run is paused: its effects
//! after the backup may exist, and only somebody who knows of them, or who lets every later effect be
//! verified, may let it go on. An imported one is to be looked at: it may be going on where it came from.
//!
//! | file | holds |
//! |---|---|
//! | `write` | a backup of all, an export of one run |
//! | `read` | verifying, restoring and importing |
//! | `shapes` | what stands in the frames (`journal/frames.rs`) |

mod shapes;

mod read;
mod write;

pub use read::{import_runs, restored_at, verify_backup};
pub use shapes::BackupReport;
pub use write::{backup, export_run};

pub(super) use read::fill;
