//! Why a guest can't go on just now. Never seen by the guest: it travels as a trap.

use std::fmt;

use super::error::Error;
use crate::model::{Fault, FaultCode, PauseReason, StepSeq};

/// The guest is stopped, and its run isn't ended by that.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Halt {
    /// The process is ending; the run goes on when it is resumed.
    #[error("interrupted")]
    Interrupted,
    /// A second cancel, or the deadline for cleaning up, ends the run without the guest.
    #[error("cancelled")]
    Cancelled,
    /// A rehearsal has come to the end of what is recorded.
    #[error("the rehearsal is over")]
    Rehearsed,
    /// The guest no longer does what the journal says that it did.
    #[error("{0}")]
    Diverged(Box<Divergence>),
    /// The run must wait for somebody.
    #[error("{1}")]
    Pause(PauseReason, Box<Fault>),
    /// The journal or its store failed.
    #[error(transparent)]
    State(#[from] Error),
}

/// A call as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What kind of call, as `ftp.rename`.
    pub kind: String,
    /// The arguments as JSON text, cut at 1 KiB.
    pub args: String,
    /// The guest's name for the step.
    pub label: Option<String>,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.args)?;
        match &self.label {
            Some(label) => write!(f, " ({})", label.escape_debug()),
            None => Ok(()),
        }
    }
}

/// Where a replay left the path of its journal: found before anything took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// At which step.
    pub step: StepSeq,
    /// What the journal has there; `None` where it has nothing.
    pub recorded: Option<Seen>,
    /// What the guest asks for; `None` where it has ended.
    pub now: Option<Seen>,
    /// Where the guest is: names of its functions, innermost first, from whoever runs it.
    pub at: Vec<String>,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |seen: &Option<Seen>| {
            seen.as_ref().map_or_else(|| "the end of the workflow".to_owned(), Seen::to_string)
        };
        write!(
            f,
            "this workflow no longer does what it did at step {}\n  recorded: {}\n  now:      {}",
            self.step,
            side(&self.recorded),
            side(&self.now),
        )?;
        self.at.iter().try_for_each(|frame| write!(f, "\n  at {frame}"))
    }
}

impl Divergence {
    /// The fault with which the run is paused.
    #[must_use]
    pub fn to_fault(&self) -> Fault {
        Fault::new(FaultCode::Other("run.diverged".to_owned()), self.to_string())
            .with_hint("resume with the component that the run began with, or start a new run")
    }
}
