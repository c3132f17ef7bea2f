//! Journals, logs, and what runs tell while they go on.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::runs::{RunFault, fault_of};
use crate::clock::rfc3339;
use crate::model::{Direction, RunEvent};
use crate::node;

/// One entry of a journal.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Entry {
    /// Its number, from 1.
    pub(crate) seq: u64,
    /// When it was written.
    #[schema(format = DateTime)]
    at: String,
    /// What kind of fact it is, as `step-finished`.
    pub(crate) kind: String,
    /// The step that it is about, if it is about one.
    step: Option<u64>,
    /// The rest of it.
    detail: Value,
}

impl From<&node::Entry> for Entry {
    fn from(entry: &node::Entry) -> Self {
        Self {
            seq: entry.seq,
            at: rfc3339(entry.at),
            kind: entry.kind.clone(),
            step: entry.step.map(|step| step.0),
            detail: entry.detail.clone(),
        }
    }
}

/// A page of a journal.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Entries {
    /// `orchestrator.history/1`
    #[serde(rename = "$type")]
    pub(crate) kind: &'static str,
    /// Whose.
    pub(crate) run: String,
    /// They, in order.
    pub(crate) entries: Vec<Entry>,
    /// What to give as `from` for the next page; none after the last one.
    pub(crate) next: Option<u64>,
}

/// A line that the workflow logged.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogLine {
    /// The number of its entry.
    seq: u64,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// `trace`, `debug`, `info`, `warn` or `error`.
    level: Value,
    /// The line.
    message: Value,
    /// Names and values.
    fields: BTreeMap<String, String>,
}

impl LogLine {
    /// The line that an entry holds, if it holds one.
    pub(crate) fn of(entry: &node::Entry) -> Option<Self> {
        (entry.kind == "logged").then(|| {
            let pairs = entry.detail["fields"].as_array().into_iter().flatten();
            let pair = |pair: &Value| Some((pair[0].as_str()?.to_owned(), pair[1].as_str()?.to_owned()));
            Self {
                seq: entry.seq,
                at: rfc3339(entry.at),
                level: entry.detail["level"].clone(),
                message: entry.detail["message"].clone(),
                fields: pairs.filter_map(pair).collect(),
            }
        })
    }
}

/// A page of a run's log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Logs {
    /// `orchestrator.logs/1`
    #[serde(rename = "$type")]
    pub(crate) kind: &'static str,
    /// Whose.
    pub(crate) run: String,
    /// The lines, in order.
    pub(crate) lines: Vec<LogLine>,
    /// What to give as `from` for the next page; none after the last one.
    pub(crate) next: Option<u64>,
}

/// What a run tells of a transfer while it goes on. It isn't kept, so it may be missed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Talk {
    /// A transfer began, or goes on.
    TransferStarted {
        /// The step that asked for it.
        step: u64,
        /// Which of the step's transfers.
        item: u32,
        /// With which site.
        site: String,
        /// `download` or `upload`.
        direction: &'static str,
        /// The remote path.
        name: String,
        /// Length of the file in bytes, where it is known.
        total: Option<u64>,
        /// The byte at which it begins.
        from: u64,
    },
    /// Bytes have passed.
    TransferProgress {
        /// The step that asked for it.
        step: u64,
        /// Which of the step's transfers.
        item: u32,
        /// How many bytes it has come.
        done: u64,
        /// Length of the file in bytes, where it is known.
        total: Option<u64>,
    },
    /// An attempt failed and another follows.
    TransferRetry {
        /// The step that asked for it.
        step: u64,
        /// Which of the step's transfers.
        item: u32,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// The wait before the next one, in milliseconds.
        wait_ms: u64,
        /// Why it failed.
        fault: RunFault,
    },
    /// A transfer ended.
    TransferFinished {
        /// The step that asked for it.
        step: u64,
        /// Which of the step's transfers.
        item: u32,
        /// Bytes of the file.
        bytes: Option<u64>,
        /// The byte at which the last attempt began.
        resumed_from: Option<u64>,
        /// Why it failed, if it did.
        fault: Option<RunFault>,
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
}

impl Talk {
    /// What an event tells that no entry of the journal does.
    pub(crate) fn of(event: &RunEvent) -> Option<Self> {
        Some(match event {
            RunEvent::TransferStarted { transfer, site, direction, name, total, from } => {
                Self::TransferStarted {
                    step: transfer.step.0,
                    item: transfer.item.0,
                    site: site.clone(),
                    direction: match direction {
                        Direction::Download => "download",
                        Direction::Upload => "upload",
                    },
                    name: name.clone(),
                    total: total.map(|total| total.0),
                    from: from.0,
                }
            }
            RunEvent::TransferProgress { transfer, done, total } => Self::TransferProgress {
                step: transfer.step.0,
                item: transfer.item.0,
                done: done.0,
                total: total.map(|total| total.0),
            },
            RunEvent::TransferRetry { transfer, attempt, fault, wait_ms } => Self::TransferRetry {
                step: transfer.step.0,
                item: transfer.item.0,
                attempt: *attempt,
                wait_ms: *wait_ms,
                fault: fault_of(fault),
            },
            RunEvent::TransferFinished { transfer, outcome, .. } => Self::TransferFinished {
                step: transfer.step.0,
                item: transfer.item.0,
                bytes: outcome.as_ref().ok().map(|receipt| receipt.bytes.0),
                resumed_from: outcome.as_ref().ok().map(|receipt| receipt.resumed_from.0),
                fault: outcome.as_ref().err().map(fault_of),
            },
            RunEvent::Progress { section, done, total, unit } => {
                Self::Progress { section: section.clone(), done: *done, total: *total, unit: unit.clone() }
            }
            RunEvent::Started { .. }
            | RunEvent::StepFinished { .. }
            | RunEvent::StepReplayed { .. }
            | RunEvent::Log { .. }
            | RunEvent::Status { .. }
            | RunEvent::Ended { .. } => return None,
        })
    }

    /// Its name as an event of a stream.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::TransferStarted { .. } => "transfer-started",
            Self::TransferProgress { .. } => "transfer-progress",
            Self::TransferRetry { .. } => "transfer-retry",
            Self::TransferFinished { .. } => "transfer-finished",
            Self::Progress { .. } => "progress",
        }
    }
}
