//! What happens where runs meet, fail, or don't come in time.

use super::stage::{DAY, HOUR, MINUTE, Stage, done, failed, told, trapped};
use crate::schedule::{Error, Overlap, State, Triggered};

async fn every_ten_minutes(overlap: Overlap) -> Stage {
    let stage = Stage::new().await;
    stage.add_as("s", "*/10 * * * *", |it| it.overlap = overlap).await;
    stage
}

#[tokio::test]
async fn skip_leaves_out_and_says_so() {
    let stage = every_ten_minutes(Overlap::Skip).await;
    let mut events = stage.handle.events();
    stage.pass(25 * MINUTE).await;
    assert_eq!(stage.fired(), [10]);
    assert_eq!(stage.rows("s").await, [(10, "fired".to_owned()), (20, "skipped".to_owned())]);
    assert_eq!(told(&mut events), ["fired", "skipped"]);
    stage.end_last(done()).await;
    stage.pass(10 * MINUTE).await;
    assert_eq!(stage.fired(), [10, 30]);
}

#[tokio::test]
async fn queue_one_keeps_one_and_queue_all_keeps_all() {
    for (overlap, expected) in
        [(Overlap::QueueOne, vec![10, 20, 50]), (Overlap::QueueAll, vec![10, 20, 30, 40, 50])]
    {
        let stage = every_ten_minutes(overlap).await;
        stage.pass(45 * MINUTE).await;
        assert_eq!(stage.fired(), [10], "{overlap:?}");
        for _ in 0..4 {
            stage.end_last(done()).await;
        }
        stage.pass(6 * MINUTE).await;
        assert_eq!(stage.fired(), expected, "{overlap:?}");
        stage.judge().await;
    }
}

#[tokio::test]
async fn cancel_and_terminate_make_room() {
    for (overlap, now) in [(Overlap::CancelOther, false), (Overlap::TerminateOther, true)] {
        let stage = every_ten_minutes(overlap).await;
        stage.pass(11 * MINUTE).await;
        let first = stage.last_run();
        stage.pass(10 * MINUTE).await;
        assert_eq!(stage.fired(), [10, 20], "{overlap:?}");
        assert_eq!(*stage.runs.cancelled.lock().unwrap(), [(first, now)]);
        stage.judge().await;
    }
}

#[tokio::test]
async fn allow_and_concurrency() {
    let stage = every_ten_minutes(Overlap::Allow).await;
    stage.add_as("two", "*/10 * * * *", |it| it.concurrency = Some(2)).await;
    stage.pass(35 * MINUTE).await;
    let of = async |name| stage.handle.history(name, None, 100).await;
    let fired = |rows: Vec<crate::schedule::HistoryRow>| rows.iter().filter(|row| row.run.is_some()).count();
    assert_eq!(fired(of("s").await.unwrap()), 3);
    assert_eq!(fired(of("two").await.unwrap()), 2);
}

#[tokio::test]
async fn a_paused_run_does_not_stop_its_schedule() {
    let stage = every_ten_minutes(Overlap::Skip).await;
    stage.pass(11 * MINUTE).await;
    stage.end_last(trapped()).await;
    stage.pass(10 * MINUTE).await;
    assert_eq!(stage.fired(), [10, 20]);
    assert_eq!(stage.handle.counters().failed, 1);
}

#[tokio::test]
async fn pause_on_failure_pauses_with_a_reason() {
    let stage = Stage::new().await;
    stage.add_as("s", "*/10 * * * *", |it| it.pause_on_failure = true).await;
    stage.pass(11 * MINUTE).await;
    stage.end_last(failed()).await;
    stage.pass(HOUR).await;
    assert_eq!(stage.fired(), [10]);
    let view = stage.handle.show("s", 1).await.unwrap();
    let pause = view.record.paused.unwrap();
    assert_eq!((view.state, pause.by.as_str()), (State::Paused, "pause-on-failure"));
    assert!(pause.reason.contains(stage.last_run().as_str()), "{}", pause.reason);
    stage.handle.resume("s").await.unwrap();
    stage.pass(10 * MINUTE).await;
    assert_eq!(stage.fired().len(), 2, "from now on, and nothing is made up for");
}

#[tokio::test]
async fn a_run_that_takes_too_long_is_cancelled() {
    let stage = Stage::new().await;
    stage.add_as("s", "0 * * * *", |it| it.run_time_ms = Some(5 * MINUTE)).await;
    stage.pass(HOUR + 4 * MINUTE).await;
    assert!(stage.runs.cancelled.lock().unwrap().is_empty());
    stage.pass(2 * MINUTE).await;
    assert_eq!(*stage.runs.cancelled.lock().unwrap(), [(stage.last_run(), false)]);
}

#[tokio::test]
async fn a_run_that_cannot_begin_is_noted_and_the_next_one_tries_again() {
    let stage = every_ten_minutes(Overlap::Skip).await;
    *stage.runs.refuse.lock().unwrap() = true;
    stage.pass(11 * MINUTE).await;
    *stage.runs.refuse.lock().unwrap() = false;
    stage.pass(10 * MINUTE).await;
    assert_eq!(stage.fired(), [20]);
    let rows = stage.handle.history("s", None, 10).await.unwrap();
    assert_eq!(rows[1].row.what.as_str(), "refused");
    assert!(rows[1].row.reason.as_deref().unwrap().contains("no password"));
}

#[tokio::test]
async fn an_expected_run_that_does_not_come_is_told_once() {
    let mut stage = Stage::new().await;
    let mut events = stage.handle.events();
    stage
        .add_as("s", "0 2 * * *", |it| {
            it.expect_by = Some("06:00".to_owned());
        })
        .await;
    stage.pass(2 * HOUR + MINUTE).await;
    stage.end_last(done()).await;
    stage.pass(5 * HOUR).await;
    assert!(!told(&mut events).contains(&"late"), "it has succeeded");
    stage.pass(DAY - 5 * HOUR).await;
    stage.end_last(failed()).await;
    stage.pass(5 * HOUR).await;
    assert_eq!(told(&mut events).iter().filter(|name| **name == "late").count(), 1);
    assert!(stage.handle.show("s", 1).await.unwrap().standing.late.is_some());
    stage.die();
    let mut events = stage.handle.events();
    stage.serve().await;
    stage.pass(MINUTE).await;
    assert!(!told(&mut events).contains(&"late"), "once, also over a restart");
    stage.pass(DAY - 5 * HOUR).await;
    stage.end_last(done()).await;
    assert!(stage.handle.show("s", 1).await.unwrap().standing.late.is_none(), "one has succeeded");
}

#[tokio::test]
async fn triggers_go_by_the_policy() {
    let stage = every_ten_minutes(Overlap::Skip).await;
    assert!(matches!(stage.handle.trigger("s", None).await.unwrap(), Triggered::Run(_)));
    stage.pass(MINUTE).await;
    assert!(matches!(stage.handle.trigger("s", None).await, Err(Error::Skipped { .. })));
    let waits = stage.handle.trigger("s", Some(Overlap::QueueOne)).await.unwrap();
    assert!(matches!(waits, Triggered::Waits));
    stage.end_last(done()).await;
    stage.pass(1_000).await;
    assert_eq!(stage.fired().len(), 2, "what waited began");
    let first = stage.last_run();
    let replaced = stage.handle.trigger("s", Some(Overlap::CancelOther)).await.unwrap();
    assert!(matches!(replaced, Triggered::Run(_)));
    assert_eq!(*stage.runs.cancelled.lock().unwrap(), [(first, false)]);
    stage.pass(10 * MINUTE).await;
    assert_eq!(stage.rows("s").await.last().unwrap(), &(10, "skipped".to_owned()), "it counts for overlap");
    stage.judge().await;
}
