//! What comes over a run from outside while it is in the middle of a file: its server vanishes for longer
//! than all attempts take, somebody cancels it, its password is gone when it is resumed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::environment::{Environment, Finished};

use crate::embedded::Embedded;
use crate::support::{document, environment, guest, last_document};

/// Larger than what any machine moves before something comes over the run.
const LARGE: u64 = 512 << 20;

/// How much has come by then.
const COME: u64 = 32 << 20;

/// A server with a large and a small file, and a place to pull them to.
struct Stage {
    server: Embedded,
    environment: Environment,
    data: PathBuf,
}

impl Stage {
    fn new() -> Self {
        let server = Embedded::start(false);
        let source = server.root().join("in");
        std::fs::create_dir(&source).unwrap();
        std::fs::write(source.join("small.txt"), "a line\n").unwrap();
        std::fs::File::create(source.join("large.bin")).unwrap().set_len(LARGE).unwrap();
        let mut environment = environment();
        environment.configure(&server.site("peer")).unwrap();
        let policy = "retry = \"soon\"\n[retry.soon]\nattempts = 2\ninitial_delay = \"10ms\"";
        environment.configure(policy).unwrap();
        let data = environment.make_folder("data").unwrap();
        Self { server, environment, data }
    }

    /// The arguments of `run mirror.wasm`.
    fn mirror(&self) -> Vec<String> {
        let (workflow, folder) = (guest("mirror"), format!("data={}", self.data.display()));
        let grants = ["--site", "peer", "--dir", &folder];
        let inputs = ["-isite=peer", "-ifrom=in", "-ito=data"];
        let run = ["-ojson", "run", workflow.to_str().unwrap()];
        run.iter().chain(&grants).chain(&inputs).map(|argument| (*argument).to_owned()).collect()
    }

    /// Begins a run, does something to it when it is in the middle of the large file, and sees it end.
    fn in_the_middle(&mut self, act: impl FnOnce(&mut Embedded, &Environment)) -> Finished {
        let (run, data) = (self.mirror(), &self.data);
        let (server, environment) = (&mut self.server, &self.environment);
        std::thread::scope(|scope| {
            let running = scope.spawn(|| environment.run(&run).unwrap());
            let begin = Instant::now();
            while longest(data) < COME && begin.elapsed() < Duration::from_secs(60) {
                std::thread::sleep(Duration::from_millis(2));
            }
            act(server, environment);
            running.join().unwrap()
        })
    }

    fn resume(&self) -> Finished {
        self.environment.run(&["-ojson", "resume", "--last"]).unwrap()
    }
}

/// The longest file in the folder, in bytes.
fn longest(folder: &Path) -> u64 {
    let lengths =
        std::fs::read_dir(folder).unwrap().filter_map(|file| Some(file.ok()?.metadata().ok()?.len()));
    lengths.max().unwrap_or(0)
}

/// Runs without the site's password in the environment.
fn without_password(environment: &Environment, arguments: &[String]) -> Finished {
    let mut command = environment.command();
    let finished = Finished::of(command.args(arguments).env_remove("SITE_PASSWORD")).unwrap();
    finished.expect_code(2).expect_stderr("SITE_PASSWORD").expect_stderr("[site.peer]")
}

#[test]
fn a_server_that_vanishes_costs_a_pause_and_no_bytes() {
    let mut stage = Stage::new();
    let finished = stage.in_the_middle(|server, _| server.vanish());
    let paused = document(&finished.expect_code(5).expect_stderr("attempts are used up"));
    assert_eq!((&paused["status"], &paused["why"]), (&"paused".into(), &"exhausted".into()));
    assert_eq!(std::fs::read_to_string(stage.data.join("small.txt")).unwrap(), "a line\n");
    // A server that is still gone changes nothing, nor does a resume without the password.
    stage.resume().expect_code(5);
    without_password(&stage.environment, &["resume".into(), "--last".into()]);
    let away = stage.environment.path("away");
    std::fs::rename(&stage.data, &away).unwrap();
    stage.resume().expect_code(2).expect_stderr("granted as `data`");
    std::fs::rename(&away, &stage.data).unwrap();

    stage.server.come_back();
    let done = last_document(&stage.resume().expect_code(0));
    let output = &done["output"];
    assert_eq!((&output["files"], &output["resumed"]), (&2.into(), &1.into()), "{done}");
    assert!(output["resent"].as_u64().unwrap() <= 16 << 20, "{done}");
    let sizes = ["large.bin", "small.txt"].map(|name| stage.data.join(name).metadata().unwrap().len());
    assert_eq!(sizes, [LARGE, 7]);
    assert_eq!(std::fs::read_dir(&stage.data).unwrap().count(), 2, "a part is left");
}

#[test]
fn a_cancelled_run_ends_as_cancelled_and_leaves_no_part() {
    let mut stage = Stage::new();
    let finished = stage.in_the_middle(|_, environment| {
        let runs = document(&environment.run(&["-ojson", "list"]).unwrap().expect_code(0));
        let run = runs["runs"][0]["run"].as_str().unwrap();
        environment.run(&["cancel", run]).unwrap().expect_code(0);
    });
    let cancelled: Value = document(&finished.expect_code(9));
    assert_eq!(cancelled["status"], "cancelled");
    let left: Vec<_> =
        std::fs::read_dir(&stage.data).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name == "small.txt"), "{left:?}");
    stage.resume().expect_code(3);
}

#[test]
fn a_server_that_is_gone_from_the_start_costs_a_pause_too() {
    let mut stage = Stage::new();
    stage.server.vanish();
    let run = stage.mirror();
    let paused = document(&stage.environment.run(&run).unwrap().expect_code(5));
    assert_eq!(paused["status"], "paused");
    stage.server.come_back();
    let done = document(&stage.resume().expect_code(0));
    assert_eq!(done["output"]["files"], 2, "{done}");
}

#[test]
fn a_cancel_of_a_paused_run_takes_its_parts_away() {
    let mut stage = Stage::new();
    stage.in_the_middle(|server, _| server.vanish()).expect_code(5);
    let parts = || std::fs::read_dir(&stage.data).unwrap().count() - 1;
    assert_eq!(parts(), 1);
    let runs = document(&stage.environment.run(&["-ojson", "list"]).unwrap().expect_code(0));
    let run = runs["runs"][0]["run"].as_str().unwrap();
    stage.environment.run(&["cancel", run]).unwrap().expect_code(0);
    assert_eq!(parts(), 0);
    stage.resume().expect_code(3);
}

#[test]
fn a_run_is_not_begun_without_its_password() {
    let stage = Stage::new();
    without_password(&stage.environment, &stage.mirror());
    stage.resume().expect_code(3);
}

#[test]
fn a_site_shows_its_sessions_while_a_run_has_them_and_what_its_server_taught_ever_after() {
    let mut stage = Stage::new();
    let show = |environment: &Environment| {
        let shown = environment.run(&["-ojson", "site", "show", "peer"]).unwrap().expect_code(0);
        document(&shown)["servers"][0].clone()
    };
    assert!(show(&stage.environment)["learned"].is_null(), "nobody has met it yet");
    stage.in_the_middle(|_, environment| {
        let shown = show(environment);
        let sessions = &shown["sessions"];
        assert!(sessions["leased"].as_u64() >= Some(1) && sessions["logins"].as_u64() >= Some(1), "{shown}");
        assert!(shown["learned"]["features"].as_array().unwrap().contains(&"SIZE".into()), "{shown}");
        let text = environment.run(&["site", "show", "peer"]).unwrap().expect_code(0);
        assert!(text.stdout.contains("# sessions  ") && text.stdout.contains("# it knows  "), "{text}");
        let runs = document(&environment.run(&["-ojson", "list"]).unwrap().expect_code(0));
        environment.run(&["cancel", runs["runs"][0]["run"].as_str().unwrap()]).unwrap().expect_code(0);
    });
    let shown = show(&stage.environment);
    assert!(shown["sessions"].is_null() && !shown["learned"].is_null(), "{shown}");
    let since = shown["learned"]["since_ms"].as_u64();
    stage.environment.run(&["site", "test", "peer"]).unwrap().expect_code(0);
    assert_eq!(show(&stage.environment)["learned"]["since_ms"].as_u64(), since);
    stage.environment.run(&["site", "test", "--fresh", "peer"]).unwrap().expect_code(0);
    assert!(show(&stage.environment)["learned"]["since_ms"].as_u64() > since);
}

#[test]
fn a_site_with_a_dead_server_works_and_its_test_names_it() {
    let server = Embedded::start(false);
    let table = server.site("pair");
    let port = table.split("://").nth(1).unwrap().split(['/', ':']).nth(1).unwrap();
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut environment = environment();
    let servers = format!(
        "{table}endpoints = [{{ host = \"127.0.0.1\", port = {dead} }}, {{ host = \"127.0.0.1\", port = {port} }}]\nattempts = 1\n"
    );
    environment.configure(&servers).unwrap();
    std::fs::write(server.root().join("a.txt"), "a line\n").unwrap();
    let got = environment.path("work/a.txt");
    environment.run(&["site", "get", "pair:a.txt", got.to_str().unwrap()]).unwrap().expect_code(0);
    assert_eq!(std::fs::read_to_string(got).unwrap(), "a line\n");
    let tested = environment.run(&["site", "test", "pair"]).unwrap().expect_code(5);
    let tested = tested.expect_stderr(&format!("127.0.0.1:{dead}: "));
    assert!(tested.stdout.contains(&format!("answers at 127.0.0.1:{port}")), "{tested}");
}
