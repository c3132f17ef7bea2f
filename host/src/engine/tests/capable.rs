//! The guest `capable` over the embedded server: each capability, killed in the middle of it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::stage::{LONG, Process, Stage, done};
use crate::engine::Error;
use crate::journal::{self, Sent, Signal};
use crate::model::{RetryPolicy, RunId, RunOutcome};

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

/// Values and the step that writes them are durable together: killed at any time, each file is new once, and
/// each run counts once.
#[test]
fn what_is_remembered_is_remembered_once() {
    let stage = Stage::new();
    for n in 0..20 {
        std::fs::write(stage.served().join(format!("in/{n:02}")), "x").unwrap();
    }
    let input = json!({"what": "remember", "site": "acme", "path": "in", "millis": 1});
    let mut process = stage.process();
    let mut handle = process.submit("capable", input.clone(), stage.grants());
    let run = handle.id().clone();
    let mut kills = 0;
    let first = loop {
        let life = if kills < 20 { Duration::from_millis(3 + kills) } else { LONG };
        if let Some(outcome) = process.wait(&handle, life) {
            break done(Some(outcome));
        }
        kills += 1;
        process.kill();
        process = stage.process();
        handle = process.resume(&run);
    };
    let names: Vec<_> = (0..20).map(|n| format!("{n:02}")).collect();
    assert_eq!(first, format!("{} 1", names.join(",")));
    std::fs::write(stage.served().join("in/07"), "another").unwrap();
    let again = process.submit("capable", input, stage.grants());
    assert_eq!(done(process.wait(&again, LONG)), "07 2");
    let (memories, report) = process.runtime.block_on(async {
        let store = process.engine.store();
        (journal::memories(store).await.unwrap(), journal::check(store).await.unwrap())
    });
    let tally = journal::Tally { scope: "capable".to_owned(), keys: 1, seen: 20 };
    assert_eq!((memories, report.remembered, report.problems), (vec![tally], 21, Vec::new()));
    process.kill();
}

fn signal(process: &Process, run: &RunId, word: &str, id: Option<&str>) -> Sent {
    let (name, payload) = ("news".to_owned(), format!("{word:?}"));
    let signal = Signal { name, payload, id: id.map(str::to_owned) };
    process.runtime.block_on(process.engine.signal(run, signal)).unwrap()
}

/// Sent while the run is live and while it isn't, in between kills: each comes once, in its order.
#[test]
fn signals_wait_for_their_run_and_come_once() {
    let stage = Stage::new();
    let input = json!({"what": "receive", "path": "news", "millis": 60_000});
    let mut process = stage.process();
    let mut handle = process.submit("capable", input, stage.grants());
    let run = handle.id().clone();
    let mut said = Vec::new();
    for n in 0..12 {
        let word = format!("w{n}");
        assert_eq!(signal(&process, &run, &word, Some(&word)), Sent::New);
        said.push(word);
        assert_eq!(process.wait(&handle, Duration::from_millis(n % 4)), None);
        process.kill();
        process = stage.process();
        let (again, word) = (format!("w{n}"), format!("resting{n}"));
        assert_eq!(signal(&process, &run, &again, Some(&again)), Sent::Again, "the sender tries again");
        assert_eq!(signal(&process, &run, &word, None), Sent::New);
        said.push(word);
        handle = process.resume(&run);
    }
    assert_eq!(signal(&process, &run, "enough", None), Sent::New);
    said.push("enough".to_owned());
    assert_eq!(done(process.wait(&handle, LONG)), said.join(" "));
    let late = Signal { name: "news".to_owned(), payload: "1".to_owned(), id: None };
    let refused = process.runtime.block_on(process.engine.signal(&run, late));
    assert!(matches!(refused, Err(Error::Closed { .. })), "{refused:?}");
    process.kill();
}

#[test]
fn a_run_that_nobody_signals_waits_its_time_only_also_after_a_kill() {
    let stage = Stage::new();
    let input = json!({"what": "receive", "path": "news", "millis": 2_000});
    let first = stage.process();
    let began = Instant::now();
    let handle = first.submit("capable", input, stage.grants());
    assert_eq!(first.wait(&handle, Duration::from_millis(1_000)), None, "it ended too soon");
    first.kill();
    let second = stage.process();
    let again = second.resume(handle.id());
    assert_eq!(done(second.wait(&again, LONG)), "");
    let waited = began.elapsed().as_millis();
    assert!((2_000..3_000).contains(&waited), "it waited {waited} ms");
    second.kill();
}

#[test]
fn what_is_no_signal_is_refused() {
    let stage = Stage::new();
    let process = stage.process();
    let input = json!({"what": "receive", "path": "news", "millis": 60_000});
    let handle = process.submit("capable", input, stage.grants());
    let wrong = |name: &str, payload: &str| {
        let signal = Signal { name: name.to_owned(), payload: payload.to_owned(), id: None };
        let refused = process.runtime.block_on(process.engine.signal(handle.id(), signal));
        assert!(matches!(refused, Err(Error::Input(_))), "{refused:?}");
    };
    wrong("", "1");
    wrong(&"n".repeat(65), "1");
    wrong("news", "no JSON");
    wrong("news", &format!("{:?}", "x".repeat(32_768)));
    process.kill();
}
