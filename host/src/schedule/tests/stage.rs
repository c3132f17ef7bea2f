//! What the tests share: a clock, runs without guests, and processes that come and go.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::engine;
use crate::journal::{BlobId, MemoryStore, NewFiring, RunCreated, StepLog, Store, Stored};
use crate::model::{Fault, FaultCode, Grants, PauseReason, RunId, RunOutcome, StepSeq, Timestamp};
use crate::schedule::{
    Definition, Event, Handle, HistoryRow, Options, Origin, Record, Runs, Service, Timing, When,
};

pub(super) const SECOND: u64 = 1_000;
pub(super) const MINUTE: u64 = 60 * SECOND;
pub(super) const HOUR: u64 = 60 * MINUTE;
pub(super) const DAY: u64 = 24 * HOUR;

/// 2026-11-23T00:00Z, a Monday.
pub(super) const BEGIN: u64 = 1_795_392_000_000;

/// Time that passes only when a test lets it, and may be set.
#[derive(Debug)]
pub(super) struct SimClock {
    /// Milliseconds since the clock was made.
    passed: AtomicU64,
    /// By how much it was set forward or back.
    set: AtomicI64,
    moved: Notify,
}

impl SimClock {
    fn new() -> Self {
        Self { passed: AtomicU64::new(0), set: AtomicI64::new(0), moved: Notify::new() }
    }

    /// Sets the time of day; no time passes.
    pub(super) fn set_by(&self, millis: i64) {
        self.set.fetch_add(millis, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.passed.load(Ordering::SeqCst)).unwrap();
        let now = i64::try_from(BEGIN).unwrap() + passed + self.set.load(Ordering::SeqCst);
        Timestamp(u64::try_from(now).unwrap())
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.passed.load(Ordering::SeqCst))
    }

    async fn sleep(&self, duration: Duration) {
        let until = self.monotonic() + duration;
        loop {
            let moved = self.moved.notified();
            if self.monotonic() >= until {
                return;
            }
            moved.await;
        }
    }
}

/// Runs that are in the store as real ones are, and end when a test ends them.
#[derive(Debug)]
pub(super) struct FakeRuns {
    store: Arc<dyn Store>,
    clock: Arc<SimClock>,
    live: Mutex<HashMap<RunId, watch::Sender<Option<RunOutcome>>>>,
    /// Every run that was begun, in order.
    pub(super) begun: Mutex<Vec<(RunId, Timestamp)>>,
    /// Runs that were asked to end, and whether at once.
    pub(super) cancelled: Mutex<Vec<(RunId, bool)>>,
    /// Runs end by themselves after this.
    pub(super) take: Mutex<Option<Duration>>,
    pub(super) refuse: Mutex<bool>,
}

#[async_trait]
impl Runs for FakeRuns {
    async fn pin(&self, component: Vec<u8>, _: &Grants) -> Result<BlobId, engine::Error> {
        Ok(self.store.put_blob(component.into()).await?)
    }

    async fn fire(
        &self,
        component: BlobId,
        definition: &Definition,
        run: RunId,
        firing: NewFiring,
    ) -> Result<(), engine::Error> {
        if *self.refuse.lock().unwrap() {
            return Err(engine::Error::Unready(Fault::new(FaultCode::ConfigInvalid, "no password")));
        }
        let created = RunCreated {
            run: run.clone(),
            workflow: definition.workflow.clone(),
            component,
            input: Stored::Inline(Bytes::from_static(b"{}")),
            grants: Grants::default(),
            seed: [0; 32],
            host: "test".to_owned(),
            began_at: self.clock.now(),
            after: StepSeq(0),
            resumed: None,
            checkpoints: Vec::new(),
            statuses: Vec::new(),
        };
        let nominal = firing.key.nominal;
        StepLog::create_for(self.store.clone(), self.clock.clone(), created, Some(firing)).await?;
        self.begun.lock().unwrap().push((run.clone(), nominal));
        self.live.lock().unwrap().insert(run.clone(), watch::Sender::new(None));
        Ok(())
    }

    async fn outcome(&self, run: &RunId) -> Option<RunOutcome> {
        let mut outcome = self.live.lock().unwrap().get(run)?.subscribe();
        let take = *self.take.lock().unwrap();
        let by_itself = async {
            match take {
                Some(take) => self.clock.sleep(take).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = async { outcome.wait_for(Option::is_some).await.ok().and_then(|known| known.clone()) } => ended,
            () = by_itself => {
                self.end(run, done()).await;
                Some(done())
            }
        }
    }

    async fn cancel(&self, run: &RunId, now: bool) {
        self.cancelled.lock().unwrap().push((run.clone(), now));
        self.end(run, RunOutcome::Cancelled).await;
    }
}

impl FakeRuns {
    /// Ends a run: in its journal, and for those who wait.
    pub(super) async fn end(&self, run: &RunId, outcome: RunOutcome) {
        let Some(live) = self.live.lock().unwrap().remove(run) else { return };
        let (claim, head) = self.store.claim(run).await.unwrap();
        let store: Arc<dyn Store> = self.store.clone();
        let clock: Arc<dyn Clock> = self.clock.clone();
        let (mut log, _) = StepLog::open(store, clock, claim, &head).await.unwrap();
        match outcome.clone() {
            RunOutcome::Done { output } => log.finish(Ok(output)).await.unwrap(),
            RunOutcome::Failed { fault } => log.finish(Err(fault)).await.unwrap(),
            RunOutcome::Paused { why, fault } => log.pause(why, fault).await.unwrap(),
            RunOutcome::Cancelled | RunOutcome::Interrupted => log.finish_cancelled().await.unwrap(),
        }
        live.send_replace(Some(outcome));
    }
}

pub(super) fn done() -> RunOutcome {
    RunOutcome::Done { output: "{}".to_owned() }
}

pub(super) fn failed() -> RunOutcome {
    RunOutcome::Failed { fault: Fault::new(FaultCode::FtpLogin, "no") }
}

pub(super) fn trapped() -> RunOutcome {
    RunOutcome::Paused { why: PauseReason::Trapped, fault: Fault::new(FaultCode::HostBug, "trap") }
}

/// What outlives a process, and the process that there is now.
pub(super) struct Stage {
    pub(super) clock: Arc<SimClock>,
    pub(super) store: Arc<dyn Store>,
    pub(super) runs: Arc<FakeRuns>,
    pub(super) handle: Handle,
    service: Option<JoinHandle<()>>,
}

impl Stage {
    /// A process without schedules; its service runs.
    pub(super) async fn new() -> Self {
        let mut stage = Self::without_service();
        stage.serve().await;
        stage
    }

    pub(super) fn without_service() -> Self {
        let clock = Arc::new(SimClock::new());
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let runs = Arc::new(fake(&store, &clock));
        let handle = handle(&store, &clock, &runs);
        Self { clock, store, runs, handle, service: None }
    }

    pub(super) async fn serve(&mut self) {
        let service = Service::new(&self.handle).unwrap();
        self.service = Some(tokio::spawn(async move { service.run(std::future::pending()).await.unwrap() }));
        settle().await;
    }

    /// The process dies, with its runs; the next one knows what the store has.
    pub(super) fn die(&mut self) {
        if let Some(service) = self.service.take() {
            service.abort();
        }
        self.runs = Arc::new(fake(&self.store, &self.clock));
        self.handle = handle(&self.store, &self.clock, &self.runs);
    }

    /// Lets time pass, in steps so small that each firing is seen at its time.
    pub(super) async fn pass(&self, millis: u64) {
        let step = (millis / 200).clamp(250, 5 * SECOND);
        let mut left = millis;
        while left > 0 {
            let now = step.min(left);
            self.clock.passed.fetch_add(now, Ordering::SeqCst);
            self.clock.moved.notify_waiters();
            settle().await;
            left -= now;
        }
    }

    /// Time passes while nothing looks at it.
    pub(super) fn skip(&self, millis: u64) {
        self.clock.passed.fetch_add(millis, Ordering::SeqCst);
    }

    pub(super) async fn add(&self, name: &str, cron: &str) -> Record {
        self.add_as(name, cron, |_| {}).await
    }

    pub(super) async fn add_as(
        &self,
        name: &str,
        cron: &str,
        change: impl FnOnce(&mut Definition),
    ) -> Record {
        let timing = Timing::new(When::Cron(cron.to_owned()), "UTC");
        let mut definition = Definition::new(name, "w", timing);
        change(&mut definition);
        let component = b"component".to_vec();
        let record = self.handle.add(definition, component, Origin::Added, None).await.unwrap();
        settle().await;
        record
    }

    /// When the runs that were begun were meant to be, in minutes since the beginning.
    pub(super) fn fired(&self) -> Vec<u64> {
        let begun = self.runs.begun.lock().unwrap();
        begun.iter().map(|(_, nominal)| (nominal.0 - BEGIN) / MINUTE).collect()
    }

    /// The newest run.
    pub(super) fn last_run(&self) -> RunId {
        self.runs.begun.lock().unwrap().last().unwrap().0.clone()
    }

    pub(super) async fn end_last(&self, outcome: RunOutcome) {
        self.runs.end(&self.last_run(), outcome).await;
        settle().await;
    }

    /// The history, oldest first: minutes since the beginning, and what became of it.
    pub(super) async fn rows(&self, name: &str) -> Vec<(u64, String)> {
        let rows = self.handle.history(name, None, 1_000).await.unwrap();
        let line = |row: &HistoryRow| ((row.nominal.0 - BEGIN) / MINUTE, row.row.what.as_str().to_owned());
        rows.iter().rev().map(line).collect()
    }

    /// No firing has two runs, and no run is without its firing.
    pub(super) async fn judge(&self) {
        let runs = self.store.heads(None, 100_000).await.unwrap();
        let mut named = std::collections::HashSet::new();
        for record in self.handle.list().await.unwrap() {
            let name = record.record.definition.name.clone();
            for row in self.handle.history(&name, None, 100_000).await.unwrap() {
                if let Some(run) = row.run {
                    assert!(named.insert(run.clone()), "run {run} has two firings");
                }
            }
        }
        for head in runs {
            assert!(named.contains(&head.run), "run {} has no firing", head.run);
        }
    }
}

fn fake(store: &Arc<dyn Store>, clock: &Arc<SimClock>) -> FakeRuns {
    FakeRuns {
        store: store.clone(),
        clock: clock.clone(),
        live: Mutex::default(),
        begun: Mutex::default(),
        cancelled: Mutex::default(),
        take: Mutex::default(),
        refuse: Mutex::default(),
    }
}

fn handle(store: &Arc<dyn Store>, clock: &Arc<SimClock>, runs: &Arc<FakeRuns>) -> Handle {
    Handle::new(Options { store: store.clone(), runs: runs.clone(), clock: clock.clone() })
}

/// Lets every task do what it can without time passing: on one thread, a task that is woken runs after a
/// few turns of the others.
pub(super) async fn settle() {
    for _ in 0..60 {
        tokio::task::yield_now().await;
    }
}

/// The names of the events that came.
pub(super) fn told(events: &mut tokio::sync::broadcast::Receiver<Event>) -> Vec<&'static str> {
    let mut names = Vec::new();
    while let Ok(event) = events.try_recv() {
        names.push(match event {
            Event::Fired { .. } => "fired",
            Event::Waiting { .. } => "waiting",
            Event::Skipped { .. } => "skipped",
            Event::Missed { .. } => "missed",
            Event::Refused { .. } => "refused",
            Event::Ended { .. } => "ended",
            Event::Late { .. } => "late",
            Event::Paused { .. } => "paused",
        });
    }
    names
}
