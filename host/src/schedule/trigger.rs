//! A run now, with a schedule's settings.

use std::time::Duration;

use tokio::task::JoinHandle;

use super::Error;
use super::begin::{Beginning, Begun};
use super::definition::Overlap;
use super::handle::{Handle, Note};
use super::history::{Cause, End, Row, What};
use super::overlap::{self, Decision, Load};
use super::record::Record;
use crate::journal::FiringKey;
use crate::model::{Fault, FaultCode, RunId, Timestamp};

/// How often it is looked whether cancelled runs have ended.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long cancelled runs may clean up, and a little more: the engine ends them after a minute.
const ENDED_WITHIN: Duration = Duration::from_secs(70);

/// What became of a trigger.
#[derive(Debug)]
pub enum Triggered {
    /// Its run is under way.
    Run(Watched),
    /// It waits for a run to end.
    Waits,
}

/// A run that was begun beside the service's loop, and is seen to its end.
#[derive(Debug)]
pub struct Watched {
    run: RunId,
    ending: JoinHandle<Option<End>>,
}

impl Watched {
    /// Which run.
    #[must_use]
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// Waits until its end is noted in the schedule's history; `None` where the process ends first. The run
    /// goes on where nobody waits.
    pub async fn noted(self) -> Option<End> {
        self.ending.await.ok().flatten()
    }
}

impl Handle {
    /// Begins a run now, with a schedule's settings; also of one that is paused. `overlap` stands in for its
    /// own policy.
    ///
    /// # Errors
    /// [`Error::Skipped`] where the policy leaves it out; [`Error::NotFound`], [`Error::Engine`].
    pub async fn trigger(&self, name: &str, overlap: Option<Overlap>) -> Result<Triggered, Error> {
        let mut record = self.get(name).await?;
        if let Some(overlap) = overlap {
            record.definition.overlap = overlap;
        }
        let skipped = |reason: &str| Error::Skipped { name: name.to_owned(), reason: reason.to_owned() };
        let standing = self.inner.standing(name).await?;
        let (active, number) = (self.going_on(&standing.active).await?, standing.number);
        let load = Load { active: active.len(), waiting: standing.waiting.len() };
        match overlap::decide(&record.definition, load, Cause::Triggered) {
            Decision::Start => {}
            Decision::Wait if self.inner.has_service() => {
                let key = self.free_key(name, self.inner.clock.now()).await?;
                let row = Row::new(What::Waiting, Cause::Triggered, self.inner.clock.now(), number);
                self.inner.note(&key, None, &row).await?;
                self.inner.pass(Note::Waits(key)).await;
                return Ok(Triggered::Waits);
            }
            // Only a process that stays can begin it later.
            Decision::Wait => return Err(skipped("the last run is still under way")),
            Decision::Replace { now } => {
                for run in &active {
                    self.inner.runs.cancel(run, now).await;
                }
                self.wait_for(name, active).await?;
            }
            Decision::Skip(reason) => return Err(skipped(reason)),
        }
        let key = self.free_key(name, self.inner.clock.now()).await?;
        self.begin_beside(&record, key, Cause::Triggered, number + 1).await.map(Triggered::Run)
    }

    /// Begins the run of a firing beside the service's loop, and has it seen to its end.
    pub(super) async fn begin_beside(
        &self,
        record: &Record,
        key: FiringKey,
        cause: Cause,
        number: u64,
    ) -> Result<Watched, Error> {
        let record = std::sync::Arc::new(record.clone());
        let (run, schedule) = (record.run_id(&key), key.schedule.clone());
        let wanted = Beginning { record: record.clone(), key: key.clone(), version: None, cause, number };
        match self.inner.begin(&wanted).await? {
            Begun::Run => {}
            Begun::Before => return Err(Error::Changed { name: schedule }),
            Begun::Stopping => return Err(Error::Engine(crate::engine::Error::Stopping)),
        }
        self.inner.pass(Note::Began { schedule, run: run.clone() }).await;
        let ending = tokio::spawn(self.inner.clone().see_to_its_end(record, key, run.clone()));
        Ok(Watched { run, ending })
    }

    /// The first round at a nominal time that no row has.
    pub(super) async fn free_key(&self, name: &str, nominal: Timestamp) -> Result<FiringKey, Error> {
        let mut key = FiringKey { schedule: name.to_owned(), nominal, round: 1 };
        while self.inner.store.firing(&key).await?.is_some() {
            key.round += 1;
            if key.round == super::history::LATE_ROUND {
                return Err(Error::invalid("it was fired as often as it may for this time", None));
            }
        }
        Ok(key)
    }

    async fn going_on(&self, active: &[(RunId, FiringKey)]) -> Result<Vec<RunId>, Error> {
        let mut going_on = Vec::new();
        for (run, _) in active {
            use crate::model::RunStatus::{Cancelling, Running};
            if matches!(self.inner.status(run).await?, Some(Running | Cancelling)) {
                going_on.push(run.clone());
            }
        }
        Ok(going_on)
    }

    async fn wait_for(&self, name: &str, runs: Vec<RunId>) -> Result<(), Error> {
        let keyless =
            |run: RunId| (run, FiringKey { schedule: String::new(), nominal: Timestamp(0), round: 0 });
        let runs: Vec<_> = runs.into_iter().map(keyless).collect();
        let give_up = self.inner.clock.monotonic() + ENDED_WITHIN;
        while !self.going_on(&runs).await?.is_empty() {
            if self.inner.clock.monotonic() > give_up {
                let message = format!("schedule `{name}`: the run that was cancelled doesn't end");
                let fault = Fault::new(FaultCode::RunDeadline, message);
                return Err(Error::Engine(crate::engine::Error::Unready(fault)));
            }
            self.inner.clock.sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}
