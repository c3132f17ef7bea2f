//! What schedules tell their listeners: logs, metrics, alerts, pages. Never the truth: that is the rows.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::history::{Cause, End};
use crate::model::{RunId, Timestamp};

/// Something that happened to a schedule. Events may be lost; nothing is decided by them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A run was begun.
    Fired {
        /// The schedule.
        schedule: String,
        /// The nominal time.
        nominal: Timestamp,
        /// The run.
        run: RunId,
        /// Why.
        cause: Cause,
        /// How much later than it was due, in milliseconds.
        late_ms: u64,
    },
    /// A firing waits for a run to end.
    Waiting {
        /// The schedule.
        schedule: String,
        /// The nominal time.
        nominal: Timestamp,
    },
    /// A firing was left out.
    Skipped {
        /// The schedule.
        schedule: String,
        /// The nominal time.
        nominal: Timestamp,
        /// Why.
        reason: String,
    },
    /// Firings fell into a downtime and are not made up for.
    Missed {
        /// The schedule.
        schedule: String,
        /// The last of them.
        nominal: Timestamp,
        /// How many.
        count: u64,
    },
    /// A run couldn't be begun.
    Refused {
        /// The schedule.
        schedule: String,
        /// The nominal time.
        nominal: Timestamp,
        /// Why.
        reason: String,
    },
    /// A run has ended.
    Ended {
        /// The schedule.
        schedule: String,
        /// The run.
        run: RunId,
        /// How.
        end: End,
    },
    /// No run had succeeded by the time at which one was expected.
    Late {
        /// The schedule.
        schedule: String,
        /// That time.
        expected_by: Timestamp,
    },
    /// The schedule pauses.
    Paused {
        /// The schedule.
        schedule: String,
        /// Why.
        reason: String,
    },
}

impl Event {
    /// Writes a line of the log.
    pub(super) fn log(&self) {
        match self {
            Self::Fired { schedule, nominal, run, cause, late_ms } => {
                tracing::info!(%schedule, nominal = nominal.0, %run, ?cause, late_ms, "fired");
            }
            Self::Waiting { schedule, nominal } => {
                tracing::info!(%schedule, nominal = nominal.0, "a firing waits");
            }
            Self::Skipped { schedule, nominal, reason } => {
                tracing::warn!(%schedule, nominal = nominal.0, %reason, "a firing was left out");
            }
            Self::Missed { schedule, nominal, count } => {
                tracing::warn!(%schedule, last = nominal.0, count, "firings were missed");
            }
            Self::Refused { schedule, nominal, reason } => {
                tracing::error!(%schedule, nominal = nominal.0, %reason, "a run couldn't be begun");
            }
            Self::Ended { schedule, run, end: End::Failed | End::Paused } => {
                tracing::warn!(%schedule, %run, "a run failed");
            }
            Self::Ended { schedule, run, end } => tracing::info!(%schedule, %run, ?end, "a run has ended"),
            Self::Late { schedule, expected_by } => {
                tracing::warn!(%schedule, expected_by = expected_by.0, "no run has succeeded in time");
            }
            Self::Paused { schedule, reason } => tracing::warn!(%schedule, %reason, "the schedule pauses"),
        }
    }
}

/// How often what happened since the process began, all schedules together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Runs that were begun.
    pub fired: u64,
    /// Those of them that were made up for.
    pub caught_up: u64,
    /// Firings that were left out.
    pub skipped: u64,
    /// Firings that were missed.
    pub missed: u64,
    /// Runs that couldn't be begun.
    pub refused: u64,
    /// Runs that failed or stopped for somebody to look.
    pub failed: u64,
    /// Times at which a run was expected and hadn't succeeded.
    pub late: u64,
}

/// [`Counters`] that count.
#[derive(Debug, Default)]
pub(super) struct Counting {
    fired: AtomicU64,
    caught_up: AtomicU64,
    skipped: AtomicU64,
    missed: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    late: AtomicU64,
}

impl Counting {
    pub(super) fn count(&self, event: &Event) {
        let add = |counter: &AtomicU64, by| {
            counter.fetch_add(by, Ordering::Relaxed);
        };
        match event {
            Event::Fired { cause, .. } => {
                add(&self.fired, 1);
                add(&self.caught_up, u64::from(*cause == Cause::CaughtUp));
            }
            Event::Skipped { .. } => add(&self.skipped, 1),
            Event::Missed { count, .. } => add(&self.missed, *count),
            Event::Refused { .. } => add(&self.refused, 1),
            Event::Ended { end: End::Failed | End::Paused, .. } => add(&self.failed, 1),
            Event::Late { .. } => add(&self.late, 1),
            Event::Ended { .. } | Event::Waiting { .. } | Event::Paused { .. } => {}
        }
    }

    pub(super) fn now(&self) -> Counters {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            fired: of(&self.fired),
            caught_up: of(&self.caught_up),
            skipped: of(&self.skipped),
            missed: of(&self.missed),
            refused: of(&self.refused),
            failed: of(&self.failed),
            late: of(&self.late),
        }
    }
}
