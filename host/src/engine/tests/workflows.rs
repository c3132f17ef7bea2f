//! The workflows that people copy, and what they promise, over the embedded server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::oracle;

use super::stage::{LONG, Process, Stage, done};
use crate::model::{FaultCode, RunOutcome};

fn put(path: PathBuf, content: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// Every file below a folder with its content, and every folder, sorted.
fn tree(root: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let inside = path.strip_prefix(root).unwrap().to_owned();
            if path.is_dir() {
                found.push((inside, None));
                waiting.push(path);
            } else {
                found.push((inside, Some(std::fs::read(path).unwrap())));
            }
        }
    }
    found.sort();
    found
}

/// Runs to the end, which must be a result.
fn run(stage: &Stage, process: &Process, workflow: &str, input: &Value) -> Value {
    done(process.wait(&process.submit(workflow, input.clone(), stage.grants()), LONG))
}

#[test]
fn mirror_pulls_a_tree_once_and_pushes_it_back() {
    let (stage, part) = (Stage::new(), "served/in/.a.00000000000W3GE1R70W3GE1R7.1.2.1.part");
    let part = stage.local().parent().unwrap().join(part);
    oracle::write(&oracle::files(), &stage.served().join("in")).unwrap();
    std::fs::create_dir(stage.served().join("in/nothing here")).unwrap();
    put(part.clone(), "somebody else's, and still coming");
    let process = stage.process();
    let moved = |report: &Value| ["files", "folders", "unchanged"].map(|name| report[name].as_u64().unwrap());

    let pull = json!({"site": "acme", "from": "/in/", "to": "data/got", "parallel": "4"});
    assert_eq!(moved(&run(&stage, &process, "mirror", &pull)), [20, 3, 0]);
    std::fs::remove_file(part).unwrap();
    assert_eq!(tree(&stage.local().join("got")), tree(&stage.served().join("in")));
    assert_eq!(moved(&run(&stage, &process, "mirror", &pull)), [0, 0, 20]);

    std::fs::remove_dir_all(stage.served().join("in")).unwrap();
    let push = json!({"site": "acme", "from": "data/got", "to": "", "direction": "push", "parallel": 4});
    assert_eq!(moved(&run(&stage, &process, "mirror", &push)), [20, 3, 0]);
    assert_eq!(tree(&stage.served()), tree(&stage.local().join("got")));
    assert_eq!(moved(&run(&stage, &process, "mirror", &push)), [0, 0, 20]);
    process.kill();
}

#[test]
fn mirror_takes_what_a_glob_matches_and_the_folders_that_it_needs() {
    let stage = Stage::new();
    put(stage.served().join("in/a/b/x.csv"), "1");
    put(stage.served().join("in/a/y.txt"), "2");
    put(stage.served().join("in/z.csv"), "3");
    let process = stage.process();
    let pull = json!({"site": "acme", "from": "in", "to": "data", "include": "*.csv"});
    assert_eq!(run(&stage, &process, "mirror", &pull)["files"], 2);
    let names: Vec<_> = tree(&stage.local()).into_iter().map(|(path, _)| path).collect();
    assert_eq!(names, ["a", "a/b", "a/b/x.csv", "z.csv"].map(PathBuf::from));

    let push =
        json!({"site": "acme", "from": "data", "to": "new/deep", "include": "a/**", "direction": "push"});
    assert_eq!(run(&stage, &process, "mirror", &push)["files"], 1);
    assert_eq!(std::fs::read(stage.served().join("new/deep/a/b/x.csv")).unwrap(), b"1");
    process.kill();
}

/// Killed again and again on its way, it deletes what only the target has, and nothing else.
#[test]
fn mirror_deletes_what_only_the_target_has_once_all_is_copied() {
    let stage = Stage::new();
    for (path, content) in [("in/a", "1"), ("in/sub/b", "2"), ("in/skip/c", "3")] {
        put(stage.served().join(path), content);
    }
    for n in 0..30 {
        put(stage.local().join(format!("extra/deep/{n}")), "mine");
    }
    put(stage.local().join("skip/mine"), "mine");
    put(stage.local().join("sub/x"), "mine");
    let pull = json!({
        "site": "acme", "from": "in", "to": "data", "exclude": ["skip/"], "delete": "extra", "min_age": "0",
    });
    let mut process = stage.process();
    let mut handle = process.submit("mirror", pull, stage.grants());
    let run = handle.id().clone();
    let mut kills = 0;
    let outcome = loop {
        let life = if kills < 15 { Duration::from_millis(20 + 2 * kills) } else { LONG };
        let outcome = process.wait(&handle, life);
        if outcome.is_some() {
            break outcome;
        }
        kills += 1;
        process.kill();
        process = stage.process();
        handle = process.resume(&run);
    };
    let report = done(outcome);
    assert_eq!((report["files"].as_u64(), report["deleted"].as_u64()), (Some(2), Some(33)), "{report}");
    let names: Vec<_> = tree(&stage.local()).into_iter().map(|(path, _)| path).collect();
    assert_eq!(names, ["a", "skip", "skip/mine", "sub", "sub/b"].map(PathBuf::from));
    process.kill();
}

#[test]
fn relay_copies_what_is_right_by_its_sidecar_and_writes_one() {
    const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let stage = Stage::new();
    put(stage.served().join("outbox/a b"), "hello");
    put(stage.served().join("outbox/a b.sha256"), format!("SHA256 (a b) = {HELLO}\n"));
    put(stage.served().join("outbox/later"), "its sidecar is still to come");
    let process = stage.process();
    let input = json!({
        "site_in": "acme", "from": "outbox", "site_out": "shop", "to": "new/inbox", "sidecar": "sha256",
    });
    let report = run(&stage, &process, "relay", &input);
    assert_eq!(report, json!({"files": 1, "bytes": 5, "waiting": 1}));
    let arrived = [("a b", "hello".to_owned()), ("a b.sha256", format!("{HELLO}  a b\n"))];
    let arrived = arrived.map(|(name, content)| (PathBuf::from(name), Some(content.into_bytes())));
    assert_eq!(tree(&stage.served().join("new/inbox")), arrived);
    assert!(tree(&stage.local()).is_empty(), "nothing lies on this host");

    put(stage.served().join("outbox/later.sha256"), HELLO);
    let outcome = process.wait(&process.submit("relay", input, stage.grants()), LONG);
    let Some(RunOutcome::Failed { fault }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(fault.code, FaultCode::VerifyDigest, "{fault}");
    assert!(stage.served().join("outbox/later").exists() && !stage.served().join("new/inbox/later").exists());
    process.kill();
}

#[test]
fn pipeline_carries_each_file_once_and_leaves_what_is_wrong() {
    let stage = Stage::new();
    put(stage.served().join("outbox/a.csv"), "1\n2\n3\n");
    put(stage.served().join("outbox/a.csv.count"), "3\n");
    put(stage.served().join("outbox/b.csv"), "1\n2");
    let process = stage.process();
    let input = json!({
        "site_in": "acme", "from": "outbox", "site_out": "shop", "to": "inbox", "work": "data/work",
    });
    let report = run(&stage, &process, "pipeline", &input);
    assert_eq!(report, json!({"files": 2, "bytes": 9, "records": 5}));
    let arrived = [("a.csv", "1\n2\n3\n"), ("b.csv", "1\n2")];
    let arrived = arrived.map(|(name, content)| (PathBuf::from(name), Some(content.as_bytes().to_vec())));
    assert_eq!(tree(&stage.served().join("inbox")), arrived);
    assert!(tree(&stage.local().join("work")).is_empty());

    put(stage.served().join("outbox/c.csv"), "1\n2");
    put(stage.served().join("outbox/c.csv.count"), "9");
    let outcome = process.wait(&process.submit("pipeline", input, stage.grants()), LONG);
    let Some(RunOutcome::Failed { fault }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(fault.code, FaultCode::VerifyRecords);
    assert!(stage.served().join("outbox/c.csv").exists() && !stage.served().join("inbox/c.csv").exists());
    process.kill();
}

/// Clocks, random values, environment and addresses are the same in a replay: else the run would be
/// stopped as diverged.
#[test]
fn nothing_ambient_differs_in_a_replay() {
    let stage = Stage::new();
    let mut process = stage.process();
    let input = json!({"how": "ambient", "count": 8});
    let mut handle = process.submit("misbehaving", input, stage.grants());
    let run = handle.id().clone();
    for _ in 0..4 {
        assert_eq!(process.wait(&handle, Duration::from_millis(150)), None, "it ended too soon");
        process.kill();
        process = stage.process();
        handle = process.resume(&run);
    }
    done(process.wait(&handle, LONG));
    process.kill();
}
