//! The one error of everything that can go wrong with a file, a server or a step.
//!
//! A [`Fault`] is a value, not a chain of sources: it is journaled, handed to guests and replayed
//! years later. Only its [`FaultCode`] and [`FaultClass`] drive retry, metrics and exit codes;
//! the message is for people.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What may be done about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultClass {
    /// The same call may succeed later.
    Transient,
    /// The same call fails again until somebody changes something.
    Permanent,
    /// The run was cancelled.
    Cancelled,
    /// A deadline set by the caller passed.
    TimedOut,
    /// It isn't known whether the effect took place: a person must look.
    Indeterminate,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $class:ident;)*) => {
        /// A stable name for a kind of fault, as printed, journaled and handed to guests.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum FaultCode {
            $($(#[$doc])* $name,)*
            /// A code that a workflow made up, or that a later version wrote.
            Other(String),
        }

        impl FaultCode {
            /// All codes of this host.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code as it is printed.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self { $(Self::$name => $text,)* Self::Other(text) => text }
            }

            /// The class that a fault of this code has unless the place that made it knows better.
            #[must_use]
            pub fn class(&self) -> FaultClass {
                match self { $(Self::$name => FaultClass::$class,)* Self::Other(_) => FaultClass::Permanent }
            }
        }

        impl From<FaultCode> for String {
            fn from(code: FaultCode) -> Self {
                code.as_str().to_owned()
            }
        }

        impl From<String> for FaultCode {
            fn from(text: String) -> Self {
                match text.as_str() { $($text => Self::$name,)* _ => Self::Other(text) }
            }
        }
    };
}

codes! {
    /// The address refused, reset, or can't be routed to.
    FtpUnreachable = "ftp.unreachable", Transient;
    /// The host name has no address.
    FtpUnknownHost = "ftp.unknown-host", Transient;
    /// The site's proxy can't be reached, or (then permanent) doesn't let us through.
    FtpProxy = "ftp.proxy", Transient;
    /// No answer within the deadline.
    FtpTimeout = "ftp.timeout", Transient;
    /// The control or data connection ended early.
    FtpConnectionLost = "ftp.connection-lost", Transient;
    /// The server takes no more sessions (421, or 530 with such a text).
    FtpTooMany = "ftp.too-many-sessions", Transient;
    /// User or password refused (430, 530).
    FtpLogin = "ftp.login", Permanent;
    /// No TLS, or not the TLS that the site asks for.
    FtpTls = "ftp.tls", Permanent;
    /// The server's certificate isn't trusted, or it wants one of ours.
    FtpCertificate = "ftp.certificate", Permanent;
    /// No such file or folder on the server.
    FtpNotFound = "ftp.not-found", Permanent;
    /// The target exists and the policy says not to replace it.
    FtpExists = "ftp.exists", Permanent;
    /// The server doesn't permit it.
    FtpDenied = "ftp.denied", Permanent;
    /// Busy, locked, or a failure that servers get over (450, 451, some 550).
    FtpBusy = "ftp.busy", Transient;
    /// The server is out of space, or the account is over its quota (452, 552).
    FtpNoSpace = "ftp.no-space", Permanent;
    /// The server can't do what is needed (500, 502, 504).
    FtpUnsupported = "ftp.unsupported", Permanent;
    /// The server refuses this name (553), or the name can't be sent.
    FtpBadName = "ftp.bad-name", Permanent;
    /// An answer outside the protocol, or over a bound.
    FtpProtocol = "ftp.protocol", Transient;
    /// A data connection couldn't be opened (425).
    FtpNoDataConnection = "ftp.no-data-connection", Transient;
    /// The remote file changed while it was read.
    FtpRemoteChanged = "ftp.remote-changed", Transient;
    /// Fewer bytes came than the server said.
    FtpTruncated = "ftp.truncated", Transient;
    /// A workflow remembers as much as it may.
    MemoryFull = "memory.full", Permanent;
    /// A local file or folder isn't there.
    FileNotFound = "file.not-found", Permanent;
    /// The local target exists and the policy says not to replace it.
    FileExists = "file.exists", Permanent;
    /// The operating system doesn't permit it.
    FileDenied = "file.denied", Permanent;
    /// The local disk is full, or a quota is used up.
    FileNoSpace = "file.no-space", Permanent;
    /// A path that leaves the granted folder, or a name that can't be used safely.
    FileBadName = "file.bad-name", Permanent;
    /// The local source changed while it was sent.
    FileChanged = "file.changed", Permanent;
    /// Over a limit of size or number.
    FileTooLarge = "file.too-large", Permanent;
    /// Another failure of the operating system.
    FileIo = "file.io", Permanent;
    /// The content isn't what a digest says that it should be.
    VerifyDigest = "verify.digest", Permanent;
    /// The content hasn't the number of records that it should have.
    VerifyRecords = "verify.records", Permanent;
    /// The size isn't what it should be.
    VerifySize = "verify.size", Permanent;
    /// A site, folder or other capability that this run wasn't given.
    GrantRefused = "grant.refused", Permanent;
    /// The run's input isn't what the workflow expects.
    InputInvalid = "input.invalid", Permanent;
    /// An argument of a call that no host could carry out.
    CallInvalid = "call.invalid", Permanent;
    /// The site's configuration or its password can't be read.
    ConfigInvalid = "config.invalid", Permanent;
    /// The run was cancelled.
    RunCancelled = "run.cancelled", Cancelled;
    /// The process is ending; the run goes on when it is resumed. Never journaled as an outcome.
    RunInterrupted = "run.interrupted", Cancelled;
    /// The deadline of the step or the run passed.
    RunDeadline = "run.deadline", TimedOut;
    /// It isn't known whether an effect took place.
    RunIndeterminate = "run.indeterminate", Indeterminate;
    /// Over a limit of the journal.
    RunTooLong = "run.history-limit", Permanent;
    /// The state folder couldn't be written.
    StateUnwritable = "state.unwritable", Permanent;
    /// The state folder's content isn't what was written.
    StateDamaged = "state.damaged", Permanent;
    /// A fault of this program itself.
    HostBug = "host.bug", Permanent;
}

impl fmt::Display for FaultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something went wrong: what, in words and in code, and what may be done about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The stable name of the kind of fault.
    pub code: FaultCode,
    /// What may be done about it.
    pub class: FaultClass,
    /// What we were doing, to which site, path and offset, and what came of it: a fragment that
    /// begins in lower case and has no full stop.
    pub message: String,
    /// The three digits of the FTP reply (RFC 959, 4.2), where there was one.
    pub reply: Option<u16>,
    /// How often it was tried.
    pub attempts: u32,
    /// When the other side said it may be tried again, in milliseconds from now.
    pub retry_after_ms: Option<u64>,
    /// The command, key or file that helps.
    pub hint: Option<String>,
}

impl Fault {
    /// A fault of the code's own class, after one attempt.
    #[must_use]
    pub fn new(code: FaultCode, message: impl Into<String>) -> Self {
        Self {
            class: code.class(),
            code,
            message: message.into(),
            reply: None,
            attempts: 1,
            retry_after_ms: None,
            hint: None,
        }
    }

    /// The fault of a failed local file operation; `doing` says what and to which path.
    #[must_use]
    pub fn local(doing: impl fmt::Display, error: &std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        let code = match error.kind() {
            K::NotFound => FaultCode::FileNotFound,
            K::AlreadyExists => FaultCode::FileExists,
            K::PermissionDenied | K::ReadOnlyFilesystem => FaultCode::FileDenied,
            K::StorageFull | K::QuotaExceeded => FaultCode::FileNoSpace,
            K::FileTooLarge => FaultCode::FileTooLarge,
            K::InvalidFilename => FaultCode::FileBadName,
            _ => FaultCode::FileIo,
        };
        let fault = Self::new(code, format!("{doing}: {error}"));
        match fault.code {
            FaultCode::FileNoSpace => fault.with_hint("free space on the disk that it lies on"),
            FaultCode::FileDenied if error.kind() == K::ReadOnlyFilesystem => {
                fault.with_hint("the disk is mounted read-only")
            }
            FaultCode::FileDenied => fault.with_hint("look at its owner and mode: `ls -l`"),
            _ => fault,
        }
    }

    /// The same with the FTP reply that told of it.
    #[must_use]
    pub fn with_reply(mut self, reply: u16) -> Self {
        self.reply = Some(reply);
        self
    }

    /// The same with another class than its code has by default.
    #[must_use]
    pub fn with_class(mut self, class: FaultClass) -> Self {
        self.class = class;
        self
    }

    /// The same with a hint.
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

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.class == FaultClass::Transient
    }

    /// Whether the same call may succeed once somebody has looked after the site: what is transient,
    /// and login, proxy, TLS and configuration.
    #[must_use]
    pub fn may_be_mended(&self) -> bool {
        use FaultCode::{ConfigInvalid, FtpCertificate, FtpLogin, FtpProxy, FtpTls};
        self.is_transient()
            || matches!(self.code, FtpLogin | FtpTls | FtpCertificate | FtpProxy | ConfigInvalid)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_read_back_and_are_distinct() {
        let mut seen = std::collections::HashSet::new();
        for code in FaultCode::ALL {
            assert!(seen.insert(code.as_str()), "{code} stands twice");
            assert_eq!(&FaultCode::from(code.as_str().to_owned()), code);
        }
        assert_eq!(FaultCode::from("acme.odd".to_owned()), FaultCode::Other("acme.odd".to_owned()));
    }
}
