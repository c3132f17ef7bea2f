//! Replays, runs that travel in files, and runs that go back.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::mpsc;

use super::world::{World, guest};
use crate::engine::{Error, ReplayEnd, ReplayOptions, Replayed, ResumeOptions};
use crate::journal::{self, Fact, MemoryStore, Store};
use crate::model::{FaultCode, Grants, PauseReason, RunEvent, RunId, RunOutcome, RunStatus, StepSeq};

/// Status values in the order in which they were set, as the journal has them.
async fn statuses(world: &World, run: &RunId) -> Vec<String> {
    let history = world.engine.history(run, 1, 1_000).await.unwrap();
    let set = history.into_iter().filter_map(|(_, entry)| match entry.fact {
        Fact::StatusSet { value, .. } => Some(value),
        _ => None,
    });
    set.collect()
}

/// A replay, and the status values that it told.
async fn replayed(world: &World, run: &RunId, until: Option<u64>) -> (Replayed, Vec<String>) {
    let (listener, mut told) = mpsc::unbounded_channel();
    let how =
        ReplayOptions { until: until.map(StepSeq), listener: Some(listener), ..ReplayOptions::default() };
    let replayed = world.engine.replay(run, how).await.unwrap();
    let mut values = Vec::new();
    while let Some(event) = told.recv().await {
        if let RunEvent::Status { value, .. } = event {
            values.push(value);
        }
    }
    (replayed, values)
}

#[tokio::test]
async fn a_run_that_has_ended_is_replayed_to_the_same_end() {
    let world = World::new().await;
    let handle = world.submit("misbehaving", json!({"how": "ambient", "count": 4}), Grants::default()).await;
    let RunOutcome::Done { output } = handle.outcome().await else { panic!("it ends") };
    let before = world.engine.history(handle.id(), 1, 1_000).await.unwrap();
    let (replay, told) = replayed(&world, handle.id(), None).await;
    assert_eq!(replay.end, ReplayEnd::Returned(Ok(output)));
    assert_eq!(told, statuses(&world, handle.id()).await);
    assert_eq!(world.engine.history(handle.id(), 1, 1_000).await.unwrap(), before, "nothing is written");
}

#[tokio::test]
async fn it_stops_where_it_is_told_and_says_where_the_workflow_is() {
    let world = World::new().await;
    let handle = world.submit("misbehaving", json!({"how": "ambient", "count": 4}), Grants::default()).await;
    handle.outcome().await;
    let (replay, told) = replayed(&world, handle.id(), Some(2)).await;
    assert_eq!((&replay.end, replay.step), (&ReplayEnd::Stopped, StepSeq(2)));
    assert!(
        replay.at.iter().any(|frame| frame.ends_with("orchestrator_sdk::clock::sleep")),
        "{:#?}",
        replay.at
    );
    assert_eq!(told.len(), 3, "the third is set on the way to the third step");
    let (replay, told) = replayed(&world, handle.id(), Some(0)).await;
    assert_eq!((replay.end, replay.step, told.len()), (ReplayEnd::Stopped, StepSeq(0), 1));
}

#[tokio::test]
async fn a_trap_is_seen_again_and_another_workflow_is_told_apart() {
    let world = World::new().await;
    let handle =
        world.submit("misbehaving", json!({"how": "trap-later", "count": 2}), Grants::default()).await;
    handle.outcome().await;
    let (replay, _) = replayed(&world, handle.id(), None).await;
    assert!(matches!(replay.end, ReplayEnd::Trapped(_)), "{replay:?}");
    let other =
        world.submit("misbehaving", json!({"how": "trap-later", "count": 1}), Grants::default()).await;
    other.outcome().await;
    let how = ReplayOptions { workflow: Some(guest("mended")), ..ReplayOptions::default() };
    let ReplayEnd::Differs(fault) = world.engine.replay(other.id(), how).await.unwrap().end else {
        panic!("it saves something else")
    };
    assert!(fault.message.contains("recorded: checkpoint.save"), "{fault}");
    assert!(fault.message.contains("\n  at "), "it says where: {fault}");
}

#[tokio::test]
async fn a_run_travels_in_a_file_and_stays_what_it_is() {
    let world = World::new().await;
    let handle =
        world.submit("misbehaving", json!({"how": "trap-later", "count": 2}), Grants::default()).await;
    handle.outcome().await;
    let run = handle.id();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.orch");
    journal::export_run(&world.store, run, &file).await.unwrap();

    let mut other = World::new().await;
    let taken = journal::import_runs(&other.store, &other.clock, &file).await.unwrap();
    assert_eq!(taken, std::slice::from_ref(run));
    let exists = journal::import_runs(&other.store, &other.clock, &file).await;
    assert!(matches!(exists, Err(journal::Error::Exists { .. })));
    let shown = other.engine.show(run).await.unwrap();
    assert_eq!(shown.state.pause.unwrap().0, PauseReason::Imported);
    assert!(matches!(replayed(&other, run, None).await.0.end, ReplayEnd::Trapped(_)));

    // It may be going on where it came from.
    other.next_process().await;
    for _ in 0..2 {
        let Err(Error::Unready(fault)) = other.engine.resume(run, ResumeOptions::default()).await else {
            panic!("it was gone on with")
        };
        assert_eq!(fault.code, FaultCode::Other("run.imported".to_owned()));
        assert!(matches!(other.engine.retry(run, Some(StepSeq(1))).await, Err(Error::Unlike(_))));
    }
    other.engine.cancel(run).await.unwrap();
    assert_eq!(other.engine.show(run).await.unwrap().state.status, RunStatus::Cancelled);
}

#[tokio::test]
async fn a_damaged_file_is_taken_in_by_no_part() {
    let world = World::new().await;
    let handle = world.submit("hello", json!({}), Grants::default()).await;
    handle.outcome().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.orch");
    journal::export_run(&world.store, handle.id(), &file).await.unwrap();
    let whole = std::fs::read(&file).unwrap();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    for length in (0..whole.len()).step_by(whole.len() / 40 + 1) {
        std::fs::write(&file, &whole[..length]).unwrap();
        let cut = journal::import_runs(&store, &world.clock, &file).await;
        assert!(matches!(cut, Err(journal::Error::Damaged { .. })), "{length}: {cut:?}");
        assert!(store.heads(None, 1).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_run_goes_back_to_a_step_and_draws_other_numbers_from_there() {
    let mut world = World::new().await;
    let handle = world.submit("misbehaving", json!({"how": "ambient", "count": 5}), Grants::default()).await;
    handle.outcome().await;
    let run = handle.id().clone();
    let first = statuses(&world, &run).await;
    world.next_process().await;
    let again = world.engine.retry(&run, Some(StepSeq(3))).await.unwrap();
    assert!(matches!(again.outcome().await, RunOutcome::Done { .. }));
    let second = statuses(&world, &run).await;
    assert_eq!(second.len(), 5);
    // The third value is set before the third step: it was said already, and stays.
    assert_eq!(second[..3], first[..3]);
    let uuid = |value: &str| value.rsplit(' ').next().unwrap().to_owned();
    for (old, new) in first[3..].iter().zip(&second[3..]) {
        assert_ne!(uuid(old), uuid(new));
    }
    // And that, too, is replayed.
    assert!(matches!(replayed(&world, &run, None).await.0.end, ReplayEnd::Returned(Ok(_))));
    let check = journal::check(&world.store).await.unwrap();
    assert!(check.problems.is_empty(), "{check:?}");
}

#[tokio::test]
async fn a_run_goes_back_to_steps_that_it_has() {
    let world = World::new().await;
    let handle = world.submit("misbehaving", json!({"how": "ambient", "count": 2}), Grants::default()).await;
    handle.outcome().await;
    let before = world.engine.history(handle.id(), 1, 100).await.unwrap();
    for from in [Some(StepSeq(0)), Some(StepSeq(4)), None] {
        let Err(Error::Unlike(fault)) = world.engine.retry(handle.id(), from).await else {
            panic!("{from:?} was taken")
        };
        assert!(fault.hint.is_some(), "{fault}");
        assert_eq!(world.engine.history(handle.id(), 1, 100).await.unwrap(), before);
    }
}

#[tokio::test]
async fn a_step_that_told_of_a_cancel_is_gone_back_over() {
    let mut world = World::new().await;
    let handle = world.submit("misbehaving", json!({"how": "sleep", "count": 3600}), Grants::default()).await;
    while world.engine.show(handle.id()).await.unwrap().state.last_seq < 2 {
        tokio::task::yield_now().await;
    }
    world.engine.cancel(handle.id()).await.unwrap();
    assert_eq!(handle.outcome().await, RunOutcome::Cancelled);
    world.next_process().await;
    assert!(matches!(world.engine.retry(handle.id(), Some(StepSeq(2))).await, Err(Error::Unlike(_))));
    let again = world.engine.retry(handle.id(), Some(StepSeq(1))).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    again.interrupt();
    assert_eq!(again.outcome().await, RunOutcome::Interrupted, "it sleeps again");
}
