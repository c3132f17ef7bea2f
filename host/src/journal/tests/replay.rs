//! Divergence, limits, cancel and pause.

use std::sync::Arc;

use bytes::Bytes;

use super::{clock, created, run_id};
use crate::clock::Clock;
use crate::journal::{
    Call, Error, Fact, Halt, Limits, MemoryStore, Recovery, StepLog, Store, cancel_resting, history,
    is_suspect, pause_resting, state_of,
};
use crate::model::{Fault, FaultCode, LogLevel, PauseReason, RunStatus, StepSeq, Timestamp};

async fn read(log: &mut StepLog, kind: &'static str, path: &str) -> Result<String, Halt> {
    let call = Call { kind, args: &path, label: Some("for the report"), recovery: Recovery::Read };
    log.once(call, async |_| Ok(format!("{kind} {path}"))).await
}

struct Bench {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl Bench {
    fn new() -> Self {
        Self { store: Arc::new(MemoryStore::default()), clock: clock() }
    }

    async fn create(&self) -> StepLog {
        StepLog::create(Arc::clone(&self.store), Arc::clone(&self.clock), created(1)).await.unwrap()
    }

    async fn reopen(&self) -> StepLog {
        let (claim, head) = self.store.claim(&run_id(1)).await.unwrap();
        StepLog::open(Arc::clone(&self.store), Arc::clone(&self.clock), claim, &head).await.unwrap().0
    }
}

#[tokio::test]
async fn another_call_is_stopped_with_both_shown() {
    let bench = Bench::new();
    let mut log = bench.create().await;
    read(&mut log, "ftp.stat", "a").await.unwrap();
    read(&mut log, "ftp.stat", "b").await.unwrap();

    let mut log = bench.reopen().await;
    read(&mut log, "ftp.stat", "a").await.unwrap();
    let call = Call { kind: "ftp.remove", args: &"b", label: None, recovery: Recovery::Rerun };
    let halt = log.once(call, async |_| -> Result<(), Halt> { panic!("an effect") }).await.unwrap_err();
    assert_eq!(
        halt.to_string(),
        "this workflow no longer does what it did at step 2\n  \
         recorded: ftp.stat \"b\" (for the report)\n  \
         now:      ftp.remove \"b\""
    );
    let Halt::Diverged(divergence) = halt else { panic!("{halt}") };
    log.pause(PauseReason::Diverged, divergence.to_fault()).await.unwrap();

    // The original goes on after that.
    let mut log = bench.reopen().await;
    log.unpause().await.unwrap();
    read(&mut log, "ftp.stat", "a").await.unwrap();
    read(&mut log, "ftp.stat", "b").await.unwrap();
    assert!(log.is_live());
}

#[tokio::test]
async fn steps_left_over_at_the_end_are_a_divergence() {
    let bench = Bench::new();
    let mut log = bench.create().await;
    read(&mut log, "ftp.stat", "a").await.unwrap();
    read(&mut log, "ftp.stat", "b").await.unwrap();

    let mut log = bench.reopen().await;
    read(&mut log, "ftp.stat", "a").await.unwrap();
    let halt = log.finish(Ok("early".to_owned())).await.unwrap_err();
    let text = halt.to_string();
    assert!(text.contains("recorded: ftp.stat \"b\"") && text.contains("the end of the workflow"), "{text}");
    assert_eq!(state_of(&bench.store, &run_id(1)).await.unwrap().status, RunStatus::Running);
}

#[tokio::test]
async fn a_delivery_in_another_place_is_a_divergence() {
    let bench = Bench::new();
    let mut log = bench.create().await;
    read(&mut log, "ftp.stat", "a").await.unwrap();
    let one: u32 = log.deliver(StepSeq(1), async |_| Ok(1)).await.unwrap();
    assert_eq!(one, 1);
    read(&mut log, "ftp.stat", "b").await.unwrap();

    // Too early, too late, of another batch.
    let mut log = bench.reopen().await;
    let halt = log.deliver(StepSeq(1), async |_| Ok(0_u32)).await.unwrap_err();
    assert!(halt.to_string().contains("recorded: ftp.stat \"a\""), "{halt}");
    let mut log = bench.reopen().await;
    read(&mut log, "ftp.stat", "a").await.unwrap();
    let halt = read(&mut log, "ftp.stat", "b").await.unwrap_err();
    assert!(halt.to_string().contains("recorded: batch.next"), "{halt}");
    let mut log = bench.reopen().await;
    read(&mut log, "ftp.stat", "a").await.unwrap();
    assert!(matches!(log.deliver(StepSeq(9), async |_| Ok(0_u32)).await, Err(Halt::Diverged(_))));

    let mut log = bench.reopen().await;
    read(&mut log, "ftp.stat", "a").await.unwrap();
    assert_eq!(log.deliver(StepSeq(1), async |_| Ok(0_u32)).await.unwrap(), 1);
    assert!(!log.is_live());
    read(&mut log, "ftp.stat", "b").await.unwrap();
    assert!(log.is_live());
}

#[tokio::test]
async fn many_deliveries_come_back_in_order() {
    let bench = Bench::new();
    let mut log = bench.create().await;
    read(&mut log, "batch.open", "").await.unwrap();
    for n in 0..1000_u32 {
        log.deliver(StepSeq(1), async |_| Ok(n)).await.unwrap();
    }
    let mut log = bench.reopen().await;
    read(&mut log, "batch.open", "").await.unwrap();
    for n in 0..1000_u32 {
        assert!(!log.is_live());
        let got: u32 = log.deliver(StepSeq(1), async |_| panic!("made anew")).await.unwrap();
        assert_eq!(got, n);
    }
    assert!(log.is_live());
    let entries = history(&bench.store, &run_id(1), 1, 10).await.unwrap();
    assert!(matches!(entries.last().unwrap().1.fact, Fact::Resumed { deliveries: 1000 }), "{entries:?}");
}

#[tokio::test]
async fn a_stale_owner_is_refused() {
    let bench = Bench::new();
    let mut old = bench.create().await;
    let mut new = bench.reopen().await;
    assert!(matches!(
        read(&mut old, "ftp.stat", "a").await,
        Err(Halt::State(Error::Fenced { epoch: 2, .. }))
    ));
    let table = old.table(StepSeq(1), crate::model::ItemId(0));
    let put = table.put(vec![("offset".to_owned(), Some(vec![1]))]).await;
    assert!(matches!(put, Err(Error::Fenced { epoch: 2, .. })), "{put:?}");
    read(&mut new, "ftp.stat", "a").await.unwrap();
}

#[tokio::test]
async fn a_cancel_is_told_once() {
    let bench = Bench::new();
    let mut log = bench.create().await;
    log.control().ask_cancel(Some(Timestamp(7))).await.unwrap();
    let step = async |log: &mut StepLog| -> bool {
        let call = Call { kind: "ftp.stat", args: &"a", label: None, recovery: Recovery::Read };
        log.once(call, async |effect| {
            let cancelled = effect.cancel().is_some();
            if cancelled {
                effect.tell_cancel();
            }
            Ok(cancelled)
        })
        .await
        .unwrap()
    };
    assert!(step(&mut log).await);
    assert!(!step(&mut log).await, "steps work again after that");

    let mut log = bench.reopen().await;
    assert!(step(&mut log).await);
    assert!(!step(&mut log).await);
    assert!(!step(&mut log).await);
    log.finish_cancelled().await.unwrap();
    assert_eq!(state_of(&bench.store, &run_id(1)).await.unwrap().status, RunStatus::Cancelled);
}

#[tokio::test]
async fn resting_runs_are_paused_and_cancelled() {
    let bench = Bench::new();
    let mut log = bench.create().await;
    log.release().await.unwrap();
    let fault = Fault::new(FaultCode::RunIndeterminate, "look at it");
    let pause = async |why| {
        pause_resting(&bench.store, &bench.clock, &run_id(1), why, fault.clone()).await.unwrap();
        assert_eq!(state_of(&bench.store, &run_id(1)).await.unwrap().status, RunStatus::Paused);
    };
    // One that waits for somebody has parts to take away.
    pause(PauseReason::Exhausted).await;
    let status = cancel_resting(&bench.store, &bench.clock, &run_id(1), None).await.unwrap();
    assert_eq!(status, RunStatus::Cancelling);
    // One that would only trap again is ended on the spot.
    pause(PauseReason::Trapped).await;
    let status = cancel_resting(&bench.store, &bench.clock, &run_id(1), None).await.unwrap();
    assert_eq!(status, RunStatus::Cancelled);
    assert!(!bench.store.head(&run_id(1)).await.unwrap().unwrap().claimed);
    let again = cancel_resting(&bench.store, &bench.clock, &run_id(1), None).await;
    assert!(matches!(again, Err(Error::Closed { .. })));
}

#[tokio::test]
async fn a_run_that_comes_no_further_is_suspected() {
    let bench = Bench::new();
    let mut log = bench.create().await;
    read(&mut log, "ftp.stat", "a").await.unwrap();
    let crash = async || {
        let (claim, head) = bench.store.claim(&run_id(1)).await.unwrap();
        let opened = StepLog::open(Arc::clone(&bench.store), Arc::clone(&bench.clock), claim, &head).await;
        (opened.unwrap().0, is_suspect(&head))
    };
    assert!(!crash().await.1);
    assert!(!crash().await.1);
    let (mut log, suspect) = crash().await;
    assert!(suspect, "three ends without a step in between");
    read(&mut log, "ftp.stat", "a").await.unwrap();
    read(&mut log, "ftp.stat", "b").await.unwrap();
    assert!(!crash().await.1, "it came further");
}

#[tokio::test]
async fn a_full_journal_refuses_the_step_before_its_effect_and_can_be_paused() {
    let limits = Limits { entries_max: 40, ..Limits::default() };
    let store: Arc<dyn Store> = Arc::new(MemoryStore::with_limits(limits));
    let mut log = StepLog::create(Arc::clone(&store), clock(), created(1)).await.unwrap();
    let mut told = 0;
    let error = loop {
        let call = Call { kind: "ftp.stat", args: &"a", label: None, recovery: Recovery::Read };
        let room = store.head(&run_id(1)).await.unwrap().unwrap().entries() < 40;
        let step = log
            .once(call, async |_| {
                assert!(room);
                Ok(1_u8)
            })
            .await;
        // Lines are dropped while there is room for steps.
        log.log_line(LogLevel::Info, "and".to_owned(), Vec::new()).await.unwrap();
        told += u32::from(log.half_full().await.is_some());
        if let Err(error) = step {
            break error;
        }
    };
    assert!(matches!(error, Halt::State(Error::HistoryLimit { .. })), "{error}");
    assert_eq!(told, 1);
    let fault = Fault::new(FaultCode::RunTooLong, error.to_string());
    log.pause(PauseReason::Exhausted, fault).await.unwrap();
    let state = state_of(&store, &run_id(1)).await.unwrap();
    assert_eq!(state.status, RunStatus::Paused);
    assert!(state.last_step.0 > 15, "{}", state.last_step);
}

#[tokio::test]
async fn continue_with_begins_a_short_journal() {
    let bench = Bench::new();
    let mut log = bench.create().await;
    for _ in 0..50 {
        read(&mut log, "ftp.stat", "a").await.unwrap();
    }
    log.save_checkpoint("small", Bytes::from_static(b"1")).await.unwrap();
    log.save_checkpoint("large", Bytes::from(vec![5; 5000])).await.unwrap();
    log.set_status("stage", "half").await.unwrap();
    log.continue_with("from b".to_owned(), [9; 32]).await.unwrap();
    let before = log.now();

    let head = bench.store.head(&run_id(1)).await.unwrap().unwrap();
    assert_eq!((head.entries(), head.first_seq), (1, head.last_seq));
    let mut log = bench.reopen().await;
    assert!(log.now() >= before);
    let state = state_of(&bench.store, &run_id(1)).await.unwrap();
    assert_eq!(state.created.seed, [9; 32]);
    assert_eq!(state.statuses["stage"], "half");
    let resumed = log.load(state.created.resumed.unwrap()).await.unwrap();
    assert_eq!(resumed, "from b");
    assert_eq!(log.checkpoint("small").await.unwrap().unwrap(), "1");
    assert_eq!(log.checkpoint("large").await.unwrap().unwrap(), vec![5; 5000]);
    read(&mut log, "ftp.stat", "b").await.unwrap();
    assert_eq!(log.last_step(), StepSeq(53), "steps go on counting");

    let mut log = bench.reopen().await;
    read(&mut log, "ftp.stat", "b").await.unwrap();
    assert!(log.is_live());
    log.finish(Ok(String::new())).await.unwrap();
}
