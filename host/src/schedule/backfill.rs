//! The nominal times of a span once more, or for the first time.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::Error;
use super::handle::Handle;
use super::history::{Cause, End, HistoryRow, LATE_ROUND, What};
use super::record::Record;
use crate::journal::FiringKey;
use crate::model::{RunId, RunStatus, Timestamp};

/// The most nominal times of one backfill: more is a slip in the dates.
pub const BACKFILL_MAX: usize = 10_000;

/// The most runs of a backfill at a time.
const PARALLEL_MAX: usize = 64;

/// Rows that are read at a time.
const PAGE: usize = 256;

/// Which nominal times of a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// Those for which no run was ever begun.
    #[default]
    Missed,
    /// Those whose last run failed, was cancelled, or couldn't be begun.
    Failed,
    /// All of them.
    All,
}

/// What is to be made up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfill {
    /// From this instant on, which is counted.
    pub from: Timestamp,
    /// Up to this one, which is counted.
    pub to: Timestamp,
    /// Which.
    pub which: Which,
    /// So many runs at a time.
    pub parallel: usize,
    /// The latest first.
    pub reverse: bool,
}

/// What became of one nominal time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filled {
    /// Which.
    pub nominal: Timestamp,
    /// The run that was begun; none where it couldn't be.
    pub run: Option<RunId>,
    /// How that ended; none while it goes on, and where the process ended first.
    pub ended: Option<End>,
    /// Why it wasn't begun.
    pub reason: Option<String>,
}

/// What the rows say of a nominal time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    Never,
    Failed,
    Fine,
}

impl Handle {
    /// The nominal times that a backfill would begin runs for, in its order.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] for a span that has too many or ends before it begins.
    pub async fn backfill_plan(&self, name: &str, backfill: &Backfill) -> Result<Vec<Timestamp>, Error> {
        let record = self.get(name).await?;
        let rule = record.definition.check()?;
        if backfill.to < backfill.from {
            return Err(Error::invalid("the span ends before it begins", None));
        }
        if !(1..=PARALLEL_MAX).contains(&backfill.parallel) {
            return Err(Error::invalid(format!("1 to {PARALLEL_MAX} runs can go on at a time"), None));
        }
        // What is still to come fires by itself.
        let to = backfill.to.min(self.inner.clock.now());
        let latest = rule.latest(Timestamp(backfill.from.0.saturating_sub(1)), to, BACKFILL_MAX);
        if latest.more {
            return Err(Error::invalid(
                format!("the span has more than {BACKFILL_MAX} firings"),
                Some("make it shorter, and do it in parts".to_owned()),
            ));
        }
        let stands = self.stands(&record, backfill.from, to).await?;
        let wanted = |at: &Timestamp| {
            let stand = stands.get(at).copied().unwrap_or(Stand::Never);
            match backfill.which {
                // What is older than the history isn't known never to have had a run.
                Which::Missed => {
                    stand == Stand::Never && record.forgotten_until.is_none_or(|until| *at > until)
                }
                Which::Failed => stand == Stand::Failed,
                Which::All => true,
            }
        };
        let mut times: Vec<_> = latest.times.into_iter().filter(wanted).collect();
        if backfill.reverse {
            times.reverse();
        }
        Ok(times)
    }

    /// Begins the runs of a span, so many at a time, and waits for their ends. `told` hears of each as it
    /// begins and as it ends. What a kill interrupts is gone on with by the same backfill once more: the
    /// runs that it began count.
    ///
    /// # Errors
    /// As [`Handle::backfill_plan`]; those of a store that can't be written. A run that can't be begun is
    /// no error of the whole.
    pub async fn backfill(
        &self,
        name: &str,
        backfill: &Backfill,
        told: &(dyn Fn(&Filled) + Sync),
    ) -> Result<Vec<Filled>, Error> {
        let times = self.backfill_plan(name, backfill).await?;
        let record = self.get(name).await?;
        let mut filled = Vec::with_capacity(times.len());
        let mut filling =
            stream::iter(times).map(|nominal| self.fill(&record, nominal, told)).buffered(backfill.parallel);
        while let Some(one) = filling.next().await {
            filled.push(one?);
        }
        Ok(filled)
    }

    async fn fill(
        &self,
        record: &Record,
        nominal: Timestamp,
        told: &(dyn Fn(&Filled) + Sync),
    ) -> Result<Filled, Error> {
        let mut filled = Filled { nominal, run: None, ended: None, reason: None };
        let key = self.free_key(&record.definition.name, nominal).await?;
        let number = self.inner.standing(&record.definition.name).await?.number + 1;
        match self.begin_beside(record, key, Cause::Backfilled, number).await {
            Ok(watched) => {
                filled.run = Some(watched.run().clone());
                told(&filled);
                filled.ended = watched.noted().await;
            }
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => filled.reason = Some(error.to_string()),
        }
        told(&filled);
        Ok(filled)
    }

    /// How the nominal times of a span stand, as far as there are rows.
    async fn stands(
        &self,
        record: &Record,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<BTreeMap<Timestamp, Stand>, Error> {
        let name = &record.definition.name;
        let after = Timestamp(to.0.saturating_add(1));
        let mut before = FiringKey { schedule: name.clone(), nominal: after, round: 0 };
        let mut stands = BTreeMap::new();
        loop {
            let rows = self.inner.rows(name, Some(&before), PAGE).await?;
            let Some(last) = rows.last() else { return Ok(stands) };
            before = last.key(name);
            for row in &rows {
                if row.nominal < from {
                    return Ok(stands);
                }
                if row.round != LATE_ROUND {
                    let stand = self.stand(row).await?;
                    // The latest round comes first, and decides.
                    stands
                        .entry(row.nominal)
                        .and_modify(|known| *known = later(*known, stand))
                        .or_insert(stand);
                }
            }
        }
    }

    async fn stand(&self, row: &HistoryRow) -> Result<Stand, Error> {
        Ok(match (row.row.what, &row.run, row.row.ended) {
            (What::Refused, ..) => Stand::Failed,
            (What::Fired, _, Some((End::Failed | End::Cancelled, _))) => Stand::Failed,
            (What::Fired, Some(run), None) => match self.inner.status(run).await? {
                Some(RunStatus::Failed | RunStatus::Cancelled) => Stand::Failed,
                _ => Stand::Fine,
            },
            (What::Fired | What::Waiting, ..) => Stand::Fine,
            (What::Skipped | What::Missed { .. } | What::Late, ..) => Stand::Never,
        })
    }
}

/// What two rounds say together: one that had a run isn't never, and a success stays one.
fn later(known: Stand, earlier: Stand) -> Stand {
    match (known, earlier) {
        (Stand::Never, other) => other,
        (known, _) => known,
    }
}
