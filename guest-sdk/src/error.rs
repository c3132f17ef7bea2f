//! The error of every call, and of the workflow itself.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a fallible call gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What may be done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorClass {
    /// The same call may succeed later.
    Transient,
    /// The same call fails again until somebody changes something.
    Permanent,
    /// The run is being cancelled; later calls work again, for cleaning up.
    Cancelled,
    /// A deadline passed.
    TimedOut,
    /// It isn't known whether the effect took place: a person must look before it is repeated.
    Indeterminate,
}

/// Why a call failed. Returned from the workflow, it ends the run as failed.
///
/// Any `std::error::Error` becomes one through `?`, with the code `workflow.failed`. (For that
/// reason this type can't implement `std::error::Error` itself.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The stable name of the kind of error, as `ftp.not-found`. Compare this, never the message.
    pub code: String,
    /// What may be done about it.
    pub class: ErrorClass,
    /// What was being done and what came of it, for people: a fragment without a full stop.
    pub message: String,
    /// The FTP reply that told of it (RFC 959, 4.2).
    pub reply: Option<u16>,
    /// How many attempts were made, at least 1.
    pub attempts: u32,
    /// How long the other side asked us to wait before another attempt.
    pub retry_after: Option<Duration>,
    /// The command, key or file that helps.
    pub hint: Option<String>,
}

impl Error {
    /// A permanent error of the workflow's own. `code` is in lower case with a dot, as
    /// `acme.empty-file`.
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            class: ErrorClass::Permanent,
            message: message.into(),
            reply: None,
            attempts: 1,
            retry_after: None,
            hint: None,
        }
    }

    /// The same in another class.
    #[must_use]
    pub fn with_class(mut self, class: ErrorClass) -> Self {
        self.class = class;
        self
    }

    /// The same with a hint: the command, key or file that helps.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, said from one level further out: `doing: message`.
    #[must_use]
    pub fn while_doing(mut self, doing: impl fmt::Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// Whether its code is `code`.
    #[must_use]
    pub fn is(&self, code: &str) -> bool {
        self.code == code
    }

    /// Whether a file or folder wasn't there, on either side.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.is("ftp.not-found") || self.is("file.not-found")
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.class == ErrorClass::Transient
    }

    /// Whether the run is being cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.class == ErrorClass::Cancelled
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            message = format!("{message}: {inner}");
            source = inner.source();
        }
        Self::new("workflow.failed", message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_mark_takes_any_error() {
        fn parse(text: &str) -> Result<u32> {
            Ok(text.parse::<u32>()?)
        }
        let error = parse("x").unwrap_err();
        assert_eq!((error.code.as_str(), error.class), ("workflow.failed", ErrorClass::Permanent));
        assert_eq!(
            error.while_doing("reading a count").message,
            "reading a count: invalid digit found in string"
        );
    }
}
