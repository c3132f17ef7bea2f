//! The built program as it is left running.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::environment::Environment;

use crate::support::document;

/// What something may take that isn't measured: a test that hangs is a fault.
pub const WITHIN: Duration = Duration::from_secs(60);

/// A `serve` that is ready. It is killed when it is dropped.
pub struct Serving {
    child: Child,
    log: PathBuf,
    /// What it said when it was ready.
    pub said: Value,
}

impl Serving {
    /// Starts it on the environment's state, and waits until it is ready.
    #[track_caller]
    pub fn start(environment: &Environment) -> Self {
        Self::of(environment, environment.command().arg("serve"))
    }

    /// The same, of a command line of one's own.
    #[track_caller]
    pub fn of(environment: &Environment, command: &mut Command) -> Self {
        let log = environment.path("serve.log");
        let stderr = File::options().append(true).create(true).open(&log).unwrap();
        command.args(["-o", "json"]).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said = serde_json::from_str(&line).unwrap_or_else(|_| {
            let _ = child.wait();
            panic!("it isn't ready: {line:?}\n{}", std::fs::read_to_string(&log).unwrap_or_default())
        });
        Self { child, log, said }
    }

    /// Sends it a signal, as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Kills it with SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < WITHIN, "it doesn't end\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// All that it and those before it in this environment have said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It has ended already where a test waited for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something holds.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < WITHIN, "{what}: not within {WITHIN:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// How the runs of an environment stand, newest first.
pub fn statuses(environment: &Environment) -> Vec<String> {
    let listed = document(&environment.run(&["list", "-o", "json"]).unwrap().expect_code(0));
    let runs = listed["runs"].as_array().unwrap().iter();
    runs.map(|run| run["status"].as_str().unwrap().to_owned()).collect()
}
