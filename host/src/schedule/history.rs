//! The rows of a schedule's history: what became of its nominal times.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::FORMAT;
use super::record::format_of;
use crate::journal::{self, Firing, FiringKey};
use crate::model::{RunId, RunOutcome, Timestamp};

/// The round of rows that say that a run was expected: no firing has it.
pub(super) const LATE_ROUND: u16 = u16::MAX;

/// The longest reason that is kept, in bytes: a row shows one line.
const REASON_BYTES_MAX: usize = 512;

/// Why a run was begun at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Its time had come.
    Scheduled,
    /// Its time fell into a downtime.
    CaughtUp,
    /// Somebody asked for it.
    Triggered,
    /// Somebody asked for all of a span.
    Backfilled,
}

/// What became of a nominal time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum What {
    /// A run was begun.
    Fired,
    /// It waits for a run to end.
    Waiting,
    /// It was left out.
    Skipped,
    /// It fell into a downtime and was not made up for; so did those before it.
    Missed {
        /// How many, with this one.
        count: u64,
        /// Whether there were even more.
        more: bool,
    },
    /// Its run couldn't be begun.
    Refused,
    /// No run had succeeded by then.
    Late,
}

impl What {
    /// Its name in listings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::Waiting => "waiting",
            Self::Skipped => "skipped",
            Self::Missed { .. } => "missed",
            Self::Refused => "refused",
            Self::Late => "late",
        }
    }
}

/// How a run ended, as far as its schedule is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// With a result.
    Done,
    /// With a fault.
    Failed,
    /// It waits for somebody: it no longer counts for overlap.
    Paused,
    /// By a cancel.
    Cancelled,
}

impl End {
    /// What an outcome means; `None` where the process is ending and the run goes on later.
    pub(super) fn of(outcome: &RunOutcome) -> Option<Self> {
        match outcome {
            RunOutcome::Done { .. } => Some(Self::Done),
            RunOutcome::Failed { .. } => Some(Self::Failed),
            RunOutcome::Paused { .. } => Some(Self::Paused),
            RunOutcome::Cancelled => Some(Self::Cancelled),
            RunOutcome::Interrupted => None,
        }
    }

    /// Its name in listings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A row, but for its key and its run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// What became of it.
    #[serde(flatten)]
    pub what: What,
    /// Why it was to fire at all.
    pub cause: Cause,
    /// When that was decided.
    pub at: Timestamp,
    /// How many firings the schedule had had by then, with this one if it fired.
    pub number: u64,
    /// Why it didn't fire, or not in time.
    pub reason: Option<String>,
    /// How its run ended, and when.
    pub ended: Option<(End, Timestamp)>,
}

/// A row with its key and its run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// The nominal time.
    pub nominal: Timestamp,
    /// 0 for the schedule's own firing.
    pub round: u16,
    /// The run that was begun; it may have been removed since.
    pub run: Option<RunId>,
    /// The rest.
    pub row: Row,
    pub(super) version: u64,
}

#[derive(Serialize, Deserialize)]
struct Shape {
    format: u32,
    #[serde(flatten)]
    row: Row,
}

impl Row {
    pub(super) fn new(what: What, cause: Cause, at: Timestamp, number: u64) -> Self {
        Self { what, cause, at, number, reason: None, ended: None }
    }

    pub(super) fn because(mut self, reason: impl AsRef<str>) -> Self {
        let reason = reason.as_ref();
        self.reason = Some(reason[..reason.floor_char_boundary(REASON_BYTES_MAX)].to_owned());
        self
    }

    pub(super) fn encode(&self) -> Bytes {
        let shape = Shape { format: FORMAT, row: self.clone() };
        // Plain data of ours always has a form in JSON.
        serde_json::to_vec(&shape).unwrap_or_default().into()
    }
}

impl HistoryRow {
    pub(super) fn of(firing: Firing) -> Result<Self, journal::Error> {
        let Firing { key, version, run, detail } = firing;
        let damaged = |error: serde_json::Error| journal::Error::Damaged {
            what: format!("a firing of schedule {} can't be decoded: {error}", key.schedule),
        };
        let found = format_of(&detail).map_err(damaged)?;
        if found != FORMAT {
            return Err(journal::Error::Version { what: "a firing", found, supported: FORMAT });
        }
        let shape: Shape = serde_json::from_slice(&detail).map_err(damaged)?;
        Ok(Self { nominal: key.nominal, round: key.round, run, row: shape.row, version })
    }

    pub(super) fn key(&self, schedule: &str) -> FiringKey {
        FiringKey { schedule: schedule.to_owned(), nominal: self.nominal, round: self.round }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back() {
        let run = Some(RunId::new(Timestamp(5), [1; 10]));
        for what in [
            What::Fired,
            What::Waiting,
            What::Skipped,
            What::Missed { count: 7, more: true },
            What::Refused,
            What::Late,
        ] {
            let mut row = Row::new(what, Cause::CaughtUp, Timestamp(9), 3).because("é".repeat(400));
            row.ended = Some((End::Paused, Timestamp(11)));
            let key = FiringKey { schedule: "s".to_owned(), nominal: Timestamp(5), round: 2 };
            let firing = Firing { key, version: 4, run: run.clone(), detail: row.encode() };
            let back = HistoryRow::of(firing).unwrap();
            assert_eq!((back.row, back.run.clone(), back.version), (row, run.clone(), 4));
        }
    }

    #[test]
    fn what_is_no_row_is_damage_and_a_later_format_is_not() {
        let firing = |detail: &'static [u8]| Firing {
            key: FiringKey { schedule: "s".to_owned(), nominal: Timestamp(5), round: 0 },
            version: 1,
            run: None,
            detail: Bytes::from_static(detail),
        };
        assert!(matches!(HistoryRow::of(firing(b"{}")), Err(journal::Error::Damaged { .. })));
        let later = HistoryRow::of(firing(br#"{"format":9}"#));
        assert!(matches!(later, Err(journal::Error::Version { found: 9, .. })));
    }
}
