//! Why a run isn't begun, found or gone on with.

use std::fmt;

use crate::journal;
use crate::model::{Fault, FaultCode, RunId, RunStatus};
use crate::wasm::Refusal;

/// Why a run isn't begun, found or gone on with.
#[derive(Clone, Debug)]
pub enum Error {
    /// The component doesn't fit.
    Refused(Refusal),
    /// There is no such run.
    NotFound(RunId),
    /// The run has ended for good.
    Closed {
        /// Which run.
        run: RunId,
        /// How it ended.
        status: RunStatus,
    },
    /// The run hasn't ended.
    Open {
        /// Which run.
        run: RunId,
        /// How it stands.
        status: RunStatus,
    },
    /// The input is over its bound.
    Input(String),
    /// A site that the run was granted can't be used as it is configured.
    Unready(Fault),
    /// Another component doesn't do what is recorded, so the run stays as it was.
    Unlike(Fault),
    /// Too many runs, or the engine is stopping.
    Stopping,
    /// The state can't be read or written.
    State(journal::Error),
    /// The Wasm engine can't be set up: a fault of this program or of the machine.
    Setup(String),
}

impl Error {
    /// The same as a value that can be told to clients.
    #[must_use]
    pub fn to_fault(&self) -> Fault {
        match self {
            Self::Refused(refusal) => {
                Fault::new(FaultCode::Other("workflow.refused".to_owned()), refusal.to_string())
                    .with_hint(refusal.hint())
            }
            Self::NotFound(_) => Fault::new(FaultCode::Other("run.not-found".to_owned()), self.to_string())
                .with_hint("`orchestrator list` shows the runs of this state"),
            Self::Closed { .. } => Fault::new(FaultCode::Other("run.closed".to_owned()), self.to_string())
                .with_hint("start it anew with `orchestrator run`"),
            Self::Open { run, .. } => Fault::new(FaultCode::CallInvalid, self.to_string())
                .with_hint(format!("`orchestrator cancel {run}` ends it")),
            Self::Input(_) => Fault::new(FaultCode::InputInvalid, self.to_string()),
            Self::Stopping => Fault::new(FaultCode::RunInterrupted, self.to_string()),
            Self::Unready(fault) | Self::Unlike(fault) => fault.clone(),
            Self::State(error) => error.to_fault(),
            Self::Setup(_) => Fault::new(FaultCode::HostBug, self.to_string()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::NotFound(run) => write!(f, "there is no run {run}"),
            Self::Closed { run, status } => write!(f, "run {run} has ended ({status})"),
            Self::Open { run, status } => write!(f, "run {run} hasn't ended ({status})"),
            Self::Input(why) => f.write_str(why),
            Self::Unready(fault) | Self::Unlike(fault) => fault.fmt(f),
            Self::Stopping => f.write_str("this process is ending and takes no new runs"),
            Self::State(error) => error.fmt(f),
            Self::Setup(why) => write!(f, "setting up the WebAssembly engine: {why}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<journal::Error> for Error {
    fn from(error: journal::Error) -> Self {
        match error {
            journal::Error::NotFound { run } => Self::NotFound(run),
            error => Self::State(error),
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
