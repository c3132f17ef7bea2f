//! The guest `oracle` over the embedded server: through every kind of effect, killed at random.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::chance::Chance;
use testkit::journey::Journey;
use testkit::oracle;
use testkit::witness::Witness;

use super::stage::{LONG, Stage, done};
use crate::model::{Grants, RunOutcome};

fn input() -> Value {
    json!({"site": "acme", "local": "data/oracle", "parallel": 3})
}

#[test]
fn an_undisturbed_journey_ends_as_it_should() {
    let stage = Stage::new();
    let journey = Journey::of(oracle::flat());
    oracle::write(journey.files(), &stage.served().join("in")).unwrap();
    let witness = Witness::watch(&stage.served()).unwrap();
    let process = stage.process();
    let handle = process.submit("oracle", input(), stage.grants());
    let report = done(process.wait(&handle, LONG));
    assert_eq!((report["files"].as_u64(), report["resent"].as_u64()), (Some(20), Some(0)));
    journey.judge_end(&stage.served(), &stage.local().join("oracle")).unwrap();
    journey.judge_effects(&witness.testimony().unwrap()).unwrap();
    process.kill();
}

#[test]
fn kills_at_any_time_change_nothing() {
    let stage = Stage::new();
    let journey = Journey::of(oracle::flat());
    oracle::write(journey.files(), &stage.served().join("in")).unwrap();
    let witness = Witness::watch(&stage.served()).unwrap();
    let mut chance = Chance::new("the engine's kills");
    let mut process = stage.process();
    let mut handle = process.submit("oracle", input(), stage.grants());
    let run = handle.id().clone();
    let mut kills = 0;
    let outcome = loop {
        // Once it has been killed often, it may come to its end.
        let life = match kills {
            0..25 => chance.between(Duration::from_millis(1), Duration::from_millis(60)),
            _ => LONG,
        };
        let outcome = process.wait(&handle, life);
        if outcome.is_some() {
            break outcome;
        }
        process.kill();
        kills += 1;
        process = stage.process();
        handle = process.resume(&run);
    };
    done(outcome);
    assert!(kills > 2, "it was killed {kills} times only");
    journey.judge_end(&stage.served(), &stage.local().join("oracle")).unwrap();
    journey.judge_effects(&witness.testimony().unwrap()).unwrap();
    process.kill();
}

#[test]
fn an_interrupted_run_commits_what_it_has() {
    let stage = Stage::new();
    let journey = Journey::of(oracle::flat());
    oracle::write(journey.files(), &stage.served().join("in")).unwrap();
    let first = stage.process();
    let handle = first.submit("oracle", input(), stage.grants());
    std::thread::sleep(Duration::from_millis(60));
    first.runtime.block_on(first.engine.stop());
    let ended = first.wait(&handle, Duration::ZERO).unwrap();
    first.kill();
    assert!(matches!(ended, RunOutcome::Interrupted | RunOutcome::Done { .. }), "{ended:?}");
    if ended == RunOutcome::Interrupted {
        let second = stage.process();
        let handle = second.resume(handle.id());
        done(second.wait(&handle, LONG));
        second.kill();
    }
    journey.judge_end(&stage.served(), &stage.local().join("oracle")).unwrap();
}

#[test]
fn what_was_not_granted_is_refused() {
    let stage = Stage::new();
    let process = stage.process();
    let run = |grants: Grants| {
        let outcome = process.wait(&process.submit("oracle", input(), grants), LONG);
        match outcome {
            Some(RunOutcome::Failed { fault }) => fault,
            other => panic!("{other:?}"),
        }
    };
    let nothing = run(Grants::default());
    assert_eq!(nothing.code.as_str(), "grant.refused");
    assert!(nothing.hint.unwrap().contains("--site acme"));
    let no_folder = run(Grants { folders: Vec::new(), ..stage.grants() });
    assert_eq!(no_folder.code.as_str(), "grant.refused");
    process.kill();
}
