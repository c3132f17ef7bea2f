//! Why a request wasn't done.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::{Fault, FaultCode, RunId, RunStatus};

/// Why a request wasn't done. Goes over the socket as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "error", rename_all = "kebab-case")]
pub enum Error {
    /// No run's id begins so.
    #[error("there is no run `{}` in this state", wanted.escape_debug())]
    NoSuchRun {
        /// What was asked for.
        wanted: String,
    },
    /// The ids of several runs begin so.
    #[error("`{}` is the beginning of {} runs: {}", wanted.escape_debug(), runs.len(), listed(runs))]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// Those runs.
        runs: Vec<RunId>,
    },
    /// Every run has ended.
    #[error("there is nothing to resume")]
    NothingToResume,
    /// The run has ended, so that can't be done with it.
    #[error("run {run} has ended ({status})")]
    Closed {
        /// Which run.
        run: RunId,
        /// How it ended.
        status: RunStatus,
    },
    /// The component can't be run.
    #[error("{message}")]
    Refused {
        /// Why, and which file.
        message: String,
        /// What helps.
        hint: String,
    },
    /// Something went wrong that has a code of its own.
    #[error("{fault}")]
    Fault {
        /// What.
        fault: Fault,
    },
    /// Another process holds the state and doesn't answer.
    #[error(
        "the state in {} is in use by process {}, which doesn't answer on its socket",
        state.display(),
        pid.map_or_else(|| "(unknown)".to_owned(), |pid| pid.to_string())
    )]
    InUse {
        /// The state folder.
        state: PathBuf,
        /// Who holds it, where that is known.
        pid: Option<u32>,
    },
    /// Another process holds the state, and this one would have to.
    #[error("the state in {} is held by process {pid}", state.display())]
    Held {
        /// The state folder.
        state: PathBuf,
        /// Who holds it.
        pid: u32,
    },
    /// Another version of this program holds the state.
    #[error("the state in {} is in use by process {pid}, which is version {theirs}; this is {ours}", state.display())]
    OtherVersion {
        /// The state folder.
        state: PathBuf,
        /// Who holds it.
        pid: u32,
        /// Its version.
        theirs: String,
        /// Ours.
        ours: String,
    },
    /// The process that held the state ended while it worked for us.
    #[error("process {pid}, which held the state, ended before it had answered")]
    Lost {
        /// Which process.
        pid: u32,
    },
}

/// The first few ids, for a message.
fn listed(runs: &[RunId]) -> String {
    const SHOWN_MAX: usize = 4;
    let mut text: Vec<&str> = runs.iter().take(SHOWN_MAX).map(RunId::as_str).collect();
    if runs.len() > SHOWN_MAX {
        text.push("…");
    }
    text.join(", ")
}

impl Error {
    /// A reply that can't be the answer to what was asked, or none: a fault of this program.
    #[must_use]
    pub fn unanswered() -> Self {
        Fault::new(FaultCode::HostBug, "a request was not answered").into()
    }

    /// What `orchestrator explain` has a page for.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Fault { fault } => fault.code.as_str(),
            Self::NoSuchRun { .. } | Self::Ambiguous { .. } => "run.not-found",
            Self::NothingToResume => "run.nothing-to-resume",
            Self::Closed { .. } => "run.closed",
            Self::Refused { .. } => "workflow.refused",
            Self::InUse { .. } | Self::Held { .. } | Self::OtherVersion { .. } => "state.in-use",
            Self::Lost { .. } => "node.lost",
        }
    }

    /// What helps.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoSuchRun { .. } | Self::Ambiguous { .. } => {
                Some("`orchestrator list` shows the runs of this state".to_owned())
            }
            Self::NothingToResume => Some("`orchestrator list` shows how the last runs ended".to_owned()),
            Self::Closed { run, .. } => Some(format!(
                "`orchestrator show {run}` prints its result, `orchestrator retry {run}` does its last steps again"
            )),
            Self::Refused { hint, .. } => Some(hint.clone()),
            Self::Fault { fault } => fault.hint.clone(),
            Self::Held { .. } => Some(
                "wait until its runs have ended, or end it (they can be gone on with); or name another --state"
                    .to_owned(),
            ),
            Self::InUse { pid: Some(pid), .. } => Some(format!(
                "if process {pid} hangs, end it (its runs are resumable); or name another --state"
            )),
            Self::InUse { pid: None, .. } => Some("wait until it ends, or name another --state".to_owned()),
            Self::OtherVersion { .. } => {
                Some("use that version, wait until its runs have ended, or name another --state".to_owned())
            }
            Self::Lost { .. } => Some("`orchestrator list` shows what had begun".to_owned()),
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Fault { fault }
    }
}
