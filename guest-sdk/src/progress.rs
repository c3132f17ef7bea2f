//! How far the run has come, for those who watch. Transfers report their bytes by themselves.

use std::fmt::Display;

use crate::host;

/// Tells watchers that `done` of `total` `unit`s of `section` are done: `report("files", 3, 20, "files")`.
/// Not recorded; some reports may be left out when they come fast.
pub fn report(section: &str, done: u64, total: impl Into<Option<u64>>, unit: &str) {
    host::progress_report(section, done, total.into(), unit);
}

/// Sets a value that `orchestrator show` gives even while the workflow is busy or not running. Recorded.
/// At most 64 keys; keys are cut at 64 bytes and values at 1,024.
pub fn status(key: &str, value: impl Display) {
    host::set_status(key, &value.to_string());
}
