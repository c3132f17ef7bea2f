//! What a run is given, and how it stands.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Fault;

/// A folder that a run may use, under the name by which it knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderGrant {
    /// The first part of every path in it.
    pub name: String,
    /// Where it is; absolute.
    pub path: PathBuf,
}

/// All that a run may reach. Nothing is granted by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// Names of sites in the configuration.
    pub sites: Vec<String>,
    /// Granted folders.
    pub folders: Vec<FolderGrant>,
    /// The configuration file that was in force, so that a resumed run finds its sites; absolute.
    pub config: Option<PathBuf>,
}

/// How a run stands. The legal changes are in `journal::state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// Under way, or ready to go on: also what a killed run is.
    Running,
    /// Stopped for somebody to look; `resume` goes on.
    Paused,
    /// Cancelling: steps give `cancelled` so that the workflow can clean up.
    Cancelling,
    /// Ended with a result.
    Done,
    /// Ended with a fault that the workflow returned.
    Failed,
    /// Ended by a cancel.
    Cancelled,
}

impl RunStatus {
    /// Whether the run has ended for good.
    #[must_use]
    pub fn is_closed(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }

    /// Its name in JSON and listings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Cancelling => "cancelling",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How driving a run came to an end in this process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcome {
    /// The workflow returned; its result as JSON text.
    Done {
        /// JSON text.
        output: String,
    },
    /// The workflow returned a fault.
    Failed {
        /// What it returned.
        fault: Fault,
    },
    /// The run stopped for somebody to look: a trap, a divergence, attempts used up, an
    /// indeterminate effect.
    Paused {
        /// Why.
        why: PauseReason,
        /// What happened.
        fault: Fault,
    },
    /// The run was cancelled.
    Cancelled,
    /// The process is ending; `resume` goes on.
    Interrupted,
}

/// Why a run waits for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PauseReason {
    /// The workflow trapped: a panic, out of fuel, over a limit.
    Trapped,
    /// The workflow no longer does what the journal says that it did.
    Diverged,
    /// Attempts are used up and the policy says pause.
    Exhausted,
    /// Out of space, here or on the server.
    NoSpace,
    /// It isn't known whether an effect took place.
    Indeterminate,
    /// It was live at several unclean ends of the process and may be their cause.
    Suspected,
    /// The state was restored from a backup: effects after it may exist.
    Restored,
    /// Somebody asked for it.
    Asked,
    /// It was taken in from another state, where it may be going on: it can be looked at and replayed, but
    /// not gone on with.
    Imported,
}
