//! Schedules with the built program.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::environment::{End, Environment, Finished};

use crate::support::{document, environment, guest};

const LIFE: Duration = Duration::from_secs(120);

fn add(environment: &Environment, name: &str, more: &[&str]) -> Finished {
    let mut command = environment.command();
    command.args(["schedule", "add", name]).arg(guest("hello")).args(more);
    Finished::of(&mut command).unwrap()
}

fn shown(environment: &Environment, name: &str) -> Value {
    document(&environment.run(&["schedule", "show", name, "-o", "json"]).unwrap().expect_code(0))
}

#[test]
fn next_prints_the_fixed_form() {
    let environment = environment();
    let next = |more: &[&str]| {
        let mut arguments = vec!["schedule", "next", "-o", "json"];
        arguments.extend(more);
        document(&environment.run(&arguments).unwrap().expect_code(0))
    };
    assert_eq!(
        next(&["--cron", "30 2 * * *", "--tz", "Europe/Berlin", "--from", "2026-03-28T01:30:00Z", "-n", "2"]),
        json!([
            { "at": "2026-03-29T01:00:00Z", "local": "2026-03-29T03:00:00+02:00" },
            { "at": "2026-03-30T00:30:00Z", "local": "2026-03-30T02:30:00+02:00" },
        ])
    );
    assert_eq!(
        next(&["--cron", "0 2 * * 1-5", "--from", "2026-11-20T02:00:00Z", "-n", "1"]),
        json!([{ "at": "2026-11-23T02:00:00Z", "local": "2026-11-23T02:00:00+00:00" }])
    );
    let wrong = environment.run(&["schedule", "next", "--cron", "0 2 L * *"]).unwrap().expect_code(2);
    wrong.expect_stderr("`L` (the last) isn't known here");
    environment.run(&["schedule", "next", "--cron", "0 2 31 2 *"]).unwrap().expect_code(2);
    environment
        .run(&["schedule", "next", "--cron", "@daily", "--tz", "Mars/Olympus"])
        .unwrap()
        .expect_code(2);
    environment.run(&["schedule", "next", "nightly"]).unwrap().expect_code(3);
}

#[test]
fn a_schedule_is_added_changed_paused_and_removed() {
    let environment = environment();
    let added = add(&environment, "nightly", &["--cron", "0 2 * * mon-fri", "--tz", "Europe/Berlin"]);
    added.expect_code(0).expect_stderr("at 02:00 on Monday to Friday (Europe/Berlin)");
    add(&environment, "nightly", &["--cron", "@daily"]).expect_code(2).expect_stderr("already");
    add(&environment, "never", &["--cron", "0 2 31 2 *"]).expect_code(2).expect_stderr("can never fire");
    add(&environment, "unsaid", &[]).expect_code(2).expect_stderr("--cron");

    let before = shown(&environment, "nightly");
    let edit = ["schedule", "edit", "nightly", "--expect-by", "06:00", "-o", "json"];
    let after = document(&environment.run(&edit).unwrap().expect_code(0));
    assert_eq!(after["expect_by"], "06:00");
    for key in ["cron", "tz", "digest", "overlap", "created_at", "words"] {
        assert_eq!(after[key], before[key], "{key} was changed too");
    }
    environment.run(&["schedule", "edit", "nightly"]).unwrap().expect_code(2);
    let pause = ["schedule", "pause", "nightly", "--reason", "acme moves"];
    environment.run(&pause).unwrap().expect_code(0);
    let listed = document(&environment.run(&["schedule", "list", "-o", "json"]).unwrap().expect_code(0));
    let paused = &listed["schedules"][0];
    assert_eq!((&paused["state"], &paused["paused"]["reason"]), (&json!("paused"), &json!("acme moves")));
    environment.run(&["schedule", "resume", "nightly"]).unwrap().expect_code(0);
    assert_eq!(shown(&environment, "nightly")["state"], "active");
    environment.run(&["schedule", "show", "nihgtly"]).unwrap().expect_code(3).expect_stderr("`nightly`?");
    environment.run(&["schedule", "remove", "nightly"]).unwrap().expect_code(0);
    environment.run(&["schedule", "remove", "nightly"]).unwrap().expect_code(3);
    environment.run(&["state", "check"]).unwrap().expect_code(0);
}

#[test]
fn a_trigger_runs_with_the_schedules_settings() {
    let environment = environment();
    add(&environment, "greet", &["--cron", "@daily", "-i", "name=Ada"]).expect_code(0);
    let run = environment.run(&["schedule", "trigger", "greet", "-o", "json"]).unwrap().expect_code(0);
    let run = document(&run);
    assert!(run["output"].to_string().contains("Hello, Ada!"), "{run}");
    let row = &shown(&environment, "greet")["rows"][0];
    assert_eq!(
        (&row["what"], &row["cause"], &row["run"]),
        (&json!("fired"), &json!("triggered"), &run["run"])
    );
}

#[test]
fn a_schedule_keeps_its_component_wherever_the_file_has_gone() {
    let environment = environment();
    let copy = environment.path("work/copy.wasm");
    std::fs::copy(guest("hello"), &copy).unwrap();
    let mut command = environment.command();
    command.args(["schedule", "add", "kept"]).arg(&copy).args(["--cron", "@daily"]);
    Finished::of(&mut command).unwrap().expect_code(0);
    std::fs::remove_file(&copy).unwrap();
    environment.run(&["schedule", "trigger", "kept"]).unwrap().expect_code(0);
    environment.run(&["purge", "--older-than", "0s"]).unwrap().expect_code(0);
    environment.run(&["schedule", "trigger", "kept"]).unwrap().expect_code(0);
    let backup = environment.path("backup");
    environment.run(&[Path::new("state"), Path::new("backup"), &backup]).unwrap().expect_code(0);
    std::fs::remove_dir_all(environment.state()).unwrap();
    environment.run(&[Path::new("state"), Path::new("restore"), &backup]).unwrap().expect_code(0);
    assert_eq!(shown(&environment, "kept")["paused"]["by"], "state restore");
    environment.run(&["schedule", "trigger", "kept"]).unwrap().expect_code(0);
}

#[test]
fn the_configuration_is_applied() {
    let mut environment = environment();
    let text = format!(
        "[schedule.one]\nworkflow = {:?}\ncron = \"0 2 * * *\"\ntz = \"Asia/Kolkata\"\n\
         input = {{ name = \"Ada\" }}\noverlap = \"queue-one\"\n",
        guest("hello")
    );
    environment.configure(&text).unwrap();
    let apply = |more: &[&str]| {
        let mut arguments = vec!["schedule", "apply", "-o", "json"];
        arguments.extend(more);
        document(&environment.run(&arguments).unwrap().expect_code(0))["changes"].clone()
    };
    let added = json!([{ "change": "add", "name": "one" }]);
    assert_eq!(apply(&["--dry-run"]), added);
    assert_eq!(apply(&[]), added);
    assert_eq!(apply(&[]), json!([]));
    let one = shown(&environment, "one");
    assert_eq!(
        (&one["tz"], &one["overlap"], &one["input"]["name"]),
        (&json!("Asia/Kolkata"), &json!("queue-one"), &json!("Ada"))
    );
    std::fs::write(environment.path("orchestrator.toml"), "").unwrap();
    assert_eq!(apply(&[]), json!([]));
    assert_eq!(apply(&["--prune"]), json!([{ "change": "remove", "name": "one" }]));
    std::fs::write(
        environment.path("orchestrator.toml"),
        "[schedule.bad]\nworkflow = \"w\"\ncron = \"61 * * * *\"\n",
    )
    .unwrap();
    environment.run(&["config", "check"]).unwrap().expect_code(2).expect_stderr("minute `61`");
}

/// Three nominal times of the past: what a backfill begins runs for.
const SPAN: [&str; 6] = ["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-01T02:00:00Z", "--parallel", "2"];

fn backfill() -> Vec<OsString> {
    ["schedule", "backfill", "s"].iter().chain(&SPAN).map(OsString::from).collect()
}

/// Every firing has one run, and every run its firing.
fn judge(environment: &Environment) -> anyhow::Result<()> {
    let rows = shown(environment, "s")["rows"].as_array().unwrap().clone();
    let mut nominal: Vec<_> = rows.iter().map(|row| row["nominal"].to_string()).collect();
    nominal.sort();
    nominal.dedup();
    anyhow::ensure!(nominal.len() == 3 && rows.len() == 3, "not each time has one row: {rows:?}");
    let mut named: Vec<_> = rows.iter().map(|row| row["run"].to_string()).collect();
    let listed = document(&environment.run(&["list", "-o", "json"])?.expect_code(0));
    let mut runs: Vec<_> =
        listed["runs"].as_array().unwrap().iter().map(|run| run["run"].to_string()).collect();
    named.sort();
    runs.sort();
    anyhow::ensure!(named == runs, "rows name {named:?}, and there are {runs:?}");
    let check = environment.run(&["state", "check"])?;
    anyhow::ensure!(check.code == Some(0), "the state is not clean: {check}");
    Ok(())
}

#[test]
fn killed_at_every_point_of_a_firing_each_fires_once() {
    let counted = environment();
    add(&counted, "s", &["--cron", "@hourly"]).expect_code(0);
    let trace = counted.path("trace");
    let mut command = counted.command();
    command.args(backfill()).env("ORCHESTRATOR_CRASH_TRACE", &trace);
    Finished::of(&mut command).unwrap().expect_code(0);
    judge(&counted).unwrap();
    let points = std::fs::read_to_string(&trace).unwrap();
    let count = points.lines().count();
    for name in ["schedule.fire.before", "schedule.fire.after", "schedule.note.after"] {
        assert!(points.contains(name), "{name} isn't passed");
    }
    let mut faults = Vec::new();
    for n in 1..=count {
        let environment = environment();
        add(&environment, "s", &["--cron", "@hourly"]).expect_code(0);
        let mut command = environment.command();
        command.args(backfill()).env("ORCHESTRATOR_CRASH_AT", n.to_string());
        let end = environment.live(&mut command, LIFE).unwrap();
        if let End::Finished(finished) = &end {
            assert_eq!(finished.code, Some(0), "point {n}: neither killed nor done: {finished}");
        }
        let judged = go_on(&environment);
        if let Err(fault) = judged {
            faults.push(format!("point {n} ({}): {fault:#}", points.lines().nth(n - 1).unwrap_or("?")));
        }
    }
    assert!(faults.is_empty(), "of {count} points {} failed:\n{}", faults.len(), faults.join("\n"));
}

/// What an operator does after a kill: the same once more, and what was under way goes on.
fn go_on(environment: &Environment) -> anyhow::Result<()> {
    let again = environment.run(&backfill())?;
    anyhow::ensure!(again.code == Some(0), "the backfill once more: {again}");
    while environment.run(&["resume", "--last"])?.code != Some(3) {}
    judge(environment)
}

/// A schedule of every second that ends after two firings, and makes up for all that it misses.
fn add_two_seconds(environment: &Environment) {
    let settings = ["--cron", "* * * * * *", "--firings", "2", "--overlap", "queue-all", "--catch-up", "all"];
    add(environment, "s", &settings).expect_code(0);
}

fn serve(environment: &Environment) -> Command {
    let mut command = environment.command();
    command.args(["serve", "--no-http"]);
    command
}

/// Waits until a served schedule has fired as often as it may and its runs have ended.
fn wait_until_finished(environment: &Environment) -> anyhow::Result<Value> {
    let begun = Instant::now();
    loop {
        let shown = environment.run(&["schedule", "show", "s", "-o", "json"])?;
        // While the process starts, there is a moment in which nobody answers.
        if shown.code == Some(0) {
            let schedule = document(&shown);
            let ended = |rows: &Vec<Value>| {
                rows.iter().filter(|row| row["what"] == "fired").all(|row| !row["ended"].is_null())
            };
            if schedule["state"] == "finished" && schedule["rows"].as_array().is_some_and(ended) {
                return Ok(schedule);
            }
        }
        anyhow::ensure!(begun.elapsed() < LIFE, "it doesn't come to its end: {shown}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Two firings, two runs, and each run is that of one firing.
fn judge_two(environment: &Environment, schedule: &Value) -> anyhow::Result<()> {
    let rows: Vec<_> =
        schedule["rows"].as_array().unwrap().iter().filter(|row| row["what"] == "fired").collect();
    let times: BTreeSet<_> = rows.iter().map(|row| row["nominal"].to_string()).collect();
    anyhow::ensure!(rows.len() == 2 && times.len() == 2, "not two firings: {rows:?}");
    anyhow::ensure!(rows.iter().all(|row| row["ended"]["end"] == "done"), "not all are done: {rows:?}");
    let named: BTreeSet<_> = rows.iter().map(|row| row["run"].to_string()).collect();
    let listed = document(&environment.run(&["list", "-o", "json"])?.expect_code(0));
    let listed = listed["runs"].as_array().unwrap();
    let runs: BTreeSet<_> = listed.iter().map(|run| run["run"].to_string()).collect();
    anyhow::ensure!(listed.len() == 2 && named == runs, "{named:?} and {listed:?}");
    Ok(())
}

#[test]
fn a_served_schedule_that_is_killed_around_its_firings_fires_each_once() {
    let counted = environment();
    add_two_seconds(&counted);
    let trace = counted.path("trace");
    let mut child = serve(&counted).env("ORCHESTRATOR_CRASH_TRACE", &trace).spawn().unwrap();
    let finished = wait_until_finished(&counted).and_then(|schedule| judge_two(&counted, &schedule));
    child.kill().unwrap();
    child.wait().unwrap();
    finished.unwrap();
    let points = std::fs::read_to_string(&trace).unwrap();
    let points: Vec<&str> = points.lines().collect();
    let place = |name: &str| points.iter().position(|point| *point == name).unwrap();
    let (first, last) = (place("schedule.fire.before"), place("schedule.note.after"));
    assert!(first < last, "{points:?}");
    let mut faults = Vec::new();
    // Which point comes when differs a little from run to run: wherever it dies, each fires once.
    for n in first..=last + 4 {
        let environment = environment();
        add_two_seconds(&environment);
        let mut command = serve(&environment);
        command.env("ORCHESTRATOR_CRASH_AT", n.to_string());
        assert!(matches!(environment.live(&mut command, LIFE).unwrap(), End::Killed));
        let mut child = serve(&environment).spawn().unwrap();
        let judged =
            wait_until_finished(&environment).and_then(|schedule| judge_two(&environment, &schedule));
        child.kill().unwrap();
        child.wait().unwrap();
        let clean = environment.run(&["state", "check"]).unwrap();
        if let Err(fault) = judged {
            faults.push(format!("point {n} ({}): {fault:#}", points.get(n - 1).unwrap_or(&"?")));
        } else if clean.code != Some(0) {
            faults.push(format!("point {n}: the state is not clean: {clean}"));
        }
    }
    assert!(faults.is_empty(), "{} failed:\n{}", faults.len(), faults.join("\n"));
}
