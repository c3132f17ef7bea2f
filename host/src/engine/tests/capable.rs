//! The guest `capable` over the embedded server: each capability, killed in the middle of it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::stage::{LONG, Stage, done};
use crate::model::{RetryPolicy, RunOutcome};

fn wait_for(millis: u64) -> Value {
    json!({"what": "wait", "site": "acme", "path": "in/a", "millis": millis})
}

/// Time that passed while the process was dead counts.
#[test]
fn a_wait_for_a_file_goes_on_with_the_rest_after_a_kill() {
    let stage = Stage::new();
    let first = stage.process();
    let began = Instant::now();
    let handle = first.submit("capable", wait_for(3_000), stage.grants());
    assert_eq!(first.wait(&handle, Duration::from_millis(1_500)), None, "it ended too soon");
    first.kill();
    let second = stage.process();
    let again = second.resume(handle.id());
    assert_eq!(done(second.wait(&again, LONG)), Value::Null);
    let waited = began.elapsed().as_millis();
    assert!((3_000..4_400).contains(&waited), "it waited {waited} ms");
    second.kill();
}

#[test]
fn a_file_that_comes_while_nobody_looks_is_found() {
    let stage = Stage::new();
    let first = stage.process();
    let handle = first.submit("capable", wait_for(60_000), stage.grants());
    assert_eq!(first.wait(&handle, Duration::from_millis(400)), None, "it ended too soon");
    first.kill();
    std::fs::write(stage.served().join("in/a"), "seven b").unwrap();
    let second = stage.process();
    let again = second.resume(handle.id());
    assert_eq!(done(second.wait(&again, LONG)), "7");
    second.kill();
}

#[test]
fn a_cancel_ends_a_wait_for_a_file() {
    let stage = Stage::new();
    let process = stage.process();
    let handle = process.submit("capable", wait_for(60_000), stage.grants());
    assert_eq!(process.wait(&handle, Duration::from_millis(300)), None);
    process.runtime.block_on(process.engine.cancel(handle.id())).unwrap();
    assert_eq!(process.wait(&handle, LONG), Some(RunOutcome::Cancelled));
    process.kill();
}

#[test]
fn small_files_are_written_once_and_read_back() {
    let stage = Stage::new();
    let input = json!({"what": "mark", "site": "acme", "path": "made/ok", "millis": 600});
    let first = stage.process();
    let handle = first.submit("capable", input, stage.grants());
    let marker = stage.served().join("made/ok");
    while !stage.served().join("made/ok.sum").exists() {
        assert_eq!(first.wait(&handle, Duration::from_millis(10)), None, "it ended too soon");
    }
    first.kill();
    // What is recorded isn't written again: it would be, if the replay asked anybody.
    std::fs::write(&marker, "other").unwrap();
    let second = stage.process();
    let again = second.resume(handle.id());
    let told = done(second.wait(&again, LONG));
    let told = told.as_str().unwrap();
    assert!(told.starts_with("other") && told.ends_with("Some(\"file.too-large\")"), "{told}");
    let mut left: Vec<_> =
        std::fs::read_dir(stage.served().join("made")).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["ok", "ok.sum"]);
    second.kill();
}

/// What the configuration said is recorded, so a replay takes the same way.
#[test]
fn a_named_policy_is_the_same_in_a_replay() {
    let stage = Stage::new();
    let attempts = |count| RetryPolicy { max_attempts: Some(count), ..RetryPolicy::default() };
    *stage.policy.lock().unwrap() = Some(attempts(7));
    let first = stage.process();
    let input = json!({"what": "policy", "path": "patient", "millis": 400});
    let handle = first.submit("capable", input, stage.grants());
    assert_eq!(first.wait(&handle, Duration::from_millis(200)), None, "it ended too soon");
    first.kill();
    *stage.policy.lock().unwrap() = Some(attempts(9));
    let second = stage.process();
    let again = second.resume(handle.id());
    assert_eq!(done(second.wait(&again, LONG)), "Some(Some(7)) Some(Some(9))");
    second.kill();
}
