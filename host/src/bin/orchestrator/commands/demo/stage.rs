//! Where the demo plays: a folder, a server in this process, and the run in child processes of it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use orchestrator_host::ftpd::{self, Handle, Server, Tls};
use secrecy::SecretString;
use tokio::process::{Child, Command};

use super::files;
use crate::commands::ftpd::{failure, random_password};
use crate::exit::Exit;
use crate::report::Failure;

/// Through which the children are given the server's password.
const PASSWORD: &str = "ORCHESTRATOR_DEMO_PASSWORD";

const USER: &str = "demo";

/// The demo's folder; it is removed with this unless it is to be kept.
pub(super) struct Stage {
    folder: PathBuf,
    workflow: PathBuf,
    password: String,
    tls: bool,
    keep: bool,
}

impl Stage {
    /// Makes the folder and the files that the server has.
    pub(super) fn build(workflow: PathBuf, tls: bool, keep: bool) -> Result<Self, Failure> {
        use std::os::unix::fs::DirBuilderExt;
        let folder = std::env::temp_dir().join(format!("orchestrator-demo.{}", std::process::id()));
        let making =
            |error: std::io::Error| Failure::local(format_args!("make {}", folder.display()), &error);
        let private = || std::fs::DirBuilder::new().mode(0o700).create(&folder);
        private().map_err(making)?;
        let password = random_password()?;
        let stage = Self { folder: folder.clone(), workflow, password, tls, keep };
        std::fs::create_dir(stage.target()).map_err(making)?;
        files::make(&stage.source()).map_err(making)?;
        Ok(stage)
    }

    fn source(&self) -> PathBuf {
        self.folder.join("server")
    }

    /// Where the run puts the files.
    pub(super) fn target(&self) -> PathBuf {
        self.folder.join("copy")
    }

    fn config(&self) -> PathBuf {
        self.folder.join("orchestrator.toml")
    }

    fn certificate(&self) -> PathBuf {
        self.folder.join("server.pem")
    }

    /// Starts the server.
    pub(super) async fn serve(&self) -> Result<Handle, Failure> {
        let tls = self.tls.then(|| Tls::SelfSigned {
            names: vec!["127.0.0.1".to_owned()],
            certificate_file: self.certificate(),
        });
        let options = ftpd::Options {
            root: self.source(),
            listen: ([127, 0, 0, 1], 0).into(),
            user: USER.to_owned(),
            password: SecretString::from(self.password.as_str()),
            tls,
            passive_ports: None,
            effect_log: None,
        };
        Server::start(options).await.map_err(|error| failure(&error))
    }

    /// Begins the run in a process of its own.
    pub(super) fn start(&self, server: &Handle) -> Result<Child, Failure> {
        let tls = if self.tls { "tls = \"explicit\"\nca_file = \"server.pem\"" } else { "tls = \"none\"" };
        let text = format!(
            "[state]\npath = \"state\"\n\n[site.demo]\nurl = \"ftp://{USER}@{}/\"\n\
             password = {{ env = \"{PASSWORD}\" }}\n{tls}\n",
            server.address()
        );
        let config = self.config();
        std::fs::write(&config, text)
            .map_err(|error| Failure::local(format_args!("write {}", config.display()), &error))?;
        let mut dir = std::ffi::OsString::from("copy=");
        dir.push(self.target());
        let mut command = self.command();
        command.arg("run").arg(&self.workflow).arg("--dir").arg(dir).args(["--site", "demo"]);
        command.args(["-i", "site=demo", "-i", "direction=pull", "-i", "from=/", "-i", "to=copy"]);
        spawn(command)
    }

    /// Goes on with the run in a new process.
    pub(super) fn resume(&self) -> Result<Child, Failure> {
        let mut command = self.command();
        command.args(["resume", "--last"]);
        spawn(command)
    }

    /// This very program, whatever has become of its file meanwhile, with nothing of the user's own
    /// configuration.
    fn command(&self) -> Command {
        let mut command = Command::new("/proc/self/exe");
        command.env_clear().env(PASSWORD, &self.password).current_dir(&self.folder);
        command.arg("--config").arg(self.config()).args(["-o", "json", "--quiet"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Waits until the big file's part holds more than `bytes`, and gives its length.
    pub(super) async fn part_reaches(&self, bytes: u64, child: &mut Child) -> Result<u64, Failure> {
        let whole = self.target().join(files::BIG.name);
        loop {
            let length = longest_part(&whole);
            if length > bytes {
                return Ok(length);
            }
            if whole.exists() {
                return Err(ended("the file was whole before the run could be killed"));
            }
            let exited = child.try_wait().map_err(|error| Failure::local("look after the run", &error))?;
            if let Some(status) = exited {
                return Err(ended(&format!("the run ended with {status}, before it could be killed")));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if self.keep {
            crate::output::say(format_args!("kept: {}", self.folder.display()));
        } else {
            // What can't be removed lies in the temporary folder, which the system clears.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

fn ended(what: &str) -> Failure {
    Failure::new(Exit::Failed, "host.bug", what).with_hint("look at it with `orchestrator demo --keep`")
}

/// The length of the longest part of this file: `.<name>.….part` beside it.
fn longest_part(whole: &Path) -> u64 {
    let Some((folder, name)) = whole.parent().zip(whole.file_name()) else { return 0 };
    let begins = format!(".{}.", name.to_string_lossy());
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with(&begins) && name.ends_with(".part")
        })
        .filter_map(|entry| Some(entry.metadata().ok()?.len()))
        .max()
        .unwrap_or(0)
}

fn spawn(mut command: Command) -> Result<Child, Failure> {
    command.spawn().map_err(|error| Failure::local("start this program once more", &error))
}

/// SIGKILL: no handler runs, nothing is flushed.
pub(super) async fn kill(child: &mut Child) -> Result<(), Failure> {
    child.kill().await.map_err(|error| Failure::local("kill the run", &error))
}
