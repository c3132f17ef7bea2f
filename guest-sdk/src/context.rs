//! What a run knows of itself.

use crate::clock::Timestamp;
use crate::host;

/// Which run this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunInfo {
    /// Its id: 26 letters and digits, unique, sorting by age.
    pub run_id: String,
    /// The workflow's name, for people.
    pub workflow: String,
    /// SHA-256 of the component: 64 lower-case hexadecimal digits.
    pub workflow_digest: String,
    /// When the run was created.
    pub started: Timestamp,
}

/// Which run this is.
#[must_use]
pub fn info() -> RunInfo {
    host::info()
}

/// Names of the sites that this run was granted, sorted.
#[must_use]
pub fn sites() -> Vec<String> {
    host::sites()
}

/// Names of the folders that this run was granted, sorted.
#[must_use]
pub fn folders() -> Vec<String> {
    host::folders()
}

/// Whether a cancel was asked for. Calls that wait or act fail by themselves then: a loop needs this
/// only where it makes no such call.
#[must_use]
pub fn cancelled() -> bool {
    host::cancelled()
}
