//! Each firing once, whenever the process dies.

use super::stage::{DAY, HOUR, MINUTE, Stage, done, settle};
use crate::schedule::{CatchUp, Missed, What};

#[tokio::test]
async fn a_schedule_fires_at_each_of_its_times() {
    let stage = Stage::new().await;
    stage.add("s", "0 * * * *").await;
    *stage.runs.take.lock().unwrap() = Some(std::time::Duration::from_secs(60));
    stage.pass(5 * HOUR + 5 * MINUTE).await;
    assert_eq!(stage.fired(), [60, 120, 180, 240, 300]);
    let rows = stage.handle.history("s", None, 10).await.unwrap();
    assert!(rows.iter().all(|row| row.row.what == What::Fired && row.row.ended.is_some()), "{rows:?}");
    assert_eq!(rows[0].row.number, 5);
    assert_eq!(stage.handle.counters().fired, 5);
    stage.judge().await;
}

#[tokio::test]
async fn a_process_that_dies_right_before_or_after_a_firing_leaves_one_run() {
    for minutes in [59, 60, 61] {
        let mut stage = Stage::new().await;
        stage.add("s", "0 * * * *").await;
        stage.pass(minutes * MINUTE).await;
        let before = stage.fired();
        stage.die();
        stage.skip(5_000);
        stage.serve().await;
        stage.pass(2 * MINUTE).await;
        let mut fired = before;
        fired.extend(stage.fired());
        assert_eq!(fired, [60], "died at minute {minutes}");
        stage.judge().await;
    }
}

#[tokio::test]
async fn after_a_downtime_the_last_one_is_made_up_for() {
    let mut stage = Stage::new().await;
    stage.add("s", "0 * * * *").await;
    stage.pass(HOUR + MINUTE).await;
    stage.end_last(done()).await;
    stage.die();
    stage.skip(5 * HOUR);
    stage.serve().await;
    assert_eq!(stage.fired(), [360]);
    let rows = stage.rows("s").await;
    assert_eq!(rows, [(60, "fired".to_owned()), (300, "missed".to_owned()), (360, "fired".to_owned())]);
    // Dying again while nothing new is due changes nothing.
    stage.end_last(done()).await;
    stage.die();
    stage.serve().await;
    stage.pass(MINUTE).await;
    assert!(stage.fired().is_empty());
    assert_eq!(stage.rows("s").await, rows);
    stage.judge().await;
}

#[tokio::test]
async fn all_of_a_downtime_are_made_up_for_one_after_another() {
    let mut stage = Stage::without_service();
    let catch_up = CatchUp { which: Missed::All, window_ms: DAY, max: 3 };
    stage.add_as("s", "0 * * * *", |definition| definition.catch_up = catch_up).await;
    stage.skip(5 * HOUR + MINUTE);
    stage.serve().await;
    assert_eq!(stage.fired(), [180], "one at a time");
    stage.end_last(done()).await;
    stage.end_last(done()).await;
    assert_eq!(stage.fired(), [180, 240, 300]);
    stage.end_last(done()).await;
    assert_eq!(stage.handle.counters().caught_up, 3);
    assert_eq!(stage.handle.counters().missed, 2);
    stage.judge().await;
}

#[tokio::test]
async fn what_waits_still_waits_after_a_death() {
    let mut stage = Stage::new().await;
    stage.add_as("s", "0 * * * *", |it| it.overlap = crate::schedule::Overlap::QueueAll).await;
    stage.pass(3 * HOUR + MINUTE).await;
    assert_eq!(stage.fired(), [60]);
    let first = stage.last_run();
    stage.die();
    stage.serve().await;
    assert!(stage.fired().is_empty(), "the first one hasn't ended");
    // Its next process ends it; nobody told the schedule.
    let (claim, head) = stage.store.claim(&first).await.unwrap();
    let (mut log, _) =
        crate::journal::StepLog::open(stage.store.clone(), stage.clock.clone(), claim, &head).await.unwrap();
    log.finish(Ok("{}".to_owned())).await.unwrap();
    stage.pass(3_000).await;
    assert_eq!(stage.fired(), [120]);
    stage.end_last(done()).await;
    assert_eq!(stage.fired(), [120, 180]);
    settle().await;
    stage.judge().await;
}

#[tokio::test]
async fn a_limited_number_and_a_single_instant() {
    let stage = Stage::new().await;
    *stage.runs.take.lock().unwrap() = Some(std::time::Duration::from_secs(1));
    stage.add_as("twice", "*/10 * * * *", |it| it.firings_max = Some(2)).await;
    let at = crate::model::Timestamp(super::stage::BEGIN + 25 * MINUTE);
    stage.add_as("once", "* * * * *", |it| it.timing.when = crate::schedule::When::At(at)).await;
    stage.pass(2 * HOUR).await;
    assert_eq!(stage.fired(), [10, 20, 25]);
    let states: Vec<_> =
        stage.handle.list().await.unwrap().into_iter().map(|view| view.state.as_str()).collect();
    assert_eq!(states, ["finished", "finished"]);
}
