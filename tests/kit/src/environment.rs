//! A place of its own for the built program: nothing of the machine's or the person's reaches it.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::layout;
use crate::servers::PASSWORD;

/// A home, a state, a configuration and folders for data.
#[derive(Debug)]
pub struct Environment {
    program: PathBuf,
    folder: TempDir,
    configuration: String,
}

/// What a finished program left behind, in words that a failing test can show.
#[derive(Debug)]
pub struct Finished {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// How a life of the program ended.
#[derive(Debug)]
pub enum End {
    /// By SIGKILL: ours, or its own at a crash point.
    Killed,
    /// By itself.
    Finished(Finished),
}

impl Environment {
    /// An empty environment for the program.
    ///
    /// # Errors
    /// When its folders can't be made.
    pub fn new(program: impl Into<PathBuf>) -> Result<Self> {
        let scratch = layout::target().join("scratch");
        std::fs::create_dir_all(&scratch)?;
        let folder = TempDir::with_prefix_in("env-", scratch)?;
        for name in ["home", "work"] {
            std::fs::create_dir(folder.path().join(name))?;
        }
        let environment = Self { program: program.into(), folder, configuration: String::new() };
        environment.write_configuration()?;
        Ok(environment)
    }

    /// Adds text to the configuration file.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn configure(&mut self, text: &str) -> Result<()> {
        self.configuration += text;
        self.configuration += "\n";
        self.write_configuration()
    }

    fn write_configuration(&self) -> Result<()> {
        std::fs::write(self.path("orchestrator.toml"), &self.configuration).context("write the configuration")
    }

    /// A path inside the environment.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a folder inside the environment, if it isn't there, and gives its path.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn make_folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.path(name);
        std::fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// The state folder.
    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// The program with this environment's configuration and state, ready for a subcommand.
    ///
    /// Of the surrounding environment only the search path for programs is passed on.
    pub fn command(&self) -> Command {
        let mut command = self.bare();
        command.arg("--config").arg(self.path("orchestrator.toml")).arg("--state").arg(self.state());
        command
    }

    /// The program without any argument.
    pub fn bare(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.path("home"));
        command.env("SITE_PASSWORD", PASSWORD);
        command.env("RUST_BACKTRACE", "1");
        command.current_dir(self.path("work")).stdin(Stdio::null());
        command
    }

    /// Runs the program with these arguments to its end.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn run<I: AsRef<std::ffi::OsStr>>(&self, arguments: &[I]) -> Result<Finished> {
        Finished::of(self.command().args(arguments))
    }

    /// Runs a command of this environment, and kills it with SIGKILL if it lives longer than this.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn live(&self, command: &mut Command, life: Duration) -> Result<End> {
        // Files take any amount of output; a pipe that nobody reads would stop the program.
        let (stdout, stderr) = (self.path("stdout"), self.path("stderr"));
        command.stdout(File::create(&stdout)?).stderr(File::create(&stderr)?);
        let mut child = command.spawn().with_context(|| format!("start {:?}", self.program))?;
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if begin.elapsed() >= life {
                child.kill()?;
                break child.wait()?;
            }
            std::thread::sleep(Duration::from_millis(1).min(life.saturating_sub(begin.elapsed())));
        };
        if status.signal() == Some(9) {
            return Ok(End::Killed);
        }
        let text =
            |path| -> Result<String> { Ok(String::from_utf8_lossy(&std::fs::read(path)?).into_owned()) };
        Ok(End::Finished(Finished { code: status.code(), stdout: text(&stdout)?, stderr: text(&stderr)? }))
    }

    /// The files under the state folder that hold the needle.
    pub fn state_files_with(&self, needle: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        search(&self.state(), needle.as_bytes(), &mut found);
        found
    }
}

impl Finished {
    /// Runs a command to its end.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn of(command: &mut Command) -> Result<Self> {
        let output = command.output().with_context(|| format!("start {:?}", command.get_program()))?;
        Ok(output.into())
    }

    /// Panics with all that the program said unless it ended with this code.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "unexpected end\n{self}");
        self
    }

    /// Panics unless standard error holds the text, in whatever case.
    #[track_caller]
    pub fn expect_stderr(self, text: &str) -> Self {
        let (said, wanted) = (self.stderr.to_lowercase(), text.to_lowercase());
        assert!(said.contains(&wanted), "nothing was said of {text:?}\n{self}");
        self
    }
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit code {:?}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

fn search(folder: &Path, needle: &[u8], found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            search(&path, needle, found);
        } else if std::fs::read(&path)
            .is_ok_and(|bytes| bytes.windows(needle.len()).any(|part| part == needle))
        {
            found.push(path);
        }
    }
}
