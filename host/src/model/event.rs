//! What is told to listeners: progress bars, logs, metrics, clients of the socket. Never the truth:
//! that is the journal.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ByteCount, Fault, ItemId, Receipt, RunId, RunOutcome, StepSeq};

/// Which way a file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From the server.
    Download,
    /// To the server.
    Upload,
}

/// Which transfer of a run an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TransferId {
    /// The step that asked for it.
    pub step: StepSeq,
    /// Which of the step's transfers.
    pub item: ItemId,
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// For the author of the workflow only.
    Trace,
    /// Detail.
    Debug,
    /// What an operator wants to see.
    Info,
    /// Odd, but it goes on.
    Warn,
    /// Something failed.
    Error,
}

/// Something that a run tells. Events may be lost or seen twice; nothing is decided by them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum RunEvent {
    /// The run began, or goes on in this process.
    Started {
        /// Which run.
        run: RunId,
        /// The workflow's name, for people.
        workflow: String,
        /// True when an earlier process had begun it.
        resumed: bool,
    },
    /// A new step finished (replayed steps are silent).
    StepFinished {
        /// Which step.
        step: StepSeq,
        /// What kind of call it was, as `ftp.download`.
        kind: String,
        /// The fault that it gave to the workflow, if it did.
        fault: Option<Fault>,
    },
    /// A replay gave the workflow the recorded result of a step.
    StepReplayed {
        /// Which step.
        step: StepSeq,
        /// What kind of call it is, as `ftp.download`.
        kind: String,
        /// The arguments as JSON text, cut at 1 KiB.
        args: String,
        /// The fault that it gave to the workflow, if it did.
        fault: Option<Fault>,
    },
    /// A transfer began, or goes on.
    TransferStarted {
        /// Which transfer.
        transfer: TransferId,
        /// With which site.
        site: String,
        /// Which way.
        direction: Direction,
        /// The name that people see: the remote path.
        name: String,
        /// Length of the whole file, where known.
        total: Option<ByteCount>,
        /// Where it begins.
        from: ByteCount,
    },
    /// Bytes have passed.
    TransferProgress {
        /// Which transfer.
        transfer: TransferId,
        /// How far it has come.
        done: ByteCount,
        /// Length of the whole file, where known.
        total: Option<ByteCount>,
    },
    /// An attempt failed and another follows.
    TransferRetry {
        /// Which transfer.
        transfer: TransferId,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// Why.
        fault: Fault,
        /// The wait before the next one, in milliseconds.
        wait_ms: u64,
    },
    /// A transfer ended.
    TransferFinished {
        /// Which transfer.
        transfer: TransferId,
        /// With which site.
        site: String,
        /// Which way.
        direction: Direction,
        /// From when the workflow asked for it (or this process went on with it) to its end, in
        /// milliseconds: with the wait for a session, all attempts, and the pauses between them.
        latency_ms: u64,
        /// How.
        outcome: Result<Receipt, Fault>,
    },
    /// The workflow logged a line.
    Log {
        /// The step before which it did.
        step: StepSeq,
        /// How much it matters.
        level: LogLevel,
        /// The line, with control characters escaped.
        message: String,
        /// Names and values.
        fields: Vec<(String, String)>,
    },
    /// The workflow reported progress of its own.
    Progress {
        /// Of what.
        section: String,
        /// How much is done.
        done: u64,
        /// Of how much.
        total: Option<u64>,
        /// The unit of both.
        unit: String,
    },
    /// The workflow set a status value.
    Status {
        /// Its key.
        key: String,
        /// Its value.
        value: String,
    },
    /// The run is no longer driven by this process.
    Ended {
        /// Which run.
        run: RunId,
        /// How it ended.
        outcome: RunOutcome,
    },
}

/// Hears what all runs of a process tell: metrics, logs.
pub trait Listener: Send + Sync + fmt::Debug {
    /// Called where it happens, by the run itself: it waits for nothing.
    fn hear(&self, run: &RunId, workflow: &str, event: &RunEvent);
}
