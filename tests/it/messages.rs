//! What goes wrong in daily life: each message says what, where and what to do.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use testkit::environment::{Environment, Finished};
use testkit::oracle;
use testkit::servers::{Kind, Options, PASSWORD, Server, Tls};

use crate::embedded::Embedded;
use crate::support::{environment, guest};

/// `run mirror.wasm`, pulling `in` from `peer` to the folder.
fn pull(environment: &Environment, folder: &Path) -> Command {
    let mut command = environment.command();
    command.arg("run").arg(guest("mirror")).args(["--site", "peer", "--dir"]);
    command.arg(format!("data={}", folder.display()));
    command.args(["-i", "site=peer", "-i", "from=in", "-i", "to=data"]);
    command
}

/// An environment with a server whose folder `in` holds the oracle's files.
fn with_server() -> (Embedded, Environment) {
    let server = Embedded::start(false);
    oracle::write(&oracle::files(), &server.root().join("in")).unwrap();
    let mut environment = environment();
    environment.configure(&server.site("peer")).unwrap();
    environment.configure("attempts = 1").unwrap();
    (server, environment)
}

#[test]
fn a_wrong_password() {
    for kind in Kind::COMMON {
        let server = Server::start(kind, &Options { tls: Tls::Explicit, ..Options::default() }).unwrap();
        let mut environment = environment();
        environment.configure(&server.site("peer")).unwrap();
        let mut list = environment.command();
        list.args(["site", "ls", "peer:/"]).env("SITE_PASSWORD", "not-the-password");
        let finished = Finished::of(&mut list).unwrap().expect_code(7);
        let finished = finished.expect_stderr("peer").expect_stderr("530").expect_stderr("password");
        assert!(!finished.stderr.contains("not-the-password"), "{finished}");
    }
}

#[test]
fn a_password_that_is_not_there() {
    let (_server, environment) = with_server();
    let mut list = environment.command();
    list.args(["site", "ls", "peer:/"]).env_remove("SITE_PASSWORD");
    Finished::of(&mut list).unwrap().expect_code(2).expect_stderr("SITE_PASSWORD").expect_stderr("peer");
}

#[test]
fn a_refused_connection() {
    let mut environment = environment();
    // A port that nobody listens on any more.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    environment
        .configure(&format!("[site.peer]\nurl = \"ftp://me@{address}/\"\ntls = \"none\"\nattempts = 1"))
        .unwrap();
    let finished = environment.run(&["site", "ls", "peer:/"]).unwrap().expect_code(5);
    finished.expect_stderr("peer").expect_stderr(&address.to_string()).expect_stderr("refused");
}

#[test]
fn an_unknown_host() {
    let mut environment = environment();
    environment
        .configure("[site.peer]\nurl = \"ftp://me@no-such-host.invalid/\"\ntls = \"none\"\nattempts = 1")
        .unwrap();
    let finished = environment.run(&["site", "ls", "peer:/"]).unwrap().expect_code(5);
    finished.expect_stderr("peer").expect_stderr("no-such-host.invalid");
}

#[test]
fn a_certificate_that_nobody_vouches_for() {
    let server = Embedded::start(true);
    let mut environment = environment();
    let site = server.site("peer");
    let without_ca: Vec<&str> = site.lines().filter(|line| !line.starts_with("ca_file")).collect();
    environment.configure(&without_ca.join("\n")).unwrap();
    environment.configure("attempts = 1").unwrap();
    let finished = environment.run(&["site", "ls", "peer:/"]).unwrap().expect_code(7);
    finished.expect_stderr("peer").expect_stderr("certificate").expect_stderr("ca_file");
    assert!(server.effects().is_empty());
}

#[test]
fn tls_that_the_server_has_not_got() {
    let (server, mut environment) = (Embedded::start(false), environment());
    environment.configure(&server.site("peer").replace("tls = \"none\"", "tls = \"explicit\"")).unwrap();
    environment.configure("attempts = 1").unwrap();
    // The password must not go out in clear because the server would like it so.
    environment.run(&["site", "ls", "peer:/"]).unwrap().expect_code(7).expect_stderr("TLS");
}

#[test]
fn a_missing_remote_file() {
    let (_server, environment) = with_server();
    let local = environment.path("work/missing");
    let arguments = [Path::new("site"), Path::new("get"), Path::new("peer:/in/missing.txt"), &local];
    let finished = environment.run(&arguments).unwrap().expect_code(4);
    finished.expect_stderr("peer").expect_stderr("missing.txt");
    assert!(!local.exists());
}

#[test]
fn a_missing_permission_on_the_server() {
    for kind in Kind::COMMON {
        let server = Server::start(kind, &Options::default()).unwrap();
        // Made by root, and the server works as somebody else.
        std::fs::create_dir(server.root().join("locked")).unwrap();
        let mut environment = environment();
        environment.configure(&server.site("peer")).unwrap();
        let local = environment.path("work/file");
        std::fs::write(&local, b"content").unwrap();
        let arguments = [Path::new("site"), Path::new("put"), &local, Path::new("peer:/locked/file")];
        let finished = environment.run(&arguments).unwrap().expect_code(1);
        finished.expect_stderr("peer").expect_stderr("locked");
        assert_eq!(std::fs::read_dir(server.root().join("locked")).unwrap().count(), 0);
    }
}

#[test]
fn a_full_disk_pauses_and_goes_on_when_there_is_space() {
    let (_server, environment) = with_server();
    let small = environment.make_folder("small").unwrap();
    // A mount of its own, seen by this command and those it starts; it goes away with them.
    let script = "set -eu; small=$1; shift
        mount -t tmpfs -o size=4m small \"$small\"
        set +e; \"$@\"; first=$?; set -e
        mount -o remount,size=64m \"$small\"
        set +e; \"$ORCHESTRATOR\" --config \"$CONFIG\" --state \"$STATE\" resume --last; second=$?; set -e
        find \"$small\" -type f -size +2M | wc -l
        find \"$small\" -name '*.part' | wc -l
        echo \"$first $second\"";
    let run = pull(&environment, &small);
    let mut unshared = Command::new("unshare");
    unshared.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]).arg(&small);
    unshared.arg(run.get_program()).args(run.get_args()).env_clear();
    unshared.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", environment.path("home"));
    unshared.env("SITE_PASSWORD", PASSWORD).env("ORCHESTRATOR", crate::support::PROGRAM);
    unshared.env("CONFIG", environment.path("orchestrator.toml")).env("STATE", environment.state());
    let finished = Finished::of(&mut unshared).unwrap().expect_code(0);
    let lines: Vec<&str> = finished.stdout.lines().rev().take(3).collect();
    assert_eq!(lines, ["8 0", "0", "4"], "{finished}");
    finished.expect_stderr("space");
}

#[test]
fn a_state_that_cannot_be_written() {
    let environment = environment();
    let state = environment.make_folder("state").unwrap();
    let script = "mount -t tmpfs -o ro none \"$1\"; shift; exec \"$@\"";
    let hello = environment.command();
    let mut unshared = Command::new("unshare");
    unshared.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]).arg(&state);
    unshared.arg(hello.get_program()).args(hello.get_args()).arg("run").arg(guest("hello"));
    let finished = Finished::of(&mut unshared).unwrap().expect_code(14);
    finished.expect_stderr(&state.display().to_string()).expect_stderr("read-only");
}

#[test]
fn a_state_in_use_by_a_process_that_does_not_answer() {
    let environment = environment();
    let mut sleeping = environment.command();
    sleeping.arg("run").arg(guest("misbehaving")).args(["-i", "how=sleep", "-i", "count=600"]);
    let mut sleeping = sleeping.stderr(std::process::Stdio::null()).spawn().unwrap();
    let begun = std::time::Instant::now();
    while !environment.state().join("socket").exists() {
        assert!(begun.elapsed().as_secs() < 30, "the first process never listened");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let process = sleeping.id().to_string();
    Command::new("kill").args(["-STOP", &process]).status().unwrap();
    let finished = environment.run(&["list"]).unwrap();
    Command::new("kill").args(["-CONT", &process]).status().unwrap();
    sleeping.kill().unwrap();
    sleeping.wait().unwrap();
    finished.expect_code(13).expect_stderr("in use").expect_stderr(&process);
}

#[test]
fn a_damaged_state_is_refused_and_kept() {
    let environment = environment();
    let hello = guest("hello");
    environment.run(&[Path::new("run"), &hello]).unwrap().expect_code(0);
    let database = environment.state().join("store/db");
    let mut bytes = std::fs::read(&database).unwrap();
    let middle = bytes.iter().position(|byte| *byte != 0).unwrap() + 100;
    bytes[middle] ^= 0x10;
    std::fs::write(&database, &bytes).unwrap();
    for _ in 0..2 {
        let finished = environment.run(&[Path::new("run"), &hello]).unwrap().expect_code(13);
        finished.expect_stderr("damaged").expect_stderr("state restore");
    }
    assert_eq!(std::fs::read(&database).unwrap(), bytes, "what is left of the state must be kept");
}

#[test]
fn an_unknown_key_and_a_slip_in_a_name() {
    let mut environment = environment();
    environment.configure("[site.peer]\nurl = \"ftp://me@localhost/\"\ntls_verfy = \"none\"").unwrap();
    let finished = environment.run(&["config", "check"]).unwrap().expect_code(2);
    finished.expect_stderr("tls_verfy").expect_stderr("tls_verify").expect_stderr("orchestrator.toml");
    let mut environment = crate::support::environment();
    environment.configure("[site.peer]\nurl = \"ftp://me@localhost/\"\ntls = \"none\"").unwrap();
    environment
        .run(&["site", "ls", "pear:/"])
        .unwrap()
        .expect_code(2)
        .expect_stderr("pear")
        .expect_stderr("peer");
}

#[test]
fn nothing_to_resume_and_no_such_run() {
    let environment = environment();
    environment.run(&["resume", "--last"]).unwrap().expect_code(3);
    environment.run(&["show", "01J000000000000000000000AA"]).unwrap().expect_code(3);
    environment.run(&["frobnicate"]).unwrap().expect_code(2);
    environment.run::<&str>(&[]).unwrap().expect_code(2);
}
