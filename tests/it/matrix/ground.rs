//! A server, a client, and a folder of each for the scenario under way.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use orchestrator_host::ftpd;
use orchestrator_host::model::{Fault, FaultCode, Receipt, RemotePath, Timestamp, TlsMode, TransferOptions};
use orchestrator_host::transfer::Job;
use tempfile::TempDir;
use testkit::servers::{Kind, Options, PASSWORD, Tls};

use crate::client::{Client, Place, path};

/// Debian's `daemon`, as whom the servers work that change their user.
const WORKS_AS: u32 = 1;

/// A server to be started.
#[derive(Clone, Copy, Debug)]
pub enum Server {
    Real(Kind, Tls),
    /// Our own, which is libunftp.
    Embedded {
        tls: bool,
    },
}

/// What has to live as long as the server.
enum Running {
    Real(#[allow(dead_code, reason = "it ends when it is dropped")] testkit::servers::Server),
    Embedded(ftpd::Handle, TempDir),
}

pub struct Ground {
    running: Running,
    pub client: Client,
    /// The folder on the server's side that is the site's root.
    root: PathBuf,
    /// The folder of this scenario, the same name on both sides.
    folder: String,
    scenarios: u32,
}

impl Ground {
    pub async fn lay(server: Server) -> Self {
        let (running, place, root) = match server {
            Server::Real(kind, tls) => {
                let server =
                    testkit::servers::Server::start(kind, &Options { tls, ..Options::default() }).unwrap();
                let authority = std::fs::read(&server.certificate().authority).unwrap();
                let place = Place {
                    address: server.address(),
                    user: server.user(),
                    root: "data",
                    tls: match tls {
                        Tls::None => TlsMode::None,
                        Tls::Explicit => TlsMode::Explicit,
                        Tls::Implicit => TlsMode::Implicit,
                    },
                    authority,
                };
                let root = server.root();
                (Running::Real(server), place, root)
            }
            Server::Embedded { tls } => {
                let folder = TempDir::with_prefix("embedded").unwrap();
                let root = folder.path().join("root");
                std::fs::create_dir_all(&root).unwrap();
                let certificate = testkit::servers::Certificate::make(folder.path()).unwrap();
                let options = ftpd::Options {
                    root: root.clone(),
                    listen: "127.0.0.1:0".parse().unwrap(),
                    user: "mirror".to_owned(),
                    password: PASSWORD.to_owned().into(),
                    tls: tls.then(|| ftpd::Tls::Files {
                        chain: certificate.chain.clone(),
                        key: certificate.key.clone(),
                    }),
                    passive_ports: None,
                    effect_log: None,
                };
                let handle = ftpd::Server::start(options).await.unwrap();
                let authority = std::fs::read(&certificate.authority).unwrap();
                let place = Place {
                    address: handle.address(),
                    user: "mirror",
                    root: "",
                    tls: if tls { TlsMode::Explicit } else { TlsMode::None },
                    authority,
                };
                (Running::Embedded(handle, folder), place, root)
            }
        };
        Self { running, client: Client::new(&place), root, folder: String::new(), scenarios: 0 }
    }

    /// Makes the folders of a scenario.
    pub fn begin(&mut self, name: &str) {
        self.scenarios += 1;
        self.folder = format!("{:02} {name}", self.scenarios);
        self.make(&self.here());
        std::fs::create_dir(self.there()).unwrap();
    }

    /// Removes them: some servers are the slower the more there is around.
    pub fn clear(&self) {
        for folder in [self.here(), self.there()] {
            std::fs::remove_dir_all(folder).unwrap();
        }
    }

    pub async fn end(self) {
        self.client.transfers.close().await;
        if let Running::Embedded(handle, _folder) = self.running {
            handle.stop().await;
        }
    }

    fn make(&self, folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        self.own(folder);
    }

    fn own(&self, at: &Path) {
        if matches!(self.running, Running::Real(_)) {
            chown(at, Some(WORKS_AS), Some(WORKS_AS)).unwrap();
        }
    }

    /// The scenario's folder on the server's disk.
    pub fn here(&self) -> PathBuf {
        self.root.join(&self.folder)
    }

    /// The scenario's folder on the client's disk.
    pub fn there(&self) -> PathBuf {
        self.client.granted().join(&self.folder)
    }

    /// A name on the server, as a client names it.
    pub fn remote(&self, name: &str) -> RemotePath {
        path(&self.remote_text(name))
    }

    fn remote_text(&self, name: &str) -> String {
        if name.is_empty() { self.folder.clone() } else { format!("{}/{name}", self.folder) }
    }

    /// Puts a file on the server, and the folders above it.
    pub fn put(&self, name: &str, data: &[u8]) {
        let file = self.here().join(name);
        let mut above = file.parent().unwrap().to_owned();
        std::fs::create_dir_all(&above).unwrap();
        while above != self.here() && above.starts_with(self.here()) {
            self.own(&above);
            above = above.parent().unwrap().to_owned();
        }
        std::fs::write(&file, data).unwrap();
        self.own(&file);
    }

    /// Makes a folder on the server.
    pub fn put_folder(&self, name: &str) {
        self.make(&self.here().join(name));
    }

    /// What the server has under a name.
    pub fn on_server(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.here().join(name)).ok()
    }

    /// Puts a file on the client's side, and the folders above it.
    pub fn write(&self, name: &str, data: &[u8]) {
        let file = self.there().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, data).unwrap();
    }

    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.there().join(name)).ok()
    }

    /// A transfer between a name on the server and one on the client's side.
    pub fn job(&self, remote: &str, local: &str, options: TransferOptions) -> Job<'static> {
        let local = format!("{}/{local}", self.folder);
        Job { options, ..self.client.job(&self.remote_text(remote), &local, u64::from(self.scenarios)) }
    }

    pub async fn pull_with(&self, name: &str, options: TransferOptions) -> Result<Receipt, Fault> {
        self.client.transfers.download(self.job(name, name, options)).await
    }

    pub async fn push_with(&self, name: &str, options: TransferOptions) -> Result<Receipt, Fault> {
        self.client.transfers.upload(self.job(name, name, options)).await
    }

    /// Fetches a file under its own name, and compares it.
    pub async fn pull(&self, name: &str) -> Result<Receipt> {
        let receipt = self.pull_with(name, TransferOptions::default()).await?;
        ensure!(self.read(name) == self.on_server(name), "{name} came otherwise than it is");
        Ok(receipt)
    }

    /// Sends a file under its own name, and compares it.
    pub async fn push(&self, name: &str) -> Result<Receipt> {
        let receipt = self.push_with(name, TransferOptions::default()).await?;
        ensure!(self.read(name) == self.on_server(name), "{name} arrived otherwise than it is");
        Ok(receipt)
    }

    /// The names of a listing of the scenario's folder, or one in it.
    pub async fn list(&self, folder: &str, deep: bool) -> Result<Vec<String>> {
        let (names, odd) = self.client.list(&self.remote_text(folder), deep).await?;
        ensure!(odd == 0, "{odd} lines weren't understood");
        Ok(names.into_iter().collect())
    }

    /// Whether the server can set a file's time, by trying.
    pub async fn sets_times(&self, name: &str) -> Result<bool> {
        let at = Timestamp(1_600_000_000_000);
        match self.client.transfers.set_modified(&self.client.site, &self.remote(name), at).await {
            Ok(()) => Ok(true),
            Err(fault) if fault.code == FaultCode::FtpUnsupported => Ok(false),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Waits until a part in a folder has so many bytes.
    pub async fn part_has(&self, bytes: u64, folder: PathBuf) {
        let is_long = |part: &PathBuf| std::fs::metadata(part).is_ok_and(|found| found.len() >= bytes);
        while !parts_in(&folder).iter().any(is_long) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// No part is left on either side.
    pub fn judge_tidy(&self) -> Result<()> {
        for folder in [self.here(), self.there()] {
            let parts = parts_in(&folder);
            ensure!(parts.is_empty(), "left behind: {parts:?}");
        }
        Ok(())
    }
}

fn parts_in(folder: &Path) -> Vec<PathBuf> {
    let mut parts = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            parts.extend(parts_in(&entry.path()));
        } else if entry.file_name().to_string_lossy().ends_with(".part") {
            parts.push(entry.path());
        }
    }
    parts
}

/// Fails unless the outcome is a fault of this code.
pub fn fails<T>(outcome: Result<T, Fault>, code: FaultCode) -> Result<()> {
    match outcome {
        Ok(_) => anyhow::bail!("it succeeded"),
        Err(fault) if fault.code == code => Ok(()),
        Err(fault) => Err(fault).context("it failed otherwise"),
    }
}
