//! One running server.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::{Certificate, Installed, Kind, Moved, moved, proftpd, pure_ftpd, pyftpdlib, rclone, vsftpd};

/// The password of every test server. It is easy to find, so that a test can see that it is nowhere.
pub const PASSWORD: &str = "canary-Zq81x-password";

/// The unprivileged user that servers work as; every Debian has it, with a home that exists.
pub(super) const WORKS_AS: &str = "daemon";
/// Its number.
pub(super) const WORKS_AS_UID: u32 = 1;

/// How long a server may take to greet.
const START_LIMIT: Duration = Duration::from_secs(15);

/// How the control and data connections are secured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// Not at all.
    #[default]
    None,
    /// AUTH TLS is required (RFC 4217), and so is PROT P; vsftpd also wants the session reused.
    Explicit,
    /// TLS from the first byte. pure-ftpd can't.
    Implicit,
}

/// How a server is to run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How connections are secured.
    pub tls: Tls,
    /// What one data connection may move in a second; nothing is slowed down without.
    pub bytes_per_second: Option<u64>,
    /// Where the server's folders are made; the machine's folder for temporary files without.
    pub within: Option<PathBuf>,
    /// More of the server's own settings: lines of its configuration, arguments of pure-ftpd.
    pub settings: &'static [&'static str],
    /// The time zone that the server lives in, by its IANA name; the machine's without.
    pub time_zone: Option<&'static str>,
}

/// Where a server that is about to start has its things.
pub(super) struct Place<'a> {
    pub(super) installed: Installed,
    pub(super) home: &'a Path,
    /// What the server shows as `/`.
    pub(super) chroot: PathBuf,
    pub(super) port: u16,
    pub(super) options: &'a Options,
    pub(super) certificate: &'a Certificate,
}

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    options: Options,
    address: SocketAddr,
    certificate: Certificate,
    pub(super) child: Child,
    home: TempDir,
}

impl Server {
    /// Starts the server and waits until it greets.
    ///
    /// # Errors
    /// When it hasn't been fetched, we aren't root, or it doesn't come up in fifteen seconds.
    pub fn start(kind: Kind, options: &Options) -> Result<Self> {
        let installed = kind.installed();
        if !installed.is_complete() {
            bail!("{kind} isn't there; run `cargo xtask servers`");
        }
        if !rustix::process::geteuid().is_root() {
            bail!("{kind} changes its user and its root folder, so it must be started by root");
        }
        let home = match &options.within {
            Some(folder) => TempDir::with_prefix_in(kind.to_string(), folder)?,
            None => TempDir::with_prefix(kind.to_string())?,
        };
        open_to_all(home.path())?;
        let chroot = home.path().join("chroot");
        std::fs::create_dir_all(chroot.join("data"))?;
        std::os::unix::fs::chown(chroot.join("data"), Some(WORKS_AS_UID), Some(WORKS_AS_UID))?;
        let certificate = Certificate::make(home.path())?;

        // Somebody may take the port between our look and the server's: then the next one is tried.
        let mut last = None;
        for _ in 0..3 {
            let port = free_port()?;
            let chroot = chroot.clone();
            let installed = installed.clone();
            let place =
                Place { installed, home: home.path(), chroot, port, options, certificate: &certificate };
            match launch(kind, &place) {
                Ok(child) => {
                    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
                    return Ok(Self { kind, options: options.clone(), address, certificate, child, home });
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("never tried")).context(format!("start {kind}")))
    }

    /// Starts the program again, after it has ended, at the same address and with the same files.
    pub(super) fn launch_again(&mut self) -> Result<()> {
        let place = Place {
            installed: self.kind.installed(),
            home: self.home.path(),
            chroot: self.home.path().join("chroot"),
            port: self.address.port(),
            options: &self.options,
            certificate: &self.certificate,
        };
        self.child = launch(self.kind, &place).with_context(|| format!("start {} again", self.kind))?;
        Ok(())
    }

    /// Which server it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The user who may log in with [`PASSWORD`].
    pub fn user(&self) -> &'static str {
        match self.kind {
            Kind::Vsftpd => vsftpd::USER,
            Kind::Proftpd | Kind::PureFtpd | Kind::Pyftpdlib | Kind::Rclone => "mirror",
        }
    }

    /// The site's address as the configuration wants it, with `/data` as its root.
    pub fn url(&self) -> String {
        format!("ftp://{}@{}/data", self.user(), self.address)
    }

    /// The folder that clients see as `/data`.
    pub fn root(&self) -> PathBuf {
        self.home.path().join("chroot/data")
    }

    /// The certificate that a client must trust.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The `[site.NAME]` table of a configuration file for this server.
    pub fn site(&self, name: &str) -> String {
        let tls = match self.options.tls {
            Tls::None => "none",
            Tls::Explicit => "explicit",
            Tls::Implicit => "implicit",
        };
        let mut table = format!(
            "[site.{name}]\nurl = \"{}\"\npassword = {{ env = \"SITE_PASSWORD\" }}\ntls = \"{tls}\"\n",
            self.url()
        );
        if self.options.tls != Tls::None {
            table += &format!("ca_file = \"{}\"\n", self.certificate.authority.display());
        }
        table
    }

    /// Puts a file where clients find it, owned by the user that the server works as.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn put(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.root().join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
            std::os::unix::fs::chown(parent, Some(WORKS_AS_UID), Some(WORKS_AS_UID))?;
        }
        std::fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
        std::os::unix::fs::chown(&path, Some(WORKS_AS_UID), Some(WORKS_AS_UID))?;
        Ok(())
    }

    /// Gives a folder of the server's, and all in it, to the user that the server works as.
    ///
    /// # Errors
    /// When an owner can't be changed.
    pub fn own(&self, folder: &Path) -> Result<()> {
        std::os::unix::fs::chown(folder, Some(WORKS_AS_UID), Some(WORKS_AS_UID))?;
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                self.own(&path)?;
            } else {
                std::os::unix::fs::chown(&path, Some(WORKS_AS_UID), Some(WORKS_AS_UID))?;
            }
        }
        Ok(())
    }

    /// The transfers that the server counted, in the order of their ends.
    pub fn moved(&self) -> Vec<Moved> {
        moved::parse(self.kind, &self.logs())
    }

    /// What the server wrote to its own logs, for the message of a test that fails.
    pub fn logs(&self) -> String {
        logs(self.home.path())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its sessions are processes of its group and must go with it.
        if let Some(group) = rustix::process::Pid::from_raw(self.child.id() as i32) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// Writes the configuration, starts the program and waits for its greeting.
fn launch(kind: Kind, place: &Place<'_>) -> Result<Child> {
    let mut arguments: Vec<std::ffi::OsString> = vec!["--pdeathsig".into(), "KILL".into()];
    arguments.push(place.installed.program().into());
    arguments.extend(match kind {
        Kind::Vsftpd => vsftpd::prepare(place)?,
        Kind::Proftpd => proftpd::prepare(place)?,
        Kind::PureFtpd => pure_ftpd::prepare(place)?,
        Kind::Pyftpdlib => pyftpdlib::prepare(place)?,
        Kind::Rclone => rclone::prepare(place)?,
    });
    let output = std::fs::File::create(place.home.join("output.log"))?;
    // setpriv (util-linux, on every Debian) ties the server's life to ours: a test that is killed
    // leaves nothing running.
    let mut child = Command::new("setpriv")
        .args(arguments)
        .env("LD_LIBRARY_PATH", place.installed.library_path())
        .envs(place.options.time_zone.map(|zone| ("TZ", zone)))
        .current_dir(place.home)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0)
        .spawn()
        .context("start setpriv")?;
    let up = wait_for_greeting(&mut child, place);
    if let Err(error) = up {
        let _ = child.kill();
        let _ = child.wait();
        bail!("{error:#}; its logs:\n{}", logs(place.home));
    }
    Ok(child)
}

fn wait_for_greeting(child: &mut Child, place: &Place<'_>) -> Result<()> {
    let begin = Instant::now();
    while begin.elapsed() < START_LIMIT {
        if let Some(status) = child.try_wait()? {
            bail!("it ended with {status}");
        }
        if greets(place) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("it didn't greet in {} seconds", START_LIMIT.as_secs())
}

/// True when a connection is accepted and, where the greeting is in clear, it is one of FTP.
fn greets(place: &Place<'_>) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, place.port)) else {
        return false;
    };
    if place.options.tls == Tls::Implicit {
        return true;
    }
    let mut greeting = [0; 3];
    stream.set_read_timeout(Some(Duration::from_secs(5))).is_ok()
        && stream.read_exact(&mut greeting).is_ok()
        && &greeting == b"220"
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// The user that the server works as must reach its folder, which is made for us alone.
fn open_to_all(folder: &Path) -> Result<()> {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn logs(home: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(home).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let content = std::fs::read(&path).unwrap_or_default();
            text += &format!("--- {}\n{}\n", path.display(), String::from_utf8_lossy(&content));
        }
    }
    text
}
