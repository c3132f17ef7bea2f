//! `doctor`: is this machine fit for it?

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use orchestrator_host::model::ByteCount;
use serde_json::json;

use crate::args::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::output;
use crate::report::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// How one look ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Debug)]
struct Finding {
    verdict: Verdict,
    what: &'static str,
    found: String,
    hint: Option<String>,
}

impl Finding {
    fn new(verdict: Verdict, what: &'static str, found: impl Into<String>) -> Self {
        Self { verdict, what, found: found.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

pub(crate) fn run(context: &Context, _: Args) -> Result<Exit, Failure> {
    let mut findings = vec![Finding::new(Verdict::Ok, "version", env!("CARGO_PKG_VERSION"))];
    match context.config() {
        Ok(config) => {
            let file =
                config.file.as_deref().map_or("none; defaults hold".to_owned(), |f| f.display().to_string());
            let found = format!("{file} ({} sites)", config.sites.len());
            findings.push(Finding::new(Verdict::Ok, "configuration", found));
            state(&config.state.0, &mut findings);
        }
        Err(failure) => {
            let hint = failure.hint.clone().unwrap_or_default();
            findings.push(Finding::new(Verdict::Fail, "configuration", failure.message).hint(hint));
        }
    }
    descriptors(&mut findings);
    trust(&mut findings);
    tell(context, &findings)?;
    let failed = findings.iter().any(|finding| finding.verdict == Verdict::Fail);
    Ok(if failed { Exit::Failed } else { Exit::Ok })
}

/// The state folder: there or to be made, ours alone, writable, with space, on a disk that can fsync.
fn state(folder: &Path, findings: &mut Vec<Finding>) {
    let existing = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    if existing == folder {
        findings.push(owner(folder));
    } else {
        findings.push(Finding::new(Verdict::Ok, "state", format!("{} will be made", folder.display())));
    }
    let probe = existing.join(format!(".orchestrator-doctor.{}", std::process::id()));
    let synced = sync_time(&probe);
    let _ = std::fs::remove_file(&probe);
    findings.push(match synced {
        Ok(time) if time > Duration::from_millis(100) => Finding::new(
            Verdict::Warn,
            "fsync",
            format!("{} ms: every durable step waits for it", time.as_millis()),
        )
        .hint("put the state on a local disk"),
        Ok(time) => Finding::new(Verdict::Ok, "fsync", format!("{} µs", time.as_micros())),
        Err(error) => {
            Finding::new(Verdict::Fail, "fsync", format!("{} can't be written: {error}", existing.display()))
                .hint("name another folder with --state DIR")
        }
    });
    if let Ok(system) = rustix::fs::statvfs(existing) {
        let free = system.f_bavail.saturating_mul(system.f_frsize);
        // A busy state takes some 100 MiB (ten times its live data), and a full disk stops everything.
        let verdict = if free < 1 << 30 { Verdict::Warn } else { Verdict::Ok };
        findings.push(Finding::new(verdict, "space", format!("{} free for the state", ByteCount(free))));
    }
}

fn owner(folder: &Path) -> Finding {
    match std::fs::metadata(folder) {
        Err(error) => Finding::new(Verdict::Fail, "state", format!("{}: {error}", folder.display())),
        Ok(meta) if !meta.is_dir() => {
            Finding::new(Verdict::Fail, "state", format!("{} is no folder", folder.display()))
        }
        Ok(meta) if meta.uid() != rustix::process::geteuid().as_raw() => Finding::new(
            Verdict::Fail,
            "state",
            format!("{} belongs to user {}", folder.display(), meta.uid()),
        )
        .hint("run as that user, or name another folder with --state DIR"),
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => {
            Finding::new(Verdict::Warn, "state", format!("others may look into {}", folder.display()))
                .hint(format!("chmod 700 {}", folder.display()))
        }
        Ok(_) => Finding::new(Verdict::Ok, "state", folder.display().to_string()),
    }
}

/// How long one small durable write takes, the best of three.
fn sync_time(path: &Path) -> std::io::Result<Duration> {
    use std::io::Write;
    let mut file = std::fs::File::create(path)?;
    let mut best = Duration::MAX;
    for _ in 0..3 {
        file.write_all(&[0; 200])?;
        let start = Instant::now();
        file.sync_data()?;
        best = best.min(start.elapsed());
    }
    Ok(best)
}

fn descriptors(findings: &mut Vec<Finding>) {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    // 32 transfers take some 100 descriptors, the store and the socket a few dozen.
    findings.push(match limit {
        Some(limit) if limit < 1024 => {
            Finding::new(Verdict::Warn, "descriptors", format!("{limit} at most")).hint("ulimit -n 4096")
        }
        Some(limit) => Finding::new(Verdict::Ok, "descriptors", format!("{limit} at most")),
        None => Finding::new(Verdict::Ok, "descriptors", "no limit"),
    });
}

/// Whether the system has roots of trust where programs look for them.
fn trust(findings: &mut Vec<Finding>) {
    const PLACES: [&str; 4] = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ];
    findings.push(match PLACES.iter().find(|place| Path::new(place).exists()) {
        Some(place) => Finding::new(Verdict::Ok, "certificates", *place),
        None => Finding::new(Verdict::Warn, "certificates", "this system has no roots of trust")
            .hint("install the package ca-certificates, or give each site a ca_file"),
    });
}

fn tell(context: &Context, findings: &[Finding]) -> Result<(), Failure> {
    let word = |verdict| match verdict {
        Verdict::Ok => "ok",
        Verdict::Warn => "warn",
        Verdict::Fail => "fail",
    };
    if context.format != Format::Text {
        let findings: Vec<_> = findings
            .iter()
            .map(|f| json!({ "verdict": word(f.verdict), "what": f.what, "found": f.found, "hint": f.hint }))
            .collect();
        return output::json(&json!({ "$type": "orchestrator.doctor/1", "findings": findings }));
    }
    let mut text = String::new();
    for finding in findings {
        text.push_str(&format!("{:<5} {:<14} {}\n", word(finding.verdict), finding.what, finding.found));
        if let Some(hint) = finding.hint.as_deref().filter(|hint| !hint.is_empty()) {
            text.push_str(&format!("      {:<14} hint: {hint}\n", ""));
        }
    }
    output::print(&text)
}
