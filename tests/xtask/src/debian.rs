//! Debian packages: installed, or only unpacked where they may not be installed together.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command;

/// Installs the packages that are missing; each comes with a program that shows whether it is there.
pub(crate) fn install(packages: &[(&str, &str)]) -> Result<()> {
    let missing = packages.iter().filter(|(_, program)| !command::exists(program));
    fetch(&missing.map(|(package, _)| *package).collect::<Vec<_>>())
}

/// Installs the packages that dpkg doesn't have, for those that come without a program.
pub(crate) fn install_packages(packages: &[&str]) -> Result<()> {
    fetch(&packages.iter().copied().filter(|package| !installed(package)).collect::<Vec<_>>())
}

fn fetch(missing: &[&str]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    update()?;
    let mut install = privileged("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive");
    install.args(["install", "-y", "-qq", "--no-install-recommends"]).args(missing);
    command::run(&mut install).with_context(|| format!("install {}", missing.join(", ")))
}

/// Downloads packages, with the libraries that they need and this machine lacks, and unpacks them
/// all into `into`. Nothing is installed and no script of theirs is run.
pub(crate) fn unpack(packages: &[&str], into: &Path) -> Result<()> {
    let archives = into.join("archives");
    std::fs::create_dir_all(&archives).with_context(|| format!("make {}", archives.display()))?;
    if policy_unknown(packages)? {
        update()?;
    }
    let wanted = with_missing_libraries(packages)?;
    let mut download = Command::new("apt-get");
    // As root, apt would rather fetch as `_apt`, who can't write to our folder.
    download.current_dir(&archives).args(["download", "-q", "-o", "APT::Sandbox::User=root"]).args(&wanted);
    command::run(&mut download).with_context(|| format!("download {}", packages.join(", ")))?;

    for archive in std::fs::read_dir(&archives)? {
        let archive = archive?.path();
        let mut unpack = Command::new("dpkg");
        command::output(unpack.arg("-x").arg(&archive).arg(into))?;
    }
    std::fs::remove_dir_all(&archives)?;
    Ok(())
}

/// The packages and, of all that they depend on, the libraries that aren't installed.
fn with_missing_libraries(packages: &[&str]) -> Result<BTreeSet<String>> {
    let mut wanted: BTreeSet<String> = packages.iter().map(|name| (*name).to_owned()).collect();
    let mut looked_at = BTreeSet::new();
    loop {
        let new: Vec<String> = wanted.difference(&looked_at).cloned().collect();
        if new.is_empty() {
            return Ok(wanted);
        }
        let mut depends = Command::new("apt-cache");
        depends.args(["depends", "--important", "--no-pre-depends"]).args(&new);
        let text = command::output(&mut depends)?;
        looked_at.extend(new);
        let names =
            text.lines().filter_map(|line| line.trim().trim_start_matches('|').strip_prefix("Depends: "));
        for name in names.map(|name| name.split(':').next().unwrap_or(name)) {
            if name.starts_with("lib") && !installed(name) {
                wanted.insert(name.to_owned());
            }
        }
    }
}

/// True when dpkg has this package unpacked and configured.
fn installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["-W", "-f", "${db:Status-Status}\n", package]);
    query.output().is_ok_and(|output| {
        output.status.success()
            && String::from_utf8_lossy(&output.stdout).lines().any(|line| line == "installed")
    })
}

/// True when apt has no list that names one of these packages, as on a machine without any list.
fn policy_unknown(packages: &[&str]) -> Result<bool> {
    let mut show = Command::new("apt-cache");
    let shown =
        show.args(["show", "--no-all-versions"]).args(packages).output().context("start apt-cache")?;
    Ok(!shown.status.success())
}

fn update() -> Result<()> {
    command::run(privileged("apt-get").args(["update", "-qq"])).context("update the package lists")
}

/// The program, run as root by sudo where we aren't root.
fn privileged(program: &str) -> Command {
    let root = command::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if root {
        return Command::new(program);
    }
    let mut sudo = Command::new("sudo");
    sudo.arg(program);
    sudo
}

/// Fails when a program, or a library that it loads, wants a library that isn't there.
pub(crate) fn check_libraries(program: &Path, library_path: &std::ffi::OsStr) -> Result<()> {
    let mut ldd = Command::new("ldd");
    let text = command::output(ldd.arg(program).env("LD_LIBRARY_PATH", library_path))?;
    let missing: Vec<&str> = text.lines().filter(|line| line.contains("not found")).map(str::trim).collect();
    if !missing.is_empty() {
        bail!("{} can't be started: {}", program.display(), missing.join("; "));
    }
    Ok(())
}
