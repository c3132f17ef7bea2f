//! The forms of the command line that people script.

use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use testkit::environment::{Environment, Finished};
use testkit::oracle;
use testkit::servers::{Kind, Options, PASSWORD, Server, Tls};

use crate::embedded::Embedded;
use crate::support::{document, environment, guest, last_document};

fn peer(tls: bool) -> (Embedded, Environment) {
    let server = Embedded::start(tls);
    let mut environment = environment();
    environment.configure(&server.site("peer")).unwrap();
    (server, environment)
}

#[test]
fn the_result_is_json_on_standard_output_and_nothing_else_is() {
    let environment = environment();
    let mut run = environment.command();
    run.arg("run").arg(guest("hello")).args(["-i", "name=Ada", "-o", "json"]);
    let finished = Finished::of(&mut run).unwrap().expect_code(0);
    let text = document(&finished).to_string();
    assert!(text.contains("Hello, Ada!"), "{text}");
}

#[test]
fn site_ls_get_and_put() {
    for tls in [false, true] {
        let (server, environment) = peer(tls);
        std::fs::create_dir(server.root().join("in")).unwrap();
        std::fs::write(server.root().join("in/größe 1.txt"), b"12345").unwrap();

        let listed = environment.run(&["site", "ls", "peer:/in", "-o", "json"]).unwrap().expect_code(0);
        let listing = document(&listed);
        let entry = &listing["entries"][0];
        assert_eq!(entry["name"], "größe 1.txt", "{listing}");
        assert_eq!(entry["kind"], "file");
        assert_eq!(entry["size"], 5);
        assert!(!entry["modified"].is_null(), "{listing}");
        assert_eq!(listing["unparsed"].as_array().map(Vec::len), Some(0), "{listing}");

        let local = environment.path("work/got.txt");
        let get = [Path::new("site"), Path::new("get"), Path::new("peer:/in/größe 1.txt"), &local];
        environment.run(&get).unwrap().expect_code(0);
        assert_eq!(std::fs::read(&local).unwrap(), b"12345");

        let put = |arguments: &[&str]| {
            let mut command = environment.command();
            command.args(["site", "put"]).args(arguments);
            Finished::of(&mut command).unwrap().expect_code(0)
        };
        let here = local.to_str().unwrap();
        put(&[here, "peer:/in/put.txt"]);
        put(&["--direct", here, "peer:/in/direct.txt"]);
        for name in ["put.txt", "direct.txt"] {
            assert_eq!(std::fs::read(server.root().join("in").join(name)).unwrap(), b"12345");
        }
        assert_eq!(std::fs::read_dir(server.root().join("in")).unwrap().count(), 3, "a part is left");
    }
}

#[test]
fn every_server_is_listed_alike() {
    for kind in Kind::COMMON {
        for tls in [Tls::None, Tls::Explicit] {
            let server = Server::start(kind, &Options { tls, ..Options::default() }).unwrap();
            server.put("in/with  blanks.txt", b"12345").unwrap();
            let mut environment = environment();
            environment.configure(&server.site("peer")).unwrap();
            let listed = environment.run(&["site", "ls", "peer:in", "-o", "json"]).unwrap().expect_code(0);
            let listing = document(&listed);
            assert_eq!(listing["entries"][0]["name"], "with  blanks.txt", "{kind} {tls:?}: {listing}");
            assert_eq!(listing["entries"][0]["size"], 5, "{kind} {tls:?}: {listing}");
            environment.run(&["site", "test", "peer"]).unwrap().expect_code(0);
        }
    }
}

#[test]
fn implicit_tls_works_where_a_server_has_it() {
    for kind in [Kind::Vsftpd, Kind::Proftpd] {
        let server = Server::start(kind, &Options { tls: Tls::Implicit, ..Options::default() }).unwrap();
        server.put("in/a.txt", b"12345").unwrap();
        let mut environment = environment();
        environment.configure(&server.site("peer")).unwrap();
        let local = environment.path("work/a.txt");
        let get = [Path::new("site"), Path::new("get"), Path::new("peer:/in/a.txt"), &local];
        environment.run(&get).unwrap().expect_code(0);
        assert_eq!(std::fs::read(&local).unwrap(), b"12345");
    }
}

#[test]
fn ctrl_c_ends_resumable() {
    let server =
        Server::start(Kind::Vsftpd, &Options { bytes_per_second: Some(2 << 20), ..Options::default() })
            .unwrap();
    let files = oracle::files();
    for file in &files {
        server.put(&format!("in/{}", file.name), &file.content).unwrap();
    }
    let mut environment = environment();
    environment.configure(&server.site("peer")).unwrap();
    let data = environment.make_folder("data").unwrap();
    let mut run = environment.command();
    run.arg("run").arg(guest("mirror")).args(["--site", "peer", "--dir"]);
    run.arg(format!("data={}", data.display())).args(["-i", "site=peer", "-i", "from=in", "-i", "to=data"]);
    let mut child = run.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while !data.join("one byte").exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing arrived");
        assert!(child.try_wait().unwrap().is_none(), "the run ended too early");
        std::thread::sleep(Duration::from_millis(10));
    }
    let interrupted = Instant::now();
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{said}");
    assert!(said.contains("orchestrator resume"), "{said}");
    assert!(interrupted.elapsed() < Duration::from_secs(25), "it took {:?} to end", interrupted.elapsed());

    environment.run(&["resume", "--last"]).unwrap().expect_code(0);
    oracle::judge_folder(&files, &data).unwrap();
    environment.run(&["resume", "--last"]).unwrap().expect_code(3);
}

#[test]
fn a_second_command_talks_to_the_process_that_holds_the_state() {
    let environment = environment();
    let mut sleeping = environment.command();
    sleeping.arg("run").arg(guest("misbehaving")).args(["-i", "how=sleep", "-i", "count=600"]);
    let mut sleeping = sleeping.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    let running = loop {
        let listed = environment.run(&["list", "-o", "json"]).unwrap();
        let runs = serde_json::from_str::<serde_json::Value>(&listed.stdout).unwrap_or_default();
        if let Some(run) = runs["runs"][0]["run"].as_str() {
            break run.to_owned();
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "the run is never listed\n{listed}");
        std::thread::sleep(Duration::from_millis(50));
    };
    let hello = guest("hello");
    let second = environment.run(&[Path::new("run"), &hello]).unwrap().expect_code(0);
    assert!(second.stdout.contains("Hello, world!"), "{second}");
    environment.run(&["show", &running]).unwrap().expect_code(0);
    environment.run(&["cancel", &running]).unwrap().expect_code(0);
    let status = sleeping.wait().unwrap();
    assert_eq!(status.code(), Some(9));
    environment.run(&["history", &running, "-o", "json"]).unwrap().expect_code(0);
}

#[test]
fn a_backup_restores_the_runs() {
    let environment = environment();
    let hello = guest("hello");
    environment.run(&[Path::new("run"), &hello]).unwrap().expect_code(0);
    let backup = environment.path("backup");
    environment.run(&[Path::new("state"), Path::new("backup"), &backup]).unwrap().expect_code(0);
    std::fs::remove_dir_all(environment.state()).unwrap();
    environment.run(&[Path::new("state"), Path::new("restore"), &backup]).unwrap().expect_code(0);
    environment.run(&["state", "check"]).unwrap().expect_code(0);
    let listed = environment.run(&["list", "-o", "json"]).unwrap().expect_code(0);
    assert_eq!(document(&listed)["runs"].as_array().map(Vec::len), Some(1), "{listed}");
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let environment = environment();
    let mut command = environment.command();
    let mut child = command.args(["explain", "ftp.login"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_password_is_nowhere() {
    let (server, environment) = peer(false);
    oracle::write(&oracle::files(), &server.root().join("in")).unwrap();
    let data = environment.make_folder("data").unwrap();
    let mut run = environment.command();
    run.args(["-vvv", "run"]).arg(guest("mirror")).args(["--site", "peer", "--dir"]);
    run.arg(format!("data={}", data.display())).args(["-i", "site=peer", "-i", "from=in", "-i", "to=data"]);
    let finished = Finished::of(&mut run).unwrap().expect_code(0);
    assert!(!format!("{finished}").contains(PASSWORD), "{finished}");
    assert_eq!(environment.state_files_with(PASSWORD), Vec::<std::path::PathBuf>::new());
    for arguments in
        [&["config", "show"][..], &["site", "show", "peer"], &["list", "-o", "json"], &["doctor"]]
    {
        let finished = environment.run(arguments).unwrap();
        assert!(!format!("{finished}").contains(PASSWORD), "{arguments:?}: {finished}");
    }
}

#[test]
fn the_demo_is_killed_resumed_and_verified() {
    let environment = environment();
    let mut demo = environment.bare();
    demo.arg("demo").arg("--workflow").arg(guest("mirror")).args(["-o", "json"]);
    let finished = Finished::of(&mut demo).unwrap().expect_code(0);
    let last = last_document(&finished);
    assert_eq!(last["verified"], true, "{last}");
    for name in ["files", "bytes", "kills"] {
        assert!(last[name].as_u64().is_some_and(|count| count > 0), "{name} in {last}");
    }
    assert!(last["resent_bytes"].is_u64(), "{last}");
}

#[test]
fn runs_that_have_ended_are_forgotten_and_no_others() {
    let environment = environment();
    let hello = guest("hello");
    for _ in 0..3 {
        environment.run(&[Path::new("run"), &hello]).unwrap().expect_code(0);
    }
    let mut paused = environment.command();
    paused.arg("run").arg(guest("misbehaving")).args(["-i", "how=trap"]);
    Finished::of(&mut paused).unwrap().expect_code(12);
    let runs = |finished: &Finished| document(finished)["runs"].as_array().unwrap().len();
    let listed = || environment.run(&["list", "-o", "json"]).unwrap();
    let open = document(&listed())["runs"][0]["run"].as_str().unwrap().to_owned();

    environment.run(&["purge", &open]).unwrap().expect_code(2).expect_stderr("cancel");
    environment.run(&["purge", "01NOSUCH"]).unwrap().expect_code(3);
    environment.run(&["purge", "--older-than", "1d"]).unwrap().expect_code(0).expect_stderr("0 runs removed");
    let shown = environment.run(&["purge", "--keep", "1", "--dry-run", "-o", "json"]).unwrap();
    assert_eq!((runs(&shown), runs(&listed())), (2, 4));
    let purged = environment.run(&["purge", "--keep", "1", "-o", "json"]).unwrap().expect_code(0);
    assert_eq!((runs(&purged), runs(&listed())), (2, 2));
    environment.run(&["cancel", &open]).unwrap().expect_code(0);
    environment.run(&["purge", &open]).unwrap().expect_code(0).expect_stderr("1 run removed");
    assert_eq!(runs(&listed()), 1);
    environment.run(&["state", "check"]).unwrap().expect_code(0);
    environment.run(&["show", &open]).unwrap().expect_code(3);
}

#[test]
fn what_a_workflow_logged_is_shown_with_its_fields() {
    let environment = environment();
    let mut flood = environment.command();
    flood.arg("run").arg(guest("misbehaving")).args(["-i", "how=flood-logs", "-i", "count=2"]);
    Finished::of(&mut flood).unwrap().expect_code(0);
    let lines = document(&environment.run(&["logs", "-o", "json"]).unwrap().expect_code(0));
    let lines = lines["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[1]["level"], &lines[1]["fields"]["n"]), (&"info".into(), &"1".into()));
    let text = environment.run(&["logs"]).unwrap().expect_code(0).stdout;
    assert!(text.lines().all(|line| line.contains("  info  xxx")), "{text}");
    environment.run(&["logs", "01NOSUCH"]).unwrap().expect_code(3);
}

#[test]
fn a_run_that_outlasts_the_process_that_drives_it_for_another_command_is_answered() {
    let environment = environment();
    let sleep = || {
        let mut command = environment.command();
        command.arg("run").arg(guest("misbehaving")).args(["-i", "how=sleep", "-i", "count=1", "-o", "json"]);
        command
    };
    for _ in 0..4 {
        let mut holder = sleep().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(300));
        let finished = Finished::of(&mut sleep()).unwrap().expect_code(0);
        assert_eq!(document(&finished)["output"], "awake", "{finished}");
        assert!(holder.wait().unwrap().success());
    }
}

#[test]
fn a_backup_is_kept_by_itself_and_can_be_restored() {
    let mut environment = environment();
    // Compiled beforehand: the run has to be under way when the first backup is taken.
    environment.run(&[std::path::Path::new("run"), &guest("misbehaving")]).unwrap().expect_code(2);
    environment.configure("[state]\nbackup = \"kept.backup\"").unwrap();
    let mut sleep = environment.command();
    sleep.arg("run").arg(guest("misbehaving")).args(["-i", "how=sleep", "-i", "count=3"]);
    Finished::of(&mut sleep).unwrap().expect_code(0);
    let kept = environment.path("kept.backup");
    let other = environment.path("other");
    let mut restore = environment.bare();
    restore.arg("--state").arg(&other).args(["state", "restore"]).arg(&kept);
    Finished::of(&mut restore).unwrap().expect_code(0);
    let mut list = environment.bare();
    list.arg("--state").arg(&other).args(["list", "-o", "json"]);
    let runs = document(&Finished::of(&mut list).unwrap().expect_code(0));
    // It was taken while the run went on, so the restored one waits for somebody to look.
    assert_eq!(runs["runs"][0]["status"], "paused", "{runs}");
}
