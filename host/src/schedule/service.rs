//! The loop that fires: one task, which sleeps until something is due.
//!
//! It decides in order, so that two firings of one schedule never both find room for one run. What takes
//! long (beginning a run, waiting for its end) is done in tasks, which tell it by notes.

use std::future::Future;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};

use super::Error;
use super::begin::{Beginning, Begun};
use super::book::{Book, Entry, Why};
use super::catch_up::{self, ON_TIME_MS};
use super::event::Event;
use super::handle::{Handle, Inner, Note};
use super::history::{Cause, End, HistoryRow, LATE_ROUND, Row, What};
use super::overlap::{self, Decision};
use crate::journal::FiringKey;
use crate::model::{RunId, Timestamp};

/// How long it sleeps at most: so soon it sees that somebody set the clock.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A clock that goes back by less than this was corrected, not set.
const SET_BACK_MS: u64 = 1_000;

/// Runs that are begun at a time: they share the store's commits, and the compiler is no faster with more.
const BEGINNING_MAX: usize = 64;

/// So many rows of a schedule's history are kept.
const HISTORY_MAX: usize = 10_000;

/// Old rows are removed after so many new ones.
const FORGET_EVERY: u32 = 500;

/// Fires schedules while it runs. One for each [`Handle`].
#[derive(Debug)]
pub struct Service {
    inner: Arc<Inner>,
    inbox: mpsc::Receiver<Note>,
    book: Book,
    beginning: Arc<Semaphore>,
    /// The latest time that was seen: an earlier one means that the clock was set back.
    seen: Timestamp,
}

impl Service {
    /// The service of a handle; `None` where it has one already.
    #[must_use]
    pub fn new(handle: &Handle) -> Option<Self> {
        let inbox = handle.inner.inbox.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(Self {
            inner: handle.inner.clone(),
            inbox,
            book: Book::default(),
            beginning: Arc::new(Semaphore::new(BEGINNING_MAX)),
            seen: Timestamp(0),
        })
    }

    /// Fires what is due until `shutdown` ends. Runs under way are left to the engine, which is asked for
    /// them again by the next process.
    ///
    /// # Errors
    /// The store can't be read or written; the process should end.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        self.load().await?;
        tokio::pin!(shutdown);
        loop {
            let now = self.inner.clock.now();
            self.notice_set_back(now);
            while let Some((name, why)) = self.book.take_due(now) {
                match why {
                    Why::Fire => self.fire_due(&name, now).await?,
                    Why::Expect => self.look_whether_late(&name, now).await?,
                }
            }
            let now = self.inner.clock.now();
            let wait = self
                .book
                .first_due()
                .map_or(LOOK_EVERY, |due| Duration::from_millis(due.0.saturating_sub(now.0)).min(LOOK_EVERY));
            tokio::select! {
                () = &mut shutdown => return Ok(()),
                Some(note) = self.inbox.recv() => self.take_in(note).await?,
                () = self.inner.clock.sleep(wait) => {}
            }
        }
    }

    /// Reads every schedule, and watches the runs that an earlier process began.
    async fn load(&mut self) -> Result<(), Error> {
        self.seen = self.inner.clock.now();
        for record in self.inner.records().await? {
            let name = record.definition.name.clone();
            self.enter(&name).await?;
        }
        Ok(())
    }

    /// Takes a schedule into the book as the store has it.
    async fn enter(&mut self, name: &str) -> Result<(), Error> {
        let Some(record) = self.inner.record(name).await? else { return Ok(()) };
        let (standing, now) = (self.inner.standing(name).await?, self.inner.clock.now());
        let active = standing.active.clone();
        let entry = match Entry::new(record, standing, now) {
            Ok(entry) => entry,
            Err(error) => {
                // Another version took it; the others still fire.
                tracing::error!(schedule = name, %error, "a schedule can't be read");
                return Ok(());
            }
        };
        let record = entry.record.clone();
        let may_go_on = record.paused.is_none();
        self.book.insert(name, entry);
        for (run, key) in active {
            tokio::spawn(self.inner.clone().see_to_its_end(record.clone(), key, run));
        }
        self.look_back(name, now).await?;
        if may_go_on {
            self.fill_places(name).await?;
        }
        self.book.plan(name, now);
        Ok(())
    }

    /// What fired while the clock was ahead has its row; what lies between may fire as it comes.
    fn notice_set_back(&mut self, now: Timestamp) {
        if now.0.saturating_add(SET_BACK_MS) < self.seen.0 {
            tracing::warn!(from = self.seen.0, to = now.0, "the clock was set back");
            for name in self.book.names() {
                if let Some(entry) = self.book.get(&name) {
                    entry.decided = entry.decided.min(now);
                    entry.expected = None;
                }
                self.book.plan(&name, now);
            }
        }
        self.seen = now;
    }

    async fn take_in(&mut self, note: Note) -> Result<(), Error> {
        match note {
            Note::Changed(name) => self.reread(&name).await,
            Note::Began { schedule, run } => {
                if let Some(entry) = self.book.get(&schedule) {
                    entry.active.insert(run);
                    entry.number += 1;
                }
                Ok(())
            }
            Note::Waits(key) => {
                let schedule = key.schedule.clone();
                if let Some(entry) = self.book.get(&schedule) {
                    entry.waiting.push_back(key);
                }
                self.fill_places(&schedule).await
            }
            Note::Before { schedule, run } => {
                if let Some(entry) = self.book.get(&schedule) {
                    entry.active.remove(&run);
                    entry.number = entry.number.saturating_sub(1);
                }
                self.fill_places(&schedule).await
            }
            Note::Ended { schedule, run, end } => self.run_ended(&schedule, &run, end).await,
            Note::Failed(error) if error.is_fatal() => Err(error),
            Note::Failed(error) => {
                tracing::error!(%error, "the end of a run couldn't be noted");
                Ok(())
            }
        }
    }

    /// A schedule was added, changed or removed: its runs under way stay.
    async fn reread(&mut self, name: &str) -> Result<(), Error> {
        let now = self.inner.clock.now();
        let old = self.book.remove(name);
        let Some(record) = self.inner.record(name).await? else { return Ok(()) };
        let Some(old) = old.filter(|old| old.record.nonce == record.nonce) else {
            return self.enter(name).await;
        };
        let mut entry = Entry::new(record, super::Standing::default(), now)?;
        entry.decided = entry.decided.max(old.decided);
        entry.number = old.number;
        entry.active = old.active;
        entry.waiting = old.waiting;
        self.book.insert(name, entry);
        self.fill_places(name).await?;
        self.book.plan(name, now);
        Ok(())
    }

    /// A schedule's time has come.
    async fn fire_due(&mut self, name: &str, now: Timestamp) -> Result<(), Error> {
        let Some(entry) = self.book.get(name) else { return Ok(()) };
        let Some(nominal) = entry.next() else { return Ok(()) };
        let late_ms = now.0.saturating_sub(entry.record.definition.due(nominal).0);
        if late_ms > ON_TIME_MS {
            self.look_back(name, now).await?;
        } else {
            entry.decided = nominal;
            self.fire(name, nominal, Cause::Scheduled).await?;
        }
        self.book.plan(name, now);
        Ok(())
    }

    /// Decides what is done about firings that a downtime took.
    async fn look_back(&mut self, name: &str, now: Timestamp) -> Result<(), Error> {
        let Some(entry) = self.book.get(name).filter(|entry| entry.fires()) else { return Ok(()) };
        let plan = catch_up::plan(&entry.record.definition, &entry.rule, entry.decided, now);
        entry.decided = plan.until.max(entry.decided);
        let number = entry.number;
        if let Some((last, count, more)) = plan.missed {
            let row = Row::new(What::Missed { count, more }, Cause::Scheduled, now, number)
                .because("no process was there to fire it, or the clock was set forward");
            if self.note(name, last, None, &row).await? {
                self.inner.tell(Event::Missed { schedule: name.to_owned(), nominal: last, count });
            }
        }
        for nominal in plan.caught_up {
            self.fire(name, nominal, Cause::CaughtUp).await?;
        }
        Ok(())
    }

    /// Lets a nominal time fire, wait or be left out.
    async fn fire(&mut self, name: &str, nominal: Timestamp, cause: Cause) -> Result<(), Error> {
        let now = self.inner.clock.now();
        let Some(entry) = self.book.get(name).filter(|entry| entry.fires()) else { return Ok(()) };
        if entry.record.forgotten_until.is_some_and(|until| nominal <= until) {
            // The clock was set far back: what became of it isn't known any more, so it counts as fired.
            return Ok(());
        }
        let key = FiringKey { schedule: name.to_owned(), nominal, round: 0 };
        if self.inner.store.firing(&key).await?.is_some() {
            // The clock was set back: it has fired, and mustn't stand in the way of what goes on.
            return Ok(());
        }
        let (decision, number) =
            (overlap::decide(&entry.record.definition, entry.load(), cause), entry.number);
        match decision {
            Decision::Start => self.begin(name, key, None, cause),
            Decision::Wait => self.let_wait(name, nominal, cause, number).await?,
            Decision::Replace { now: hard } => {
                self.give_up_waiting(name).await?;
                self.let_wait(name, nominal, cause, number).await?;
                self.cancel_active(name, hard);
            }
            Decision::Skip(reason) => {
                let row = Row::new(What::Skipped, cause, now, number).because(reason);
                if self.note(name, nominal, None, &row).await? {
                    let (schedule, reason) = (name.to_owned(), reason.to_owned());
                    self.inner.tell(Event::Skipped { schedule, nominal, reason });
                }
            }
        }
        self.forget_old_rows(name).await
    }

    async fn let_wait(
        &mut self,
        name: &str,
        nominal: Timestamp,
        cause: Cause,
        number: u64,
    ) -> Result<(), Error> {
        let row = Row::new(What::Waiting, cause, self.inner.clock.now(), number);
        if self.note(name, nominal, None, &row).await? {
            self.inner.tell(Event::Waiting { schedule: name.to_owned(), nominal });
            if let Some(entry) = self.book.get(name) {
                entry.waiting.push_back(FiringKey { schedule: name.to_owned(), nominal, round: 0 });
            }
        }
        Ok(())
    }

    /// Leaves out what waits, because a later firing takes its place.
    async fn give_up_waiting(&mut self, name: &str) -> Result<(), Error> {
        let Some(entry) = self.book.get(name) else { return Ok(()) };
        let reason = "a later firing took its place";
        for key in std::mem::take(&mut entry.waiting) {
            let Some(firing) = self.inner.store.firing(&key).await? else { continue };
            let HistoryRow { row, version, .. } = HistoryRow::of(firing)?;
            let row = Row { what: What::Skipped, at: self.inner.clock.now(), ..row }.because(reason);
            if self.inner.note(&key, Some(version), &row).await? {
                let (schedule, nominal) = (name.to_owned(), key.nominal);
                self.inner.tell(Event::Skipped { schedule, nominal, reason: reason.to_owned() });
            }
        }
        Ok(())
    }

    fn cancel_active(&mut self, name: &str, now: bool) {
        let active = self.book.get(name).map(|entry| entry.active.clone()).unwrap_or_default();
        for run in active {
            let runs = self.inner.runs.clone();
            tokio::spawn(async move { runs.cancel(&run, now).await });
        }
    }

    /// Begins the run of a firing in a task of its own; from now on it counts as under way.
    fn begin(&mut self, name: &str, key: FiringKey, version: Option<u64>, cause: Cause) {
        let Some(entry) = self.book.get(name) else { return };
        entry.number += 1;
        entry.written += 1;
        let (record, number) = (entry.record.clone(), entry.number);
        let run = record.run_id(&key);
        entry.active.insert(run.clone());
        let (inner, beginning) = (self.inner.clone(), self.beginning.clone());
        tokio::spawn(async move {
            // The semaphore is never closed; without a permit there would only be no bound.
            let permit = beginning.acquire_owned().await.ok();
            let (key, schedule) = (key, record.definition.name.clone());
            let wanted = Beginning { record: record.clone(), key: key.clone(), version, cause, number };
            let begun = inner.begin(&wanted).await;
            drop(permit);
            match begun {
                Ok(Begun::Run) => drop(inner.see_to_its_end(record, key, run).await),
                Ok(Begun::Before) => inner.pass(Note::Before { schedule, run }).await,
                Ok(Begun::Stopping) => {}
                Err(error) if error.is_fatal() => inner.pass(Note::Failed(error)).await,
                Err(_) => inner.pass(Note::Ended { schedule, run, end: End::Failed }).await,
            }
        });
    }

    /// A run has ended: the next one that waits may begin.
    async fn run_ended(&mut self, name: &str, run: &RunId, end: End) -> Result<(), Error> {
        let Some(entry) = self.book.get(name) else { return Ok(()) };
        entry.active.remove(run);
        let failed = matches!(end, End::Failed | End::Paused);
        if failed && entry.record.definition.pause_on_failure && entry.record.paused.is_none() {
            let reason = format!("run {run} failed; the schedule pauses on failure");
            let handle = Handle { inner: self.inner.clone() };
            // Not by a note to itself, which could wait for room for ever.
            match handle.pause_quietly(name, &reason, "pause-on-failure").await {
                Ok(()) => self.inner.tell(Event::Paused { schedule: name.to_owned(), reason }),
                Err(Error::Changed { .. } | Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
            return self.reread(name).await;
        }
        self.fill_places(name).await
    }

    /// Begins what waits, as far as there is room.
    async fn fill_places(&mut self, name: &str) -> Result<(), Error> {
        loop {
            let Some(entry) = self.book.get(name).filter(|entry| entry.fires()) else { return Ok(()) };
            if entry.active.len() >= entry.record.definition.places() {
                return Ok(());
            }
            let Some(key) = entry.waiting.pop_front() else { return Ok(()) };
            let Some(firing) = self.inner.store.firing(&key).await? else { continue };
            let HistoryRow { row, version, .. } = HistoryRow::of(firing)?;
            self.begin(name, key, Some(version), row.cause);
        }
    }

    /// Says that a run was expected by now, unless one has succeeded.
    async fn look_whether_late(&mut self, name: &str, now: Timestamp) -> Result<(), Error> {
        let Some(entry) = self.book.get(name) else { return Ok(()) };
        let (rule, since, number) = (&entry.rule, entry.record.since, entry.number);
        let due = entry.expected.filter(|span| span.is_expected(rule, since));
        if let Some(span) = due
            && !self.inner.succeeded(name, span.after, now).await?
        {
            let key = FiringKey { schedule: name.to_owned(), nominal: span.by, round: LATE_ROUND };
            let row = Row::new(What::Late, Cause::Scheduled, now, number).because("no run has succeeded");
            // Once: a process that comes after a crash finds the row.
            if self.inner.note(&key, None, &row).await? {
                self.inner.tell(Event::Late { schedule: name.to_owned(), expected_by: span.by });
            }
        }
        self.book.plan(name, now);
        Ok(())
    }

    async fn note(
        &mut self,
        name: &str,
        nominal: Timestamp,
        version: Option<u64>,
        row: &Row,
    ) -> Result<bool, Error> {
        if let Some(entry) = self.book.get(name) {
            entry.written += 1;
        }
        let key = FiringKey { schedule: name.to_owned(), nominal, round: 0 };
        self.inner.note(&key, version, row).await
    }

    /// Removes what is older than the newest [`HISTORY_MAX`] rows, now and then.
    async fn forget_old_rows(&mut self, name: &str) -> Result<(), Error> {
        let Some(entry) = self.book.get(name).filter(|entry| entry.written >= FORGET_EVERY) else {
            return Ok(());
        };
        entry.written = 0;
        let rows = self.inner.rows(name, None, HISTORY_MAX).await?;
        let Some(oldest) = rows.last().filter(|_| rows.len() == HISTORY_MAX) else { return Ok(()) };
        let Some(mut record) = self.inner.record(name).await? else { return Ok(()) };
        record.forgotten_until = Some(Timestamp(oldest.nominal.0 - 1));
        match self.inner.put(&record).await {
            Ok(()) => {}
            // Somebody changes it: the next time will do.
            Err(Error::Changed { .. }) => return Ok(()),
            Err(error) => return Err(error),
        }
        record.version += 1;
        self.inner.store.forget_firings(name, oldest.nominal).await?;
        if let Some(entry) = self.book.get(name) {
            entry.record = Arc::new(record);
        }
        Ok(())
    }
}
