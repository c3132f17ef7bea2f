//! Killed, stopped, told to read its configuration again.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testkit::environment::{Environment, Finished};
use testkit::oracle;
use testkit::servers::{Kind, Options, Server};

use super::serving::{Serving, eventually, statuses};
use crate::support::{document, environment, guest};

/// Files that the workflow moves at a time.
const PARALLEL: u64 = 4;

/// A place without HTTP, which these tests don't need.
fn quiet() -> Environment {
    let mut environment = environment();
    environment.configure("[server]\nlisten = \"off\"").unwrap();
    environment
}

/// A slow server with the oracle's files, and a command that mirrors them into `data`.
fn mirror(environment: &mut Environment) -> (Server, Command) {
    let slow = Options { bytes_per_second: Some(1 << 20), ..Options::default() };
    let server = Server::start(Kind::Vsftpd, &slow).unwrap();
    for file in &oracle::files() {
        server.put(&format!("in/{}", file.name), &file.content).unwrap();
    }
    environment.configure(&server.site("peer")).unwrap();
    environment.configure("[transfer]\ncommit_bytes = \"512KiB\"").unwrap();
    let data = environment.make_folder("data").unwrap();
    let mut run = environment.command();
    run.arg("run").arg(guest("mirror")).args(["--site", "peer", "--dir"]);
    run.arg(format!("data={}", data.display())).args(["-i", "site=peer", "-i", "from=in", "-i", "to=data"]);
    run.args(["-i", &format!("parallel={PARALLEL}")]);
    run.stdout(Stdio::null()).stderr(Stdio::null());
    (server, run)
}

/// Whether a file is half way: its part is longer than one commit.
fn is_half_way(environment: &Environment) -> bool {
    let listed = std::fs::read_dir(environment.path("data")).unwrap().flatten();
    listed.filter_map(|entry| entry.metadata().ok()).any(|found| found.len() > 1_000_000)
        && environment.path("data/one byte").exists()
}

#[test]
fn a_killed_one_brings_its_runs_back_by_itself() {
    let mut environment = quiet();
    let (server, mut run) = mirror(&mut environment);
    let serving = Serving::start(&environment);
    let mut client = run.spawn().unwrap();
    eventually("a file is half way", || is_half_way(&environment));
    serving.kill();
    // Whoever asked for the run is told that it can be gone on with.
    assert_eq!(client.wait().unwrap().code(), Some(5));
    assert!(oracle::judge_folder(&oracle::files(), &environment.path("data")).is_err());

    let serving = Serving::start(&environment);
    eventually("the run ends", || statuses(&environment) == ["done"]);
    oracle::judge_folder(&oracle::files(), &environment.path("data")).unwrap();
    let log = serving.log();
    assert!(log.contains("resumed=true"), "{log}");
    let resumed = log.split("resumed_from=").skip(1).any(|rest| !rest.starts_with("0 "));
    assert!(resumed, "no file was gone on with\n{log}");
    drop(serving);
    // Each file that was under way costs at most a commit interval, what is compared, and what lay in buffers.
    let moved: u64 = server.moved().iter().map(|one| one.bytes).sum();
    let whole = oracle::total(&oracle::files());
    let cost = (512 << 10) + (64 << 10) + (256 << 10);
    assert!(moved <= whole + PARALLEL * cost, "the server sent {moved} bytes for {whole}");
}

#[test]
fn it_ends_in_good_order_and_goes_on_when_it_is_started_again() {
    let mut environment = quiet();
    let (_server, mut run) = mirror(&mut environment);
    let serving = Serving::start(&environment);
    let mut client = run.spawn().unwrap();
    eventually("a file is half way", || is_half_way(&environment));
    let told = Instant::now();
    serving.signal("TERM");
    assert_eq!(serving.wait().code(), Some(0));
    assert!(told.elapsed() < Duration::from_secs(25), "it took {:?}", told.elapsed());
    assert_eq!(client.wait().unwrap().code(), Some(130));
    assert_eq!(statuses(&environment), ["interrupted"]);

    let _serving = Serving::start(&environment);
    eventually("the run ends", || statuses(&environment) == ["done"]);
    oracle::judge_folder(&oracle::files(), &environment.path("data")).unwrap();
}

#[test]
fn every_command_works_beside_it() {
    let environment = quiet();
    let _serving = Serving::start(&environment);
    let hello = guest("hello");
    let ran = environment.run(&[Path::new("run"), &hello]).unwrap().expect_code(0);
    assert!(ran.stdout.contains("Hello, world!"), "{ran}");
    for arguments in [&["list"][..], &["show"], &["history"], &["logs"], &["state", "check"]] {
        environment.run(arguments).unwrap().expect_code(0);
    }
    environment.run(&["purge", "--keep", "0", "--older-than", "0s"]).unwrap().expect_code(0);
    assert!(statuses(&environment).is_empty());
}

#[test]
fn a_second_one_is_told_who_holds_the_state() {
    let environment = quiet();
    let serving = Serving::start(&environment);
    let second = environment.run(&["serve"]).unwrap().expect_code(13);
    let pid = serving.said["pid"].as_u64().unwrap();
    assert!(second.stderr.contains(&format!("is held by process {pid}")), "{second}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let environment = quiet();
    let serving = Serving::start(&environment);
    // A client that says nothing keeps it from ending in good order for a while.
    let mute = std::os::unix::net::UnixStream::connect(environment.state().join("socket")).unwrap();
    serving.signal("TERM");
    eventually("it is ending", || serving.log().contains("ending in good order"));
    serving.signal("TERM");
    let told = Instant::now();
    serving.wait();
    assert!(told.elapsed() < Duration::from_secs(4), "it took {:?}", told.elapsed());
    drop(mute);
}

#[test]
fn a_hangup_has_it_read_its_configuration_again() {
    let mut environment = quiet();
    let serving = Serving::start(&environment);
    let (_server, mut run) = mirror(&mut environment);
    // The site is in the file, and the process doesn't know it yet.
    assert_eq!(run.status().unwrap().code(), Some(2));
    serving.signal("HUP");
    eventually("it was read", || serving.log().contains("was read again"));
    assert_eq!(run.status().unwrap().code(), Some(0));
    // It was meant for the start, so that is said.
    assert!(serving.log().contains("`transfer` has changed"), "{}", serving.log());

    std::fs::write(environment.path("orchestrator.toml"), "[site.x]\nurl = 3").unwrap();
    serving.signal("HUP");
    eventually("it was refused", || serving.log().contains("the old configuration stays in force"));
    let status = Command::new("kill").args(["-0", &serving.said["pid"].to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn the_service_manager_is_told() {
    let environment = quiet();
    let path = environment.path("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut command = environment.command();
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "400000").arg("serve");
    let serving = Serving::of(&environment, &mut command);
    let hear = || {
        let mut buffer = [0; 200];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    assert!(hear().starts_with("READY=1\n"));
    assert_eq!((hear(), hear()), ("WATCHDOG=1".to_owned(), "WATCHDOG=1".to_owned()));
    serving.signal("TERM");
    let mut last = hear();
    while last == "WATCHDOG=1" {
        last = hear();
    }
    assert!(last.starts_with("STOPPING=1"), "{last}");
    assert_eq!(serving.wait().code(), Some(0));
}

#[test]
fn a_suspected_run_stays_paused_and_is_named() {
    let environment = quiet();
    let mut client = environment.command();
    client.arg("run").arg(guest("misbehaving")).args(["-i", "how=sleep", "-i", "count=600"]);
    client.stdout(Stdio::null()).stderr(Stdio::null());
    // It was live at three ends of the process, and came no further.
    let serving = Serving::start(&environment);
    let mut client = client.spawn().unwrap();
    eventually("it is under way", || statuses(&environment) == ["running"]);
    serving.kill();
    client.wait().unwrap();
    for _ in 0..2 {
        let serving = Serving::start(&environment);
        eventually("it is under way again", || statuses(&environment) == ["running"]);
        serving.kill();
    }
    let serving = Serving::start(&environment);
    eventually("it is paused", || statuses(&environment) == ["paused"]);
    let shown = document(&environment.run(&["show", "-o", "json"]).unwrap().expect_code(0));
    assert_eq!(shown["why"], "suspected", "{shown}");
    let run = shown["run"].as_str().unwrap();
    eventually("it is named", || serving.log().contains(&format!("orchestrator resume {run}")));
    serving.kill();
    let serving = Serving::start(&environment);
    eventually("it is named again", || serving.log().contains("stays paused"));
    let finished: Finished = environment.run(&["list", "-o", "json"]).unwrap();
    assert_eq!(document(&finished)["runs"][0]["status"], "paused");
}

#[test]
fn schedules_fire_while_it_runs_and_are_counted() {
    let environment = quiet();
    let hello = guest("hello");
    let add = ["schedule", "add", "tick", hello.to_str().unwrap(), "--cron", "* * * * * *"];
    environment.run(&add).unwrap().expect_code(0);
    std::thread::sleep(Duration::from_millis(1500));
    assert!(statuses(&environment).is_empty(), "it fired without a process that is left running");
    let serving = Serving::start(&environment);
    eventually("it fires", || statuses(&environment).iter().filter(|status| *status == "done").count() >= 2);
    let told = environment.run(&["metrics"]).unwrap().expect_code(0).stdout;
    let fired = told.lines().find_map(|line| line.strip_prefix("orchestrator_schedule_fired_total "));
    assert!(fired.unwrap().parse::<u64>().unwrap() >= 2, "{told}");
    serving.signal("TERM");
    assert_eq!(serving.wait().code(), Some(0));
    let after = statuses(&environment).len();
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(statuses(&environment).len(), after);
}
