//! What reaches a run from outside of it: what earlier runs remembered, and signals.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::environment::{Environment, Finished};

use crate::embedded::Embedded;
use crate::support::{document, environment, guest};

#[test]
fn what_a_workflow_remembers_is_shown_backed_up_and_forgotten() {
    let server = Embedded::start(false);
    let mut environment = environment();
    environment.configure(&server.site("peer")).unwrap();
    std::fs::create_dir(server.root().join("in")).unwrap();
    std::fs::write(server.root().join("in/a"), "x").unwrap();
    let remember = |environment: &Environment| {
        let mut run = environment.command();
        run.arg("run").arg(guest("capable")).args(["--site", "peer", "-o", "json"]);
        run.args(["-i", "what=remember", "-i", "site=peer", "-i", "path=in"]);
        document(&Finished::of(&mut run).unwrap().expect_code(0))["output"].clone()
    };
    let nothing = environment.run(&["memory", "list", "-o", "json"]).unwrap().expect_code(0);
    assert_eq!(document(&nothing)["memories"], json!([]));
    assert!(!environment.state().exists(), "looking for a state doesn't make one");
    environment.run(&["memory", "get", "capable", "runs"]).unwrap().expect_code(3);
    assert_eq!(remember(&environment), "a 1");
    assert_eq!(remember(&environment), " 2");

    let listed = document(&environment.run(&["memory", "list", "-o", "json"]).unwrap().expect_code(0));
    assert_eq!(listed["memories"], json!([{"workflow": "capable", "keys": 1, "files": 1}]));
    let rows = document(&environment.run(&["memory", "list", "capable", "-o", "json"]).unwrap());
    assert_eq!((&rows["rows"][0]["value"], &rows["rows"][1]["path"]), (&json!(2), &json!("in/a")));
    let value = environment.run(&["memory", "get", "capable", "runs"]).unwrap().expect_code(0);
    assert_eq!(value.stdout, "2\n");

    let backup = environment.path("backup");
    let backup = backup.to_str().unwrap();
    environment.run(&["state", "backup", backup]).unwrap().expect_code(0);
    environment.run(&["memory", "remove", "capable", "runs"]).unwrap().expect_code(0);
    environment.run(&["memory", "remove", "capable", "runs"]).unwrap().expect_code(3);
    assert_eq!(remember(&environment), " 1", "the file is still known");
    environment.run(&["memory", "remove", "capable", "--all"]).unwrap().expect_code(0);
    environment.run(&["state", "check"]).unwrap().expect_code(0);
    assert_eq!(remember(&environment), "a 1");

    std::fs::remove_dir_all(environment.state()).unwrap();
    environment.run(&["state", "restore", backup]).unwrap().expect_code(0);
    environment.run(&["state", "check"]).unwrap().expect_code(0);
    assert_eq!(remember(&environment), " 3", "as it was when the backup was made");
}

/// Begins a run that waits for signals, and gives its id once another command sees it.
fn waiting(environment: &Environment) -> (Child, String) {
    let mut run = environment.command();
    run.arg("run").arg(guest("capable")).args(["-o", "json"]);
    run.args(["-i", "what=receive", "-i", "path=news", "-i", "millis=600000"]);
    let child = run.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    (child, newest_running(environment))
}

fn newest_running(environment: &Environment) -> String {
    let begun = Instant::now();
    loop {
        let listed = environment.run(&["list", "-o", "json"]).unwrap();
        let runs = serde_json::from_str::<serde_json::Value>(&listed.stdout).unwrap_or_default();
        let newest = &runs["runs"][0];
        if let (Some(run), Some("running")) = (newest["run"].as_str(), newest["status"].as_str()) {
            return run.to_owned();
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the run is never listed\n{listed}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_signal_wakes_a_run_of_another_process_and_waits_for_one_that_is_down() {
    let environment = environment();
    let (mut holder, run) = waiting(&environment);
    environment.run(&["signal", &run, "news", "\"one\"", "--id", "1"]).unwrap().expect_code(0);
    holder.kill().unwrap();
    holder.wait().unwrap();
    let again = environment.run(&["signal", &run, "news", "\"one\"", "--id", "1", "-o", "json"]).unwrap();
    assert_eq!(document(&again.expect_code(0))["again"], true);
    environment.run(&["signal", &run, "news", "\"two\""]).unwrap().expect_code(0);
    environment.run(&["signal", &run, "news", "no JSON"]).unwrap().expect_code(2).expect_stderr("JSON");
    environment.run(&["signal", &run, "news", "\"enough\""]).unwrap().expect_code(0);
    let resumed = environment.run(&["resume", &run, "-o", "json"]).unwrap().expect_code(0);
    assert_eq!(document(&resumed)["output"], "one two enough");
    environment.run(&["signal", &run, "news"]).unwrap().expect_code(3).expect_stderr("has ended");

    let (holder, run) = waiting(&environment);
    environment.run(&["signal", &run, "news", "\"enough\""]).unwrap().expect_code(0);
    let finished = holder.wait_with_output().unwrap();
    assert!(finished.status.success());
    assert!(String::from_utf8_lossy(&finished.stdout).contains("\"enough\""));
}
