//! Workflows that are broken or hostile: each ends in its own way, and the host goes on.

use std::time::Duration;

use serde_json::json;

use super::world::{World, guest};
use crate::engine::{Error, ResumeOptions, RunSpec};
use crate::journal::{self, BlobId, MemoryStore};
use crate::model::{Fault, Grants, PauseReason, RunOutcome, StepSeq};
use crate::wasm::{Limits, Refusal};

/// Little fuel, so that a debug build runs out of it soon.
fn tight() -> Limits {
    Limits { step_fuel: 300_000_000, ..Limits::default() }
}

async fn trapped(how: &str) -> Fault {
    let world = World::limited(tight()).await;
    let outcome = world.run("misbehaving", json!({"how": how})).await;
    let RunOutcome::Paused { why: PauseReason::Trapped, fault } = outcome else {
        panic!("{how}: {outcome:?}");
    };
    // The host is unhurt: the same process runs the next one.
    assert!(matches!(world.run("hello", json!({})).await, RunOutcome::Done { .. }));
    fault
}

#[tokio::test]
async fn traps_are_named_with_their_place() {
    let fault = trapped("trap").await;
    assert_eq!(fault.code.as_str(), "workflow.trapped");
    assert!(fault.message.contains("\n  at ") && fault.message.contains("misbehaving"), "{fault}");
}

#[tokio::test]
async fn a_panic_keeps_its_message() {
    let fault = trapped("panic").await;
    assert!(fault.message.contains("this workflow panics on purpose"), "{fault}");
}

#[tokio::test]
async fn an_exit_is_no_result() {
    let fault = trapped("exit").await;
    assert!(fault.message.contains("exit"), "{fault}");
}

#[tokio::test]
async fn recursion_without_end_uses_up_the_stack() {
    assert_eq!(trapped("recurse").await.code.as_str(), "workflow.stack");
}

#[tokio::test]
async fn a_loop_without_end_uses_up_the_fuel() {
    assert_eq!(trapped("spin").await.code.as_str(), "workflow.out-of-fuel");
}

#[tokio::test]
async fn eating_memory_ends_at_the_limit() {
    let fault = trapped("eat-memory").await;
    assert_eq!(fault.code.as_str(), "workflow.limit");
    assert!(fault.message.contains("64.0 MiB are allowed"), "{fault}");
}

/// On one thread, with the scheduler set as the program sets it: timers are looked at every eighth
/// turn, and a guest's turn takes a tick of the epoch.
#[test]
fn a_loop_without_end_leaves_others_their_turn() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().event_interval(8).build();
    runtime.unwrap().block_on(async {
        let limits = Limits { step_fuel: 10_000_000_000, ..Limits::default() };
        let world = World::limited(limits).await;
        let spinner = world.submit("misbehaving", json!({"how": "spin"}), Grants::default()).await;
        let finished = spinner.outcome();
        tokio::pin!(finished);
        let mut turns = 0;
        loop {
            tokio::select! {
                _ = &mut finished => break,
                () = tokio::time::sleep(Duration::from_millis(5)) => turns += 1,
            }
        }
        assert!(turns >= 4, "others had {turns} turns");
    });
}

#[tokio::test]
async fn floods_are_cut_off() {
    let world = World::new().await;
    for how in ["flood-logs", "flood-stdout"] {
        let handle =
            world.submit("misbehaving", json!({"how": how, "count": 5_000}), Grants::default()).await;
        assert!(matches!(handle.outcome().await, RunOutcome::Done { .. }), "{how}");
        let shown = world.engine.show(handle.id()).await.unwrap();
        assert!(shown.head.bytes < 12 << 20, "{how}: {} bytes of journal", shown.head.bytes);
    }
}

#[tokio::test]
async fn a_flood_of_lines_without_end_is_stopped() {
    let world = World::new().await;
    let outcome = world.run("misbehaving", json!({"how": "flood-logs", "count": u32::MAX})).await;
    let RunOutcome::Paused { why: PauseReason::Trapped, fault } = outcome else { panic!("{outcome:?}") };
    assert_eq!(fault.code.as_str(), "workflow.limit");
}

#[tokio::test]
async fn steps_without_end_fail_at_the_journals_limit() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new().await;
    world.store = std::sync::Arc::new(MemoryStore::with_limits(journal::Limits {
        entries_max: 1_000,
        ..journal::Limits::default()
    }));
    world.next_process().await;
    let folders = vec![crate::model::FolderGrant { name: "in".to_owned(), path: home.path().to_owned() }];
    let grants = Grants { folders, ..Grants::default() };
    let input = json!({"how": "flood-steps", "folder": "in"});
    let outcome = world.submit("misbehaving", input, grants).await.outcome().await;
    let RunOutcome::Failed { fault } = outcome else { panic!("{outcome:?}") };
    assert_eq!(fault.code.as_str(), "run.history-limit");
}

#[tokio::test]
async fn an_interruption_does_not_wait_for_a_loop() {
    let world = World::new().await;
    let spinner = world.submit("misbehaving", json!({"how": "spin"}), Grants::default()).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    spinner.interrupt();
    assert_eq!(spinner.outcome().await, RunOutcome::Interrupted);
}

#[tokio::test]
async fn huge_arguments_and_results_are_refused() {
    let world = World::new().await;
    for how in ["huge-call", "huge-result"] {
        let outcome = world.run("misbehaving", json!({"how": how, "folder": "in"})).await;
        let RunOutcome::Paused { why: PauseReason::Trapped, fault } = outcome else {
            panic!("{how}: {outcome:?}");
        };
        assert_eq!(fault.code.as_str(), "workflow.limit", "{how}: {fault}");
    }
    assert!(matches!(world.run("hello", json!({})).await, RunOutcome::Done { .. }));
}

#[tokio::test]
async fn a_paused_run_can_be_tried_again() {
    let mut world = World::new().await;
    let handle = world.submit("misbehaving", json!({"how": "panic"}), Grants::default()).await;
    assert!(matches!(handle.outcome().await, RunOutcome::Paused { .. }));
    world.next_process().await;
    let again = world.engine.resume(handle.id(), ResumeOptions::default()).await.unwrap();
    assert!(matches!(again.outcome().await, RunOutcome::Paused { why: PauseReason::Trapped, .. }));
}

#[tokio::test]
async fn a_mended_workflow_goes_on_where_the_first_one_trapped() {
    let mut world = World::new().await;
    let handle =
        world.submit("misbehaving", json!({"how": "trap-later", "count": 2}), Grants::default()).await;
    assert!(matches!(handle.outcome().await, RunOutcome::Paused { why: PauseReason::Trapped, .. }));
    world.next_process().await;
    let mended = ResumeOptions { workflow: Some(guest("mended")), ..ResumeOptions::default() };
    let again = world.engine.resume(handle.id(), mended).await.unwrap();
    assert_eq!(again.outcome().await, RunOutcome::Done { output: "\"mended\"".to_owned() });
    let detail = world.engine.show(handle.id()).await.unwrap();
    assert_eq!(detail.state.created.component, BlobId::of(&guest("mended")));
    assert_eq!(detail.state.last_step, StepSeq(2), "the first step was not done again");
}

#[tokio::test]
async fn another_workflow_that_does_something_else_is_refused_and_changes_nothing() {
    let mut world = World::new().await;
    let handle =
        world.submit("misbehaving", json!({"how": "trap-later", "count": 1}), Grants::default()).await;
    assert!(matches!(handle.outcome().await, RunOutcome::Paused { .. }));
    world.next_process().await;
    let before = world.engine.history(handle.id(), 1, 100).await.unwrap();
    for (other, code) in
        [("mended", "run.diverged"), ("misbehaving", "workflow.trapped"), ("hello", "run.diverged")]
    {
        let how = ResumeOptions { workflow: Some(guest(other)), ..ResumeOptions::default() };
        let Err(Error::Unlike(fault)) = world.engine.resume(handle.id(), how).await else {
            panic!("{other} was taken")
        };
        assert_eq!(fault.code.as_str(), code, "{other}: {fault}");
        if code == "run.diverged" {
            assert!(fault.message.contains("recorded: checkpoint.save"), "{fault}");
        }
        assert_eq!(world.engine.history(handle.id(), 1, 100).await.unwrap(), before, "{other}");
    }
}

#[tokio::test]
async fn what_is_no_workflow_is_refused_in_words() {
    let world = World::new().await;
    let submit = async |component: Vec<u8>| {
        let spec = RunSpec {
            run: None,
            component,
            name: "x".to_owned(),
            input: json!({}),
            grants: Grants::default(),
            rate_limit: None,
        };
        match world.engine.submit(spec).await {
            Err(Error::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(submit(b"garbage".to_vec()).await, Refusal::NotWasm);
    assert_eq!(submit(wat::parse_str("(module)").unwrap()).await, Refusal::CoreModule);
    let foreign = submit(guest("foreign-import")).await;
    assert_eq!(foreign.to_string(), "the component needs acme:database/sql@1.2.0, which workflows don't get");
    let mut cut = guest("hello");
    cut.truncate(cut.len() / 2);
    assert!(matches!(submit(cut).await, Refusal::Malformed { .. } | Refusal::Compile { .. }));
    assert!(world.engine.list(&crate::engine::ListFilter::default()).await.unwrap().is_empty());
}
