//! How the process ends: the documented exit codes, and which failure has which.

use std::process::ExitCode;

use orchestrator_host::model::{Fault, FaultClass, FaultCode, PauseReason, RunOutcome};

/// An exit code. The numbers are stable: people script them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// It worked.
    Ok = 0,
    /// The run failed, or something without a number of its own did.
    Failed = 1,
    /// The command line or the configuration is wrong, or a grant was refused.
    Usage = 2,
    /// No such run or file, or nothing to resume.
    NotFound = 3,
    /// A remote file isn't there.
    RemoteMissing = 4,
    /// Temporary: the same again may work; a paused run can be resumed.
    Temporary = 5,
    /// Content isn't what it should be.
    Verification = 6,
    /// Login or TLS.
    Login = 7,
    /// Out of space, here or on the server.
    NoSpace = 8,
    /// Cancelled.
    Cancelled = 9,
    /// A deadline passed.
    Deadline = 10,
    /// A schedule skipped it because the last run was still under way.
    Skipped = 11,
    /// The workflow trapped, diverged or doesn't fit.
    Workflow = 12,
    /// The state is damaged, or in use by a process that can't be talked to.
    StateDamaged = 13,
    /// The state couldn't be written.
    StateUnwritable = 14,
    /// It isn't known whether an effect took place: a person must look.
    Indeterminate = 15,
    /// Ended by Ctrl-C; resumable.
    Interrupted = 130,
    /// Ended by SIGTERM; resumable.
    Terminated = 143,
}

impl Exit {
    /// All of them, in order.
    pub(crate) const ALL: &[Self] = &[
        Self::Ok,
        Self::Failed,
        Self::Usage,
        Self::NotFound,
        Self::RemoteMissing,
        Self::Temporary,
        Self::Verification,
        Self::Login,
        Self::NoSpace,
        Self::Cancelled,
        Self::Deadline,
        Self::Skipped,
        Self::Workflow,
        Self::StateDamaged,
        Self::StateUnwritable,
        Self::Indeterminate,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The number.
    pub(crate) fn number(self) -> u8 {
        self as u8
    }

    /// What it means, in a line.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "it worked",
            Self::Failed => "the run failed",
            Self::Usage => "usage or configuration is wrong, or a grant was refused",
            Self::NotFound => "no such run or file, or nothing to resume",
            Self::RemoteMissing => "a remote file isn't there",
            Self::Temporary => "temporary: the same again may work; a paused run can be resumed",
            Self::Verification => "content isn't what it should be",
            Self::Login => "login or TLS",
            Self::NoSpace => "out of space, here or on the server",
            Self::Cancelled => "cancelled",
            Self::Deadline => "a deadline passed",
            Self::Skipped => "skipped, because the last run was still under way",
            Self::Workflow => "the workflow trapped, diverged or doesn't fit",
            Self::StateDamaged => "the state is damaged, or in use by a process that can't be talked to",
            Self::StateUnwritable => "the state couldn't be written",
            Self::Indeterminate => "it isn't known whether an effect took place: a person must look",
            Self::Interrupted => "ended by Ctrl-C; resumable",
            Self::Terminated => "ended by SIGTERM; resumable",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

/// The exit code of a fault. Its code decides; for codes that a workflow made up, its class.
pub(crate) fn of_fault(fault: &Fault) -> Exit {
    use FaultCode as C;
    match &fault.code {
        C::FtpUnreachable
        | C::FtpUnknownHost
        | C::FtpTimeout
        | C::FtpConnectionLost
        | C::FtpTooMany
        | C::FtpBusy
        | C::FtpProtocol
        | C::FtpNoDataConnection
        | C::FtpRemoteChanged
        | C::FtpTruncated => Exit::Temporary,
        C::FtpProxy if fault.is_transient() => Exit::Temporary,
        C::FtpLogin | C::FtpTls | C::FtpCertificate | C::FtpProxy => Exit::Login,
        C::FtpNotFound => Exit::RemoteMissing,
        C::FtpNoSpace | C::FileNoSpace => Exit::NoSpace,
        C::FtpExists
        | C::FtpDenied
        | C::FtpUnsupported
        | C::FtpBadName
        | C::FileExists
        | C::FileDenied
        | C::FileBadName
        | C::FileChanged
        | C::FileTooLarge
        | C::FileIo
        | C::MemoryFull
        | C::HostBug => Exit::Failed,
        C::FileNotFound => Exit::NotFound,
        C::VerifyDigest | C::VerifyRecords | C::VerifySize => Exit::Verification,
        C::GrantRefused | C::InputInvalid | C::CallInvalid | C::ConfigInvalid => Exit::Usage,
        C::RunCancelled => Exit::Cancelled,
        C::RunInterrupted => Exit::Interrupted,
        C::RunDeadline => Exit::Deadline,
        C::RunIndeterminate => Exit::Indeterminate,
        C::RunTooLong => Exit::Workflow,
        C::StateUnwritable => Exit::StateUnwritable,
        C::StateDamaged => Exit::StateDamaged,
        C::Other(code) if code == "schedule.not-found" => Exit::NotFound,
        C::Other(code) if code == "schedule.exists" => Exit::Usage,
        C::Other(code) if code == "schedule.changed" => Exit::Temporary,
        C::Other(code) if code == "schedule.skipped" => Exit::Skipped,
        C::Other(code) if code == "run.diverged" || code.starts_with("workflow.") => Exit::Workflow,
        C::Other(_) => match fault.class {
            FaultClass::Transient => Exit::Temporary,
            FaultClass::Permanent => Exit::Failed,
            FaultClass::Cancelled => Exit::Cancelled,
            FaultClass::TimedOut => Exit::Deadline,
            FaultClass::Indeterminate => Exit::Indeterminate,
        },
    }
}

/// The exit code of a run's end. `interrupted` is what the signal that ended it stands for.
pub(crate) fn of_outcome(outcome: &RunOutcome, interrupted: Exit) -> Exit {
    match outcome {
        RunOutcome::Done { .. } => Exit::Ok,
        RunOutcome::Failed { fault } => match of_fault(fault) {
            // Of a run that ends, 3 would say that there was nothing to resume.
            Exit::NotFound => Exit::Failed,
            exit => exit,
        },
        RunOutcome::Cancelled => Exit::Cancelled,
        RunOutcome::Interrupted => interrupted,
        RunOutcome::Paused { why, fault } => match why {
            PauseReason::Trapped | PauseReason::Diverged | PauseReason::Suspected => Exit::Workflow,
            PauseReason::Asked => Exit::Temporary,
            PauseReason::Exhausted => match of_fault(fault) {
                exit @ (Exit::Login | Exit::Usage) => exit,
                _ => Exit::Temporary,
            },
            PauseReason::NoSpace => match of_fault(fault) {
                Exit::StateUnwritable => Exit::StateUnwritable,
                _ => Exit::NoSpace,
            },
            PauseReason::Indeterminate | PauseReason::Restored | PauseReason::Imported => Exit::Indeterminate,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_documented_ones() {
        let numbers: Vec<u8> = Exit::ALL.iter().map(|exit| exit.number()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 130, 143]);
    }

    #[test]
    fn faults_that_people_script_have_their_numbers() {
        for (code, number) in [
            (FaultCode::FtpLogin, 7),
            (FaultCode::FtpUnreachable, 5),
            (FaultCode::FtpUnknownHost, 5),
            (FaultCode::FtpNotFound, 4),
            (FaultCode::FileNoSpace, 8),
            (FaultCode::StateUnwritable, 14),
            (FaultCode::StateDamaged, 13),
            (FaultCode::ConfigInvalid, 2),
            (FaultCode::VerifyDigest, 6),
        ] {
            assert_eq!(of_fault(&Fault::new(code.clone(), "x")).number(), number, "{code}");
        }
    }

    #[test]
    fn a_workflows_own_code_goes_by_its_class() {
        let fault = Fault::new(FaultCode::Other("acme.late".to_owned()), "x");
        assert_eq!(of_fault(&fault), Exit::Failed);
        assert_eq!(of_fault(&fault.with_class(FaultClass::Transient)), Exit::Temporary);
    }
}
