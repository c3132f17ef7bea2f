//! The facts of which a journal consists. What they look like on disk is in [`super::disk`]; which of
//! them may follow which is in [`super::state`].

use bytes::Bytes;

use super::fingerprint::Fingerprint;
use super::store::BlobId;
use crate::model::{Fault, FaultCode, Grants, LogLevel, PauseReason, RunId, StepSeq, Timestamp};

/// One fact, and when it became one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The time of the store's writer.
    pub at: Timestamp,
    /// What is a fact since.
    pub fact: Fact,
}

/// Something that happened to a run and can't be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The run began; or, its journal was ended by `continue-with` and begins anew.
    RunCreated(Box<RunCreated>),
    /// A process took the run over and has come to the end of what was recorded.
    Resumed {
        /// How many deliveries had been given to the guest by then: they lie beside the journal.
        deliveries: u64,
    },
    /// An effect is about to begin that can't simply be repeated.
    StepStarted {
        /// Which step.
        step: StepSeq,
        /// The call.
        call: CallRecord,
        /// What stood there before, for whoever must find out whether the effect took place.
        evidence: Bytes,
    },
    /// An attempt of a step failed and another one follows.
    StepAttempt {
        /// Which step.
        step: StepSeq,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// Why.
        fault: Fault,
        /// When the next one is due.
        next_at: Timestamp,
    },
    /// A step has ended, and this is what the guest sees of it.
    StepFinished {
        /// Which step.
        step: StepSeq,
        /// The call; `None` where [`Fact::StepStarted`] has it.
        call: Option<CallRecord>,
        /// What the guest sees, encoded by whoever asked for the step.
        result: Stored,
        /// The fault in it, for those who read histories.
        fault: Option<FaultCode>,
        /// The result is kept under this name, for [`super::StepLog::checkpoint`].
        checkpoint: Option<String>,
        /// This step told the guest that its run is being cancelled.
        cancel_told: bool,
    },
    /// The guest set a status value.
    StatusSet {
        /// The last step that had ended.
        after: StepSeq,
        /// Its key.
        key: String,
        /// Its value.
        value: String,
    },
    /// The guest logged a line.
    Logged {
        /// The last step that had ended.
        after: StepSeq,
        /// How much it matters.
        level: LogLevel,
        /// The line.
        message: String,
        /// Names and values.
        fields: Vec<(String, String)>,
    },
    /// Somebody asked for the run to be cancelled.
    CancelAsked {
        /// Until when the guest may clean up.
        deadline: Option<Timestamp>,
    },
    /// The run stopped for somebody to look.
    Paused {
        /// Why.
        why: PauseReason,
        /// What happened.
        fault: Fault,
    },
    /// Somebody looked, and the run goes on.
    Unpaused,
    /// From here on the run is another component's. That one was replayed along all of this journal
    /// first, and did the same.
    Repinned {
        /// The component, a blob.
        component: BlobId,
    },
    /// The run has ended for good.
    Ended(Ending),
    /// Somebody had the run go back: what had come after the step before this one is gone from the
    /// journal, though not from the world, and is done again.
    Retried {
        /// The first step that is done again.
        from: StepSeq,
        /// Where the guest's random numbers come from, from here on: other ones than those of the steps
        /// that are gone. Never shown.
        seed: [u8; 32],
    },
}

/// The beginning of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunCreated {
    /// Which run.
    pub run: RunId,
    /// The workflow's name, for people.
    pub workflow: String,
    /// The component, a blob: the run goes on with this code wherever the file has gone.
    pub component: BlobId,
    /// The input, as JSON text.
    pub input: Stored,
    /// All that the run may reach.
    pub grants: Grants,
    /// Where the guest's random numbers come from. Never shown.
    pub seed: [u8; 32],
    /// The version of the host that began the run.
    pub host: String,
    /// When the run began, which may be before this journal did.
    pub began_at: Timestamp,
    /// The step before this journal's first: 0, or the last one of the journal that it goes on from.
    pub after: StepSeq,
    /// What the earlier journal handed on.
    pub resumed: Option<Stored>,
    /// Checkpoints of the earlier journal.
    pub checkpoints: Vec<(String, Stored)>,
    /// Status values of the earlier journal.
    pub statuses: Vec<(String, String)>,
}

impl RunCreated {
    /// Whose memory the run has: that of all runs of its workflow, by name.
    #[must_use]
    pub fn memory(&self) -> &str {
        &self.workflow
    }
}

/// What a guest asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// What kind of call, as `ftp.rename`.
    pub kind: String,
    /// Kind and arguments, hashed.
    pub fingerprint: Fingerprint,
    /// The arguments as JSON text, cut at 1 KiB: for people only.
    pub args: String,
    /// The guest's name for the step.
    pub label: Option<String>,
}

/// Bytes in an entry, or the blob that holds them because they are too many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The bytes.
    Inline(Bytes),
    /// Where they are.
    Blob {
        /// The blob's name.
        id: BlobId,
        /// Its length, in bytes.
        bytes: u64,
    },
}

/// How a run ended for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With a result.
    Done {
        /// JSON text.
        output: Stored,
    },
    /// With a fault that the workflow returned.
    Failed {
        /// It.
        fault: Fault,
    },
    /// By a cancel.
    Cancelled,
}

impl Fact {
    /// The step that this fact is a part of, if it is of one.
    #[must_use]
    pub fn step(&self) -> Option<StepSeq> {
        match self {
            Self::StepStarted { step, .. }
            | Self::StepAttempt { step, .. }
            | Self::StepFinished { step, .. } => Some(*step),
            Self::RunCreated(_)
            | Self::Resumed { .. }
            | Self::StatusSet { .. }
            | Self::Logged { .. }
            | Self::CancelAsked { .. }
            | Self::Paused { .. }
            | Self::Unpaused
            | Self::Repinned { .. }
            | Self::Ended(_)
            | Self::Retried { .. } => None,
        }
    }

    /// Its name in messages and histories.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::RunCreated(_) => "run-created",
            Self::Resumed { .. } => "resumed",
            Self::StepStarted { .. } => "step-started",
            Self::StepAttempt { .. } => "step-attempt",
            Self::StepFinished { .. } => "step-finished",
            Self::StatusSet { .. } => "status-set",
            Self::Logged { .. } => "logged",
            Self::CancelAsked { .. } => "cancel-asked",
            Self::Paused { .. } => "paused",
            Self::Unpaused => "unpaused",
            Self::Repinned { .. } => "repinned",
            Self::Ended(_) => "ended",
            Self::Retried { .. } => "retried",
        }
    }
}
