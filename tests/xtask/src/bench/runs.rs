//! Our own program as it is measured: transfers, a warm start, durable steps.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use testkit::servers::{PASSWORD, Server};

use super::peers::PARALLEL;
use super::timing::{median, quietly};
use super::transfers::{Case, Way};
use crate::command::{self, cargo};

/// The release build and the workflows.
#[derive(Debug)]
pub(crate) struct Ours {
    pub(crate) program: PathBuf,
    pub(crate) guests: PathBuf,
}

impl Ours {
    /// What it calls its version.
    pub(crate) fn version(&self) -> Result<String> {
        Ok(command::output(Command::new(&self.program).arg("--version"))?.trim().to_owned())
    }

    /// The program with a configuration of its own, without anything of the person's.
    pub(crate) fn command(&self, configuration: &str, folder: &Path) -> Result<Command> {
        let file = folder.join("orchestrator.toml");
        std::fs::write(&file, configuration)?;
        let mut command = Command::new(&self.program);
        command.env_clear().env("HOME", folder).env("SITE_PASSWORD", PASSWORD);
        command.arg("--config").arg(file).arg("--state").arg(folder.join("state"));
        Ok(command)
    }

    /// `run mirror.wasm` for this case, with a state that is made for it. In that state the workflow has
    /// been compiled, as it is after the first night; but nothing has been moved.
    pub(crate) fn mirror(
        &self,
        (server, address): (&Server, SocketAddr),
        case: Case,
        here: &Path,
        there: &str,
        scratch: &Path,
    ) -> Result<Command> {
        let folder = tempfile::TempDir::with_prefix_in("run-", scratch)?.keep();
        let direction = if case.way == Way::Get { "pull" } else { "push" };
        let (from, to) = if case.way == Way::Get { (there, "here") } else { ("here", there) };
        let mirror = self.guests.join("mirror.wasm");
        let site = server.site("peer").replace(&server.address().to_string(), &address.to_string());
        let mut compiling = self.command(&site, &folder)?;
        // Without its inputs it ends at once.
        let _ = compiling.args(["run", "--quiet"]).arg(&mirror).output()?;
        let mut command = self.command(&site, &folder)?;
        command.args(["run", "--quiet"]).arg(mirror);
        command.args(["--site", "peer", "--dir"]).arg(format!("here={}", here.display()));
        command.args(["-i", "site=peer", "-i", &format!("direction={direction}")]);
        command.args(["-i", &format!("from={from}"), "-i", &format!("to={to}")]);
        command.args(["-i", &format!("parallel={PARALLEL}")]);
        Ok(command)
    }
}

/// A warm start, and what is in it.
#[derive(Debug)]
pub(crate) struct Warm {
    /// `run hello.wasm`, the component compiled and the state there.
    pub(crate) hello: Duration,
    /// `--version`: the process alone.
    pub(crate) process: Duration,
}

/// How long `run hello.wasm` takes once the component has been compiled.
pub(crate) fn hello_warm(ours: &Ours) -> Result<Warm> {
    let folder = tempfile::tempdir()?;
    let hello = || -> Result<Command> {
        let mut command = ours.command("", folder.path())?;
        command.arg("run").arg(ours.guests.join("hello.wasm"));
        Ok(command)
    };
    quietly(&mut hello()?)?;
    let times = |command: &dyn Fn() -> Result<Command>| -> Result<Duration> {
        let mut times = Vec::new();
        for _ in 0..21 {
            let mut command = command()?;
            let begin = Instant::now();
            quietly(&mut command)?;
            times.push(begin.elapsed());
        }
        median(times).context("nothing was measured")
    };
    let version = || -> Result<Command> {
        let mut command = Command::new(&ours.program);
        command.arg("--version");
        Ok(command)
    };
    Ok(Warm { hello: times(&hello)?, process: times(&version)? })
}

/// What `host/examples/bench_steps.rs` says: durable steps a second beside a bare sled and fsync loop.
pub(crate) fn steps() -> Result<String> {
    let mut run = cargo();
    run.args(["run", "--quiet", "--locked", "--release", "--package", "orchestrator-host"]);
    command::output(run.args(["--example", "bench_steps"]))
}
