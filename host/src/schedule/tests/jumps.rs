//! A clock that is set, by an hour and by a year, both ways.

use super::stage::{DAY, HOUR, MINUTE, Stage, done};

const YEAR: i64 = 365 * DAY as i64;

async fn hourly() -> Stage {
    let stage = Stage::new().await;
    stage.add("s", "0 * * * *").await;
    *stage.runs.take.lock().unwrap() = Some(std::time::Duration::from_secs(60));
    stage.pass(2 * HOUR + 30 * MINUTE).await;
    assert_eq!(stage.fired(), [60, 120]);
    stage
}

#[tokio::test]
async fn an_hour_back_fires_nothing_twice() {
    let stage = hourly().await;
    stage.clock.set_by(-(HOUR as i64));
    // It is 01:30 again: the firing of 02:00 has its run, that of 03:00 comes.
    stage.pass(2 * HOUR).await;
    assert_eq!(stage.fired(), [60, 120, 180]);
    stage.judge().await;
}

#[tokio::test]
async fn a_year_back_and_again_forward_fires_nothing_twice() {
    let stage = hourly().await;
    stage.clock.set_by(-YEAR);
    stage.pass(HOUR).await;
    let earlier = stage.runs.begun.lock().unwrap().len();
    assert_eq!(earlier, 3, "it fires by the clock that there is");
    stage.clock.set_by(YEAR);
    stage.pass(HOUR).await;
    let fired: Vec<_> = stage.runs.begun.lock().unwrap().iter().map(|(_, nominal)| *nominal).collect();
    let unique: std::collections::HashSet<_> = fired.iter().collect();
    assert_eq!(unique.len(), fired.len(), "{fired:?}");
    stage.judge().await;
}

#[tokio::test]
async fn an_hour_and_a_year_forward_are_a_downtime() {
    let stage = hourly().await;
    stage.clock.set_by(HOUR as i64 * 3);
    stage.pass(MINUTE).await;
    assert_eq!(stage.fired(), [60, 120, 300], "the last one of what was passed over");
    assert_eq!(stage.handle.counters().missed, 2);
    stage.pass(HOUR).await;
    stage.clock.set_by(YEAR);
    let before = stage.fired().len();
    stage.pass(MINUTE).await;
    assert_eq!(stage.fired().len(), before + 1);
    assert!(stage.handle.counters().missed >= 1_000, "{:?}", stage.handle.counters());
    stage.judge().await;
}

#[tokio::test]
async fn a_clock_that_was_wrong_by_a_year_and_is_corrected_does_not_stop_a_schedule() {
    let stage = hourly().await;
    stage.clock.set_by(YEAR);
    stage.pass(MINUTE).await;
    stage.clock.set_by(-YEAR);
    let before = stage.fired().len();
    stage.pass(2 * HOUR).await;
    let fired = stage.fired();
    assert_eq!(fired[before..], [180, 240], "{fired:?}");
    stage.judge().await;
}

#[tokio::test]
async fn the_clock_is_set_back_while_no_process_is_there() {
    let mut stage = hourly().await;
    stage.die();
    stage.clock.set_by(-(HOUR as i64));
    stage.serve().await;
    stage.pass(2 * HOUR).await;
    assert_eq!(stage.fired(), [180], "02:00 has its run");
    stage.end_last(done()).await;
    stage.judge().await;
}
