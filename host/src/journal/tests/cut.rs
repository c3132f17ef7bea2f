//! A run is cut off at every write of its store, before the write and after it, and resumed: the
//! guest sees again what it saw, each effect takes place once, and the outcome is the same.

use std::sync::Arc;

use super::cutting::CuttingStore;
use super::world::{Life, Trace, World};
use super::{TickingClock, created, run_id};
use crate::clock::Clock;
use crate::journal::{Ending, Halt, MemoryStore, Noted, StepLog, Store, Stored, deliveries, state_of};
use crate::model::{LogLevel, RunStatus};

/// A run over several processes.
struct History {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    world: World,
    /// What the guest of the last life saw, and how much of it has to be seen again.
    seen: Trace,
}

impl History {
    fn new(store: Arc<dyn Store>) -> Self {
        Self { store, clock: Arc::new(TickingClock::default()), world: World::new(), seen: Vec::new() }
    }

    /// One life, which ends at the given write; true if the run came to its end.
    async fn live(&mut self, writes: i64, after: bool) -> bool {
        let cutting = Arc::new(CuttingStore::new(Arc::clone(&self.store), writes, after));
        let store: Arc<dyn Store> = cutting.clone();
        let result = self.drive(store).await;
        match result {
            Ok(()) => true,
            Err(Halt::State(_)) if cutting.is_dead() => false,
            Err(other) => panic!("{other}"),
        }
    }

    async fn drive(&mut self, store: Arc<dyn Store>) -> Result<(), Halt> {
        let mut log = match self.store.head(&run_id(1)).await? {
            None => StepLog::create(store, Arc::clone(&self.clock), created(1)).await?,
            Some(_) => {
                let (claim, head) = store.claim(&run_id(1)).await?;
                match StepLog::open(store, Arc::clone(&self.clock), claim, &head).await {
                    Ok((log, _)) => log,
                    Err(crate::journal::Error::Closed { .. }) => return Ok(()),
                    Err(error) => return Err(error.into()),
                }
            }
        };
        let mut life = Life { log: &mut log, world: &self.world, trace: Vec::new(), live_at: None };
        let result = life.run().await;
        let Life { trace, live_at, .. } = life;
        // What was replayed is what was seen before. At its last place the guest was told the time
        // of the resume instead, since nothing that it did after that was recorded.
        let replayed = live_at.unwrap_or(trace.len()).saturating_sub(1).min(self.seen.len());
        assert_eq!(trace[..replayed], self.seen[..replayed]);
        self.seen = trace;
        log.finish(Ok(result?)).await
    }

    async fn check(&self) {
        let state = state_of(&self.store, &run_id(1)).await.unwrap();
        assert_eq!(state.status, RunStatus::Done);
        assert_eq!(state.ending, Some(Ending::Done { output: Stored::Inline("3 files".into()) }));
        assert_eq!(state.statuses["stage"], "renamed");
        // What was delivered stays with the journal, and nothing else does.
        let rows = self.store.scan(&run_id(1), b"", None, 100).await.unwrap();
        assert!(rows.iter().all(|(key, _)| key.starts_with(deliveries::PREFIX)), "tables are left: {rows:?}");
        let world = self.world.inner();
        for name in super::world::NAMES {
            let rename = format!("rename in/{name} done/{name}");
            assert_eq!(world.effects.iter().filter(|e| **e == rename).count(), 1, "{rename}");
            assert_eq!(world.files[&format!("done/{name}")], format!("content of {name}"));
        }
        assert!(world.effects.iter().filter(|e| *e == "notify").count() <= 1);
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn a_run_that_is_not_disturbed() {
    block_on(async {
        let mut history = History::new(Arc::new(MemoryStore::default()));
        assert!(history.live(i64::MAX, false).await);
        history.check().await;
        assert_eq!(history.world.inner().effects.len(), 4);
        assert_eq!(history.world.inner().lines.len(), 7);
    });
}

#[test]
fn cut_at_every_write_and_resumed() {
    block_on(async {
        for after in [false, true] {
            let mut cut = 0;
            loop {
                let mut history = History::new(Arc::new(MemoryStore::default()));
                let done = history.live(cut, after).await;
                if !done {
                    assert!(history.live(i64::MAX, false).await, "cut at {cut}, after: {after}");
                }
                history.check().await;
                if done {
                    break;
                }
                cut += 1;
            }
            assert!(cut > 30, "only {cut} writes");
        }
    });
}

#[test]
fn cut_again_and_again_after_so_many_writes() {
    block_on(async {
        // A life begins with a claim and a resume, and an item of the batch is two writes.
        for writes in 6..16 {
            for after in [false, true] {
                let mut history = History::new(Arc::new(MemoryStore::default()));
                let mut lives = 1;
                while !history.live(writes, after).await {
                    lives += 1;
                    assert!(lives < 200, "the run doesn't come further with {writes} writes a life");
                }
                history.check().await;
            }
        }
    });
}

#[test]
fn log_lines_are_told_once_and_none_is_lost() {
    block_on(async {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let clock: Arc<dyn Clock> = Arc::new(TickingClock::default());
        let mut log = StepLog::create(Arc::clone(&store), Arc::clone(&clock), created(1)).await.unwrap();
        let line = |n: u32| (LogLevel::Info, format!("line {n}"), Vec::new());
        for n in 0..3 {
            let (level, text, fields) = line(n);
            assert_eq!(log.log_line(level, text, fields).await.unwrap(), Noted::New);
        }
        log.release().await.unwrap();

        let (claim, head) = store.claim(&run_id(1)).await.unwrap();
        let (mut log, _) = StepLog::open(store, clock, claim, &head).await.unwrap();
        for n in 0..5 {
            let (level, text, fields) = line(n);
            let expected = if n < 3 { Noted::Muted } else { Noted::New };
            assert_eq!(log.log_line(level, text, fields).await.unwrap(), expected, "line {n}");
        }
    });
}
