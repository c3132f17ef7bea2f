//! Why something isn't done with a schedule.

use thiserror::Error as ThisError;

use super::expression::Invalid;
use crate::engine;
use crate::journal;
use crate::model::{Fault, FaultCode};

/// Why something isn't done with a schedule.
#[derive(Clone, Debug, ThisError)]
pub enum Error {
    /// There is no such schedule.
    #[error("there is no schedule `{}`", name.escape_debug())]
    NotFound {
        /// The name.
        name: String,
        /// The nearest one.
        near: Option<String>,
    },
    /// There is one of that name.
    #[error("there is a schedule `{name}` already")]
    Exists {
        /// The name.
        name: String,
    },
    /// It can't be meant.
    #[error("{message}")]
    Invalid {
        /// What.
        message: String,
        /// What helps.
        hint: Option<String>,
    },
    /// A run of the schedule is still under way, and its policy says to leave the firing out.
    #[error("schedule `{name}` didn't fire: {reason}")]
    Skipped {
        /// The name.
        name: String,
        /// Why.
        reason: String,
    },
    /// Somebody else changed it in the same moment.
    #[error("schedule `{name}` was changed by somebody else in the same moment")]
    Changed {
        /// The name.
        name: String,
    },
    /// Its run can't be begun, or its component not kept.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// The state can't be read or written.
    #[error(transparent)]
    State(#[from] journal::Error),
}

impl Error {
    pub(super) fn invalid(message: impl Into<String>, hint: Option<String>) -> Self {
        Self::Invalid { message: message.into(), hint }
    }

    /// Whether the process must end: the store can take no more writes.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::State(error) | Self::Engine(engine::Error::State(error)) => error.is_fatal(),
            _ => false,
        }
    }

    /// The same as a value that can be told to clients.
    #[must_use]
    pub fn to_fault(&self) -> Fault {
        let other = |code: &str| Fault::new(FaultCode::Other(code.to_owned()), self.to_string());
        match self {
            Self::NotFound { near: Some(near), .. } => {
                other("schedule.not-found").with_hint(format!("did you mean `{near}`?"))
            }
            Self::NotFound { near: None, .. } => {
                other("schedule.not-found").with_hint("`orchestrator schedule list` shows all")
            }
            Self::Exists { name } => {
                other("schedule.exists").with_hint(format!("`orchestrator schedule edit {name}` changes it"))
            }
            Self::Invalid { hint, .. } => {
                let fault = Fault::new(FaultCode::ConfigInvalid, self.to_string());
                match hint {
                    Some(hint) => fault.with_hint(hint),
                    None => fault,
                }
            }
            Self::Skipped { .. } => {
                other("schedule.skipped").with_hint("wait for the run, cancel it, or use --overlap allow")
            }
            Self::Changed { .. } => other("schedule.changed").with_hint("look at it, and try again"),
            Self::Engine(error) => error.to_fault(),
            Self::State(error) => error.to_fault(),
        }
    }
}

impl From<Invalid> for Error {
    fn from(Invalid { message, hint }: Invalid) -> Self {
        Self::Invalid { message, hint }
    }
}
