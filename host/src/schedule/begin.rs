//! Beginning the run of a firing, and seeing it to its end. Done in tasks of their own: a component that is
//! compiled for the first time must not hold up other schedules.

use std::sync::Arc;
use std::time::Duration;

use super::Error;
use super::event::Event;
use super::handle::{Inner, Note};
use super::history::{Cause, End, HistoryRow, Row, What};
use super::record::Record;
use crate::crash;
use crate::engine;
use crate::journal::{self, FiringKey, NewFiring, Summary};
use crate::model::{RunId, RunStatus, Timestamp};

/// How often a run is looked at that another command drives, or nobody yet.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A firing that is to begin.
#[derive(Clone, Debug)]
pub(super) struct Beginning {
    pub(super) record: Arc<Record>,
    pub(super) key: FiringKey,
    /// The version of its row, where it waited.
    pub(super) version: Option<u64>,
    pub(super) cause: Cause,
    /// How many firings the schedule has had, with this one.
    pub(super) number: u64,
}

/// What became of a beginning.
#[derive(Debug)]
pub(super) enum Begun {
    /// Its run is under way.
    Run,
    /// It had its run already.
    Before,
    /// The process is ending; it is missed, and made up for by the next one.
    Stopping,
}

impl Inner {
    /// Begins the run of a firing: row and run are durable when this returns.
    ///
    /// # Errors
    /// The run can't be begun; that is noted in its row.
    pub(super) async fn begin(&self, beginning: &Beginning) -> Result<Begun, Error> {
        let Beginning { record, key, version, cause, number } = beginning;
        let (run, now) = (record.run_id(key), self.clock.now());
        let row = Row::new(What::Fired, *cause, now, *number);
        let firing = NewFiring { key: key.clone(), version: *version, run: None, detail: row.encode() };
        crash::point("schedule.fire.before");
        let fired = self.runs.fire(record.component, &record.definition, run.clone(), firing).await;
        crash::point("schedule.fire.after");
        match fired {
            Ok(()) => {
                let late_ms = now.0.saturating_sub(record.definition.due(key.nominal).0);
                let (schedule, nominal) = (key.schedule.clone(), key.nominal);
                self.tell(Event::Fired { schedule, nominal, run, cause: *cause, late_ms });
                Ok(Begun::Run)
            }
            Err(engine::Error::State(journal::Error::Fired { .. } | journal::Error::Exists { .. })) => {
                Ok(Begun::Before)
            }
            Err(engine::Error::Stopping) => Ok(Begun::Stopping),
            Err(error) => {
                let error = Error::from(error);
                if !error.is_fatal() {
                    let reason = error.to_string();
                    let row = Row::new(What::Refused, *cause, now, number.saturating_sub(1)).because(&reason);
                    self.note(key, *version, &row).await?;
                    let (schedule, nominal) = (key.schedule.clone(), key.nominal);
                    self.tell(Event::Refused { schedule, nominal, reason });
                }
                Err(error)
            }
        }
    }

    /// Sees a run to its end, notes that in its row, and tells the service; `None` where the process ends
    /// first. A run that takes longer than it may is cancelled.
    pub(super) async fn see_to_its_end(
        self: Arc<Self>,
        record: Arc<Record>,
        key: FiringKey,
        run: RunId,
    ) -> Option<End> {
        let ended = match self.end_of(&record, &key, &run).await {
            Ok(Some(end)) => self.note_end(&key, end).await.map(|()| end),
            // The process is ending.
            Ok(None) => return None,
            Err(error) => Err(error),
        };
        match ended {
            Ok(end) => {
                self.tell(Event::Ended { schedule: key.schedule.clone(), run: run.clone(), end });
                self.pass(Note::Ended { schedule: key.schedule, run, end }).await;
                Some(end)
            }
            Err(error) => {
                self.pass(Note::Failed(error)).await;
                None
            }
        }
    }

    /// Waits for the end of a run; `None` where the process ends first.
    async fn end_of(&self, record: &Record, key: &FiringKey, run: &RunId) -> Result<Option<End>, Error> {
        let may_take = record.definition.run_time_ms.map(Duration::from_millis);
        let taken = match self.store.firing(key).await? {
            Some(firing) => {
                let begun_at = HistoryRow::of(firing)?.row.at;
                Duration::from_millis(self.clock.now().0.saturating_sub(begun_at.0))
            }
            None => Duration::ZERO,
        };
        let time_up = async {
            match may_take {
                Some(may_take) => self.clock.sleep(may_take.saturating_sub(taken)).await,
                None => std::future::pending().await,
            }
        };
        let ending = self.outcome(run);
        tokio::pin!(ending);
        tokio::select! {
            end = &mut ending => return end,
            () = time_up => {}
        }
        tracing::warn!(schedule = %key.schedule, %run, "a run takes longer than it may, and is cancelled");
        self.runs.cancel(run, false).await;
        ending.await
    }

    async fn outcome(&self, run: &RunId) -> Result<Option<End>, Error> {
        loop {
            if let Some(outcome) = self.runs.outcome(run).await {
                return Ok(End::of(&outcome));
            }
            match self.status(run).await? {
                // A run that was removed had ended.
                None | Some(RunStatus::Cancelled) => return Ok(Some(End::Cancelled)),
                Some(RunStatus::Done) => return Ok(Some(End::Done)),
                Some(RunStatus::Failed) => return Ok(Some(End::Failed)),
                Some(RunStatus::Paused) => return Ok(Some(End::Paused)),
                Some(RunStatus::Running | RunStatus::Cancelling) => self.clock.sleep(LOOK_EVERY).await,
            }
        }
    }

    /// How a run stands; `None` where it is gone.
    pub(super) async fn status(&self, run: &RunId) -> Result<Option<RunStatus>, Error> {
        let Some(head) = self.store.head(run).await? else { return Ok(None) };
        Ok(Some(Summary::decode(&head.summary)?.status))
    }

    /// Writes a row that begins no run; false where it stands otherwise than was thought.
    pub(super) async fn note(&self, key: &FiringKey, version: Option<u64>, row: &Row) -> Result<bool, Error> {
        crash::point("schedule.note.before");
        let firing = NewFiring { key: key.clone(), version, run: None, detail: row.encode() };
        let noted = self.store.note_firing(firing).await?;
        crash::point("schedule.note.after");
        Ok(noted)
    }

    async fn note_end(&self, key: &FiringKey, end: End) -> Result<(), Error> {
        // A schedule that was removed meanwhile has no rows any more.
        let Some(firing) = self.store.firing(key).await? else { return Ok(()) };
        let HistoryRow { mut row, version, .. } = HistoryRow::of(firing)?;
        row.ended = Some((end, self.clock.now()));
        self.note(key, Some(version), &row).await?;
        Ok(())
    }

    /// Whether a run of the schedule succeeded in a span of time.
    pub(super) async fn succeeded(
        &self,
        schedule: &str,
        after: Timestamp,
        until: Timestamp,
    ) -> Result<bool, Error> {
        let rows = self.rows(schedule, None, ROWS_LOOKED_AT).await?;
        Ok(rows
            .iter()
            .any(|row| row.row.ended.is_some_and(|(end, at)| end == End::Done && at > after && at <= until)))
    }
}

/// So many of the latest rows are looked at for a success: a schedule that fires every minute has fewer in
/// a day.
const ROWS_LOOKED_AT: usize = 1_500;
