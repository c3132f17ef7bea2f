//! Failures as people read them: what, the chain once, what helps, and a code to look up.

use std::fmt;
use std::io::{IsTerminal, Write};

use orchestrator_host::config::{self, Environment, environment};
use orchestrator_host::model::Fault;
use orchestrator_host::node;
use serde_json::{Value, json};

use crate::args::{Color, Global};
use crate::exit::{self, Exit};

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What we were doing, to what, and what came of it.
    pub(crate) message: String,
    /// What helps.
    pub(crate) hint: Option<String>,
    /// What `orchestrator explain` has a page for.
    pub(crate) code: String,
    /// How the process ends.
    pub(crate) exit: Exit,
}

impl Failure {
    /// A failure with a code of the command line's own.
    pub(crate) fn new(exit: Exit, code: &str, message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, code: code.to_owned(), exit }
    }

    /// The command was called wrongly.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", message)
    }

    /// What was read or written locally can't be; `doing` says what and which path.
    pub(crate) fn local(doing: impl fmt::Display, error: &std::io::Error) -> Self {
        Fault::local(doing, error).into()
    }

    /// Whoever read our output has gone: that is no failure, and nothing is said.
    pub(crate) fn broken_pipe() -> Self {
        Self::new(Exit::Ok, "", "")
    }

    /// The same with a hint.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The failure in JSON.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "exit": self.exit.number(),
        })
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let exit = exit::of_fault(&fault);
        let mut message = fault.message;
        if fault.attempts > 1 {
            message.push_str(&format!(" (after {} attempts)", fault.attempts));
        }
        Self { message, hint: fault.hint, code: fault.code.as_str().to_owned(), exit }
    }
}

impl From<config::Error> for Failure {
    fn from(error: config::Error) -> Self {
        Self {
            message: error.to_string(),
            hint: error.hint,
            code: "config.invalid".to_owned(),
            exit: Exit::Usage,
        }
    }
}

impl From<node::Error> for Failure {
    fn from(error: node::Error) -> Self {
        let (message, hint, code) = (error.to_string(), error.hint(), error.code().to_owned());
        let exit = match error {
            node::Error::Fault { fault } => return fault.into(),
            node::Error::NoSuchRun { .. }
            | node::Error::Ambiguous { .. }
            | node::Error::NothingToResume
            | node::Error::Closed { .. } => Exit::NotFound,
            node::Error::Refused { .. } => Exit::Workflow,
            node::Error::InUse { .. } | node::Error::Held { .. } | node::Error::OtherVersion { .. } => {
                Exit::StateDamaged
            }
            node::Error::Lost { .. } => Exit::Temporary,
        };
        Self { message, hint, code, exit }
    }
}

/// What a panic says: a fault of this program, and where. The store's own panics over damaged files
/// are caught and reported as what they are, so nothing is said of those.
pub(crate) fn panicked(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    if place.contains("/sled-") {
        return;
    }
    let what = panic.payload_as_str().unwrap_or("it gave no reason");
    let _ = writeln!(
        std::io::stderr().lock(),
        "error: a fault of this program at {place}: {what}\ncode: host.bug (please report it)"
    );
}

/// How failures are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    color: bool,
}

impl Style {
    pub(crate) fn new(global: &Global, environment: &Environment) -> Self {
        let color = match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                environment.text(environment::NO_COLOR).is_none() && std::io::stderr().is_terminal()
            }
        };
        Self { color }
    }

    /// Writes a failure to standard error.
    pub(crate) fn print(self, failure: &Failure) {
        if failure.exit != Exit::Ok {
            // Nobody is left to be told where standard error is closed.
            let _ = write!(std::io::stderr().lock(), "{}", self.text(failure));
        }
    }

    fn text(self, failure: &Failure) -> String {
        let label = |name: &str, ansi: &str| {
            if self.color { format!("\x1b[{ansi}m{name}:\x1b[0m") } else { format!("{name}:") }
        };
        let mut text = format!("{} {}\n", label("error", "1;31"), failure.message);
        if let Some(hint) = &failure.hint {
            text.push_str(&format!("{} {hint}\n", label("hint", "36")));
        }
        if !failure.code.is_empty() && failure.code != "usage" {
            text.push_str(&format!(
                "{} {} (`orchestrator explain {}`)\n",
                label("code", "2"),
                failure.code,
                failure.code
            ));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orchestrator_host::model::FaultCode;

    #[test]
    fn a_failure_says_what_the_hint_and_the_code() {
        let fault = Fault {
            attempts: 5,
            ..Fault::new(FaultCode::FtpUnreachable, "connect to site `a` (h:21): connection refused")
                .with_hint("`orchestrator site test a` looks closer")
        };
        assert_eq!(
            Style { color: false }.text(&fault.into()),
            "error: connect to site `a` (h:21): connection refused (after 5 attempts)\n\
             hint: `orchestrator site test a` looks closer\n\
             code: ftp.unreachable (`orchestrator explain ftp.unreachable`)\n"
        );
    }

    #[test]
    fn a_wrong_call_has_no_page_to_look_up() {
        assert_eq!(Style { color: false }.text(&Failure::usage("no")), "error: no\n");
        assert!(Style { color: true }.text(&Failure::usage("no")).starts_with("\x1b["));
    }
}
