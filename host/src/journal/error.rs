//! Everything that can go wrong with a journal or its store.

use std::path::PathBuf;

use thiserror::Error;

use crate::model::{Fault, FaultCode, RunId, Timestamp};

/// A journal or its store failed. What a guest did wrong is a [`super::Halt`] or a fault instead.
#[derive(Clone, Debug, Error)]
pub enum Error {
    /// There is no such run.
    #[error("there is no run {run}")]
    NotFound {
        /// Which.
        run: RunId,
    },
    /// There is a run of this id already.
    #[error("there is a run {run} already")]
    Exists {
        /// Which.
        run: RunId,
    },
    /// The run is live in some process, or that process died and nobody took it over.
    #[error("run {run} is claimed")]
    Claimed {
        /// Which.
        run: RunId,
    },
    /// The run has ended, so nothing can follow.
    #[error("run {run} has ended")]
    Closed {
        /// Which.
        run: RunId,
    },
    /// The firing has a run, or stands otherwise than its writer thought, or its schedule is gone.
    #[error("schedule `{schedule}` can't fire for {} ms: it has, or was changed", nominal.0)]
    Fired {
        /// The schedule's name.
        schedule: String,
        /// The nominal time.
        nominal: Timestamp,
    },
    /// Somebody else has claimed the run since.
    #[error("run {run} was claimed by somebody else (epoch {epoch})")]
    Fenced {
        /// Which run.
        run: RunId,
        /// The newer claim's epoch.
        epoch: u64,
    },
    /// The journal's last entry isn't the one that the caller thought.
    #[error("the journal of run {run} ends at entry {last}, not where its owner thought")]
    SeqConflict {
        /// Which run.
        run: RunId,
        /// The number of its last entry.
        last: u64,
    },
    /// A value outside of runs isn't as its writer knew it.
    #[error("the value {key} was written by somebody else")]
    ValueConflict {
        /// Its key.
        key: String,
    },
    /// A workflow remembers as much as it may.
    #[error("the memory of {scope} is full: it has {max} entries of this kind")]
    MemoryFull {
        /// Whose.
        scope: String,
        /// How many it may have.
        max: u64,
    },
    /// More signals than a run takes.
    #[error("run {run} takes no more signals: {max} {what} are kept")]
    InboxFull {
        /// Which run.
        run: RunId,
        /// What there is enough of.
        what: &'static str,
        /// How much is enough.
        max: usize,
    },
    /// Longer than a bound.
    #[error("{what} of {bytes} bytes is over the limit of {max}")]
    TooLarge {
        /// What.
        what: &'static str,
        /// How long it is, in bytes.
        bytes: usize,
        /// How long it may be.
        max: usize,
    },
    /// The run has written as much as a run may.
    #[error(
        "the journal of run {run} would have {entries} entries (limit {entries_max}) and {bytes} bytes (limit {bytes_max})"
    )]
    HistoryLimit {
        /// Which run.
        run: RunId,
        /// Entries that it would have.
        entries: u64,
        /// Entries that it may have.
        entries_max: u64,
        /// Bytes that it would have.
        bytes: u64,
        /// Bytes that it may have.
        bytes_max: u64,
    },
    /// It isn't known whether a write took place. Never repeated blindly: claim, then look.
    #[error("it isn't known whether the write took place: {reason}")]
    Ambiguous {
        /// Why.
        reason: String,
    },
    /// The store doesn't answer (any more).
    #[error("the store doesn't answer: {reason}")]
    Unavailable {
        /// Why.
        reason: String,
    },
    /// What is stored isn't what was written. The files are left as they are.
    #[error("the state is damaged: {what}")]
    Damaged {
        /// What, and where.
        what: String,
    },
    /// A fault of this program itself.
    #[error("{what}")]
    Bug {
        /// What can't be.
        what: String,
    },
    /// Another version of this program wrote it.
    #[error("{what} has format {found}, and this version reads {supported}")]
    Version {
        /// What.
        what: &'static str,
        /// The format found.
        found: u32,
        /// The format that this version reads.
        supported: u32,
    },
    /// Another process holds the state.
    #[error("the state in {} is in use by process {}", dir.display(), pid.map_or_else(|| "(unknown)".to_owned(), |pid| pid.to_string()))]
    InUse {
        /// The state folder.
        dir: PathBuf,
        /// Who holds it, where that is known.
        pid: Option<u32>,
    },
    /// There is a state already, and it would be overwritten.
    #[error("there is a state in {}", dir.display())]
    StateExists {
        /// Where.
        dir: PathBuf,
    },
    /// The state can't be written. From a running store this is final: what the system still holds of
    /// earlier writes is unknown after a failed fsync, so the process must end and open it anew.
    #[error("{doing}: {reason}")]
    Unwritable {
        /// What we were doing, to which path.
        doing: String,
        /// What the operating system said.
        reason: String,
        /// Whether it was for want of space.
        no_space: bool,
    },
    /// The state can't be read.
    #[error("{doing}: {reason}")]
    Unreadable {
        /// What we were doing, to which path.
        doing: String,
        /// What the operating system said.
        reason: String,
    },
}

impl Error {
    /// The stable name of this kind of failure.
    #[must_use]
    pub fn code(&self) -> FaultCode {
        match self {
            Self::HistoryLimit { .. } | Self::TooLarge { .. } => FaultCode::RunTooLong,
            Self::Damaged { .. }
            | Self::Version { .. }
            | Self::InUse { .. }
            | Self::StateExists { .. }
            | Self::Unreadable { .. } => FaultCode::StateDamaged,
            Self::Unwritable { .. } | Self::Ambiguous { .. } | Self::Unavailable { .. } => {
                FaultCode::StateUnwritable
            }
            Self::Exists { .. } => FaultCode::Other("run.exists".to_owned()),
            Self::NotFound { .. }
            | Self::Claimed { .. }
            | Self::Closed { .. }
            | Self::Fired { .. }
            | Self::Fenced { .. }
            | Self::SeqConflict { .. }
            | Self::ValueConflict { .. }
            | Self::Bug { .. } => FaultCode::HostBug,
            Self::MemoryFull { .. } => FaultCode::MemoryFull,
            Self::InboxFull { .. } => FaultCode::CallInvalid,
        }
    }

    /// Whether the process must end: the store can take no more writes.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Unwritable { .. } | Self::Ambiguous { .. })
    }

    /// The command or file that helps.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Damaged { .. } => Some(
                "the files are kept as they are; `orchestrator state check` says more, and \
                 `orchestrator state restore` brings back a backup"
                    .to_owned(),
            ),
            Self::InUse { pid: Some(pid), .. } => {
                Some(format!("talk to process {pid} with --node, or stop it"))
            }
            Self::Exists { run } => Some(format!("`orchestrator purge {run}` forgets it, once it has ended")),
            Self::StateExists { .. } => {
                Some("move it away first, or name another one with --state".to_owned())
            }
            Self::Unwritable { no_space: true, .. } => {
                Some("free some space, then `orchestrator resume`".to_owned())
            }
            Self::Unwritable { no_space: false, .. } => {
                Some("the state needs a folder that you may write: name another one with --state".to_owned())
            }
            Self::MemoryFull { .. } => {
                Some("`orchestrator memory` shows and forgets what is remembered".to_owned())
            }
            Self::HistoryLimit { .. } => {
                Some("move many files with a batch, which takes few entries of the journal".to_owned())
            }
            _ => None,
        }
    }

    /// The same as a value that can be told to listeners and clients.
    #[must_use]
    pub fn to_fault(&self) -> Fault {
        let fault = Fault::new(self.code(), self.to_string());
        match self.hint() {
            Some(hint) => fault.with_hint(hint),
            None => fault,
        }
    }

    /// A failed write of a file; `doing` says what and to which path.
    pub(crate) fn unwritable(doing: impl Into<String>, error: &std::io::Error) -> Self {
        let no_space =
            matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded);
        // sled hands errors on as new ones, with the old one's inside for a text.
        let reason = if error.raw_os_error().is_none() && error.kind() != std::io::ErrorKind::Other {
            error.kind().to_string()
        } else {
            error.to_string()
        };
        Self::Unwritable { doing: doing.into(), reason, no_space }
    }

    /// A failed read of a file; `doing` says what and to which path.
    pub(crate) fn unreadable(doing: impl Into<String>, error: &std::io::Error) -> Self {
        Self::Unreadable { doing: doing.into(), reason: error.to_string() }
    }

    /// A fault of this program itself.
    pub(crate) fn bug(what: impl Into<String>) -> Self {
        Self::Bug { what: what.into() }
    }

    /// Something stored isn't what was written.
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }
}
