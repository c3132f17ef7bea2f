//! The way to a server, from the command line: proxies, and limits on speed.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use testkit::environment::{Environment, Finished};
use testkit::far::Far;
use testkit::proxies::{LOGIN, Program, Proxy};
use testkit::servers::{Kind, Options, Server};

use crate::embedded::Embedded;
use crate::support::{document, environment, guest};

/// `run mirror.wasm`, pulling `in` from `peer`.
fn pull(environment: &Environment, arguments: &[&str]) -> Command {
    let data = environment.make_folder("data").unwrap();
    let mut run = environment.command();
    run.arg("-vvv").arg("run").arg(guest("mirror")).args(["--site", "peer", "--dir"]);
    run.arg(format!("data={}", data.display())).args(["-i", "site=peer", "-i", "from=in", "-i", "to=data"]);
    run.args(arguments);
    run
}

#[test]
fn the_login_of_a_proxy_is_nowhere() {
    // canary-us:canary-Pr0xy-password, as HTTP's Basic scheme has it.
    let encoded = "Y2FuYXJ5LXVzOmNhbmFyeS1QcjB4eS1wYXNzd29yZA==";
    for program in Program::ALL {
        let (server, proxy) = (Embedded::start(true), Proxy::start(program, true).unwrap());
        std::fs::create_dir(server.root().join("in")).unwrap();
        std::fs::write(server.root().join("in/a.txt"), b"content").unwrap();
        let mut environment = environment();
        environment.configure(&format!("{}{}", server.site("peer"), proxy.keys(true))).unwrap();
        let run = Finished::of(&mut pull(&environment, &[])).unwrap().expect_code(0);
        assert_eq!(std::fs::read(environment.path("data/a.txt")).unwrap(), b"content");
        assert!(proxy.asked() >= 2, "{program}: {}", proxy.logs());
        assert!(!format!("{run}").contains(LOGIN.0), "{program}: {run}");
        let shown =
            [&["config", "show"][..], &["site", "show", "peer", "-o", "json"], &["site", "test", "peer"]];
        for finished in shown.map(|arguments| environment.run(arguments).unwrap()).into_iter().chain([run]) {
            let finished = finished.expect_code(0);
            let all = format!("{finished}");
            assert!(!all.contains(LOGIN.1) && !all.contains(encoded), "{program}: {finished}");
        }
        for secret in [LOGIN.1, encoded] {
            assert_eq!(environment.state_files_with(secret), Vec::<PathBuf>::new());
        }
    }
}

#[test]
fn a_proxy_that_refuses_is_a_matter_of_login() {
    let (server, proxy) = (Embedded::start(false), Proxy::start(Program::Microsocks, true).unwrap());
    let mut environment = environment();
    environment.configure(&format!("{}{}", server.site("peer"), proxy.keys(false))).unwrap();
    let refused = environment.run(&["site", "ls", "peer:/"]).unwrap().expect_code(7);
    refused.expect_stderr("the proxy socks5://").expect_stderr("wants a user and password");
    drop(proxy);
    environment.configure("attempts = 1").unwrap();
    let gone = environment.run(&["site", "ls", "peer:/"]).unwrap().expect_code(5);
    gone.expect_stderr("can't be reached");
    environment.run(&["explain", "ftp.proxy"]).unwrap().expect_code(0);
}

#[test]
fn a_run_keeps_to_the_rate_that_it_was_begun_with() {
    let server = Embedded::start(false);
    std::fs::create_dir(server.root().join("in")).unwrap();
    for name in ["a", "b", "c"] {
        std::fs::write(server.root().join("in").join(name), vec![7; 40_000]).unwrap();
    }
    let mut environment = environment();
    environment.configure(&server.site("peer")).unwrap();
    let refused = Finished::of(&mut pull(&environment, &["--rate-limit", "0B"])).unwrap().expect_code(2);
    refused.expect_stderr("--rate-limit");
    let begun = Instant::now();
    Finished::of(&mut pull(&environment, &["--rate-limit", "40kB"])).unwrap().expect_code(0);
    // Three files in the time of three less a burst and the last turns: it can't have been faster.
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn a_server_that_is_far_away_gives_the_same() {
    let server = Server::start(Kind::Vsftpd, &Options::default()).unwrap();
    let far = Far::start(server.address(), Duration::from_millis(20)).unwrap();
    for name in ["a", "b", "c"] {
        server.put(&format!("in/{name}"), name.as_bytes()).unwrap();
    }
    let mut environment = environment();
    let site = server.site("peer").replace(&server.address().to_string(), &far.address().to_string());
    environment.configure(&site).unwrap();
    Finished::of(&mut pull(&environment, &[])).unwrap().expect_code(0);
    for name in ["a", "b", "c"] {
        assert_eq!(std::fs::read(environment.path("data").join(name)).unwrap(), name.as_bytes());
    }
    let listed = environment.run(&["site", "ls", "peer:in", "-o", "json"]).unwrap().expect_code(0);
    assert_eq!(document(&listed)["entries"].as_array().map(Vec::len), Some(3), "{listed}");
}
