//! One running proxy.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::Program;

/// The user and password of every proxy that asks for them. They are easy to find, so that a test can
/// see that they are nowhere.
pub const LOGIN: (&str, &str) = ("canary-us", "canary-Pr0xy-password");

/// How long a proxy may take to listen.
const START_LIMIT: Duration = Duration::from_secs(15);

/// A proxy that runs until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    program: Program,
    address: SocketAddr,
    child: Child,
    home: TempDir,
}

impl Proxy {
    /// Starts the proxy and waits until it listens. With `login` it lets only that user through.
    ///
    /// # Errors
    /// When it hasn't been fetched, or doesn't come up in fifteen seconds.
    pub fn start(program: Program, login: bool) -> Result<Self> {
        if !program.is_complete() {
            bail!("{program} isn't there; run `cargo xtask servers`");
        }
        let home = TempDir::with_prefix(program.to_string())?;
        std::fs::write(home.path().join("password"), LOGIN.1)?;
        // Somebody may take the port between our look and the proxy's: then the next one is tried.
        let mut last = None;
        for _ in 0..3 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            match launch(program, address, login, &home) {
                Ok(child) => return Ok(Self { program, address, child, home }),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("never tried")).context(format!("start {program}")))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The keys of a site that goes through it, the password in a file of the proxy's.
    pub fn keys(&self, login: bool) -> String {
        let scheme = self.program.scheme();
        match login {
            true => format!(
                "proxy = \"{scheme}://{}@{}\"\nproxy_password = {{ file = \"{}\" }}\n",
                LOGIN.0,
                self.address,
                self.home.path().join("password").display()
            ),
            false => format!("proxy = \"{scheme}://{}\"\n", self.address),
        }
    }

    /// How many connections it was asked for, by its own log.
    pub fn asked(&self) -> usize {
        let mark = match self.program {
            Program::Microsocks => ": connected to ",
            Program::Tinyproxy => ": CONNECT ",
        };
        self.logs().lines().filter(|line| line.contains(mark)).count()
    }

    /// Ends it at once, with all that goes through it.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What it wrote, for the message of a test that fails.
    pub fn logs(&self) -> String {
        let text = std::fs::read(self.home.path().join("output.log")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.kill();
    }
}

fn launch(program: Program, address: SocketAddr, login: bool, home: &TempDir) -> Result<Child> {
    let arguments = match program {
        Program::Microsocks => microsocks(address, login),
        Program::Tinyproxy => tinyproxy(address, login, home)?,
    };
    let output = std::fs::File::create(home.path().join("output.log"))?;
    // setpriv (util-linux, on every Debian) ties the proxy's life to ours.
    let mut child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL"])
        .arg(program.file_in(&program.folder()))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .context("start setpriv")?;
    let begin = Instant::now();
    while begin.elapsed() < START_LIMIT {
        if let Some(status) = child.try_wait()? {
            bail!("it ended with {status}");
        }
        if TcpStream::connect(address).is_ok() {
            return Ok(child);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    bail!("it didn't listen in {} seconds", START_LIMIT.as_secs())
}

fn microsocks(address: SocketAddr, login: bool) -> Vec<OsString> {
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let mut arguments = vec!["-i", &ip, "-p", &port];
    if login {
        arguments.extend(["-u", LOGIN.0, "-P", LOGIN.1]);
    }
    arguments.into_iter().map(OsString::from).collect()
}

/// Without a log file tinyproxy writes to its standard output.
fn tinyproxy(address: SocketAddr, login: bool, home: &TempDir) -> Result<Vec<OsString>> {
    let mut text = format!(
        "Listen {}\nPort {}\nTimeout 600\nMaxClients 200\nLogLevel Connect\nAllow 127.0.0.1\n",
        address.ip(),
        address.port()
    );
    if login {
        text += &format!("BasicAuth {} {}\n", LOGIN.0, LOGIN.1);
    }
    let file = home.path().join("tinyproxy.conf");
    std::fs::write(&file, text)?;
    Ok(vec!["-d".into(), "-c".into(), file.into()])
}
