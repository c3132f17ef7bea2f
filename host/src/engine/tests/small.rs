//! Workflows that move nothing.

use serde_json::{Value, json};

use super::world::{World, events};
use crate::engine::{Cancelled, Error, ListFilter, ResumeOptions};
use crate::journal::Fact;
use crate::model::{Grants, RunEvent, RunOutcome, RunStatus};

fn output(outcome: RunOutcome) -> Value {
    match outcome {
        RunOutcome::Done { output } => serde_json::from_str(&output).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn hello_greets_and_is_listed() {
    let world = World::new().await;
    let handle = world.submit("hello", json!({"name": "Ada"}), Grants::default()).await;
    let told = events(&handle).await;
    assert!(matches!(&told[0], RunEvent::Started { resumed: false, .. }));
    assert!(
        told.iter().any(|event| matches!(event, RunEvent::Log { message, .. } if message == "Hello, Ada!"))
    );
    let greeting = output(handle.outcome().await);
    assert_eq!(greeting["greeting"], "Hello, Ada!");

    let [line] = world.engine.list(&ListFilter::default()).await.unwrap().try_into().unwrap();
    assert_eq!((line.summary.status, line.live), (RunStatus::Done, false));
    let shown = world.engine.show(handle.id()).await.unwrap();
    assert_eq!(shown.input, r#"{"name":"Ada"}"#);
    assert!(shown.output.unwrap().contains("Ada"));
    let history = world.engine.history(handle.id(), 1, 100).await.unwrap();
    assert!(matches!(history.last().unwrap().1.fact, Fact::Ended(_)));
    assert!(matches!(
        world.engine.resume(handle.id(), ResumeOptions::default()).await,
        Err(Error::Closed { .. })
    ));
}

#[tokio::test]
async fn a_bad_input_is_the_workflows_own_failure() {
    let world = World::new().await;
    let RunOutcome::Failed { fault } = world.run("hello", json!({"nmae": "Ada"})).await else {
        panic!("it takes no unknown field");
    };
    assert_eq!(fault.code.as_str(), "input.invalid");
}

/// Everything that a guest could learn of the machine is the same in the second process: it would
/// diverge otherwise, since it puts all of that into status values and its result.
#[tokio::test]
async fn what_a_guest_sees_of_the_world_is_the_same_after_a_kill() {
    let mut world = World::new().await;
    let input = json!({"how": "ambient", "count": 5});
    let handle = world.submit("misbehaving", input, Grants::default()).await;
    let mut told = handle.events();
    let mut seen = Vec::new();
    while seen.len() < 2 {
        if let RunEvent::Status { value, .. } = told.recv().await.unwrap() {
            seen.push(value);
        }
    }
    world.next_process().await;
    let resumed = world.engine.resume(handle.id(), ResumeOptions::default()).await.unwrap();
    assert!(matches!(resumed.outcome().await, RunOutcome::Done { .. }));
    // The first process noticed that it had lost the run.
    assert_eq!(handle.outcome().await, RunOutcome::Interrupted);
    let history = world.engine.history(handle.id(), 1, 100).await.unwrap();
    let set: Vec<_> = history
        .into_iter()
        .filter_map(|(_, entry)| match entry.fact {
            Fact::StatusSet { value, .. } => Some(value),
            _ => None,
        })
        .collect();
    assert_eq!(set.len(), 5, "each is recorded once: {set:#?}");
    assert_eq!(set[..2], seen[..2]);
}

#[tokio::test]
async fn a_sleeping_run_is_interrupted_and_goes_on() {
    let mut world = World::new().await;
    let handle = world.submit("misbehaving", json!({"how": "sleep", "count": 2}), Grants::default()).await;
    let started = std::time::Instant::now();
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    handle.interrupt();
    assert_eq!(handle.outcome().await, RunOutcome::Interrupted);
    assert!(started.elapsed().as_millis() < 1500, "an interruption doesn't wait for the sleep");
    world.next_process().await;
    let resumed = world.engine.resume(handle.id(), ResumeOptions::default()).await.unwrap();
    assert_eq!(output(resumed.outcome().await), "awake");
    let slept = started.elapsed().as_millis();
    assert!((1_900..3_500).contains(&slept), "it waits for the rest only: {slept} ms");
}

#[tokio::test]
async fn a_cancel_wakes_a_sleeper() {
    let world = World::new().await;
    let handle = world.submit("misbehaving", json!({"how": "sleep", "count": 3600}), Grants::default()).await;
    while world.engine.show(handle.id()).await.unwrap().state.last_seq < 2 {
        tokio::task::yield_now().await;
    }
    let cancelled = world.engine.cancel(handle.id()).await.unwrap();
    assert!(matches!(cancelled, Cancelled::CleaningUp(_)));
    assert_eq!(handle.outcome().await, RunOutcome::Cancelled);
    assert_eq!(world.engine.show(handle.id()).await.unwrap().state.status, RunStatus::Cancelled);
}

#[tokio::test]
async fn an_engine_that_stops_takes_no_runs_and_leaves_none() {
    let world = World::new().await;
    let handle = world.submit("misbehaving", json!({"how": "sleep", "count": 3600}), Grants::default()).await;
    world.engine.stop().await;
    assert_eq!(handle.outcome().await, RunOutcome::Interrupted);
    assert!(world.engine.handles().is_empty());
    let again = world.engine.resume(handle.id(), ResumeOptions::default()).await;
    assert!(matches!(again, Err(Error::Stopping)));
}
