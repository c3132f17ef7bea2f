//! Running a command against the clock.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Runs the command, then syncs the file system of the folder that it wrote to; gives the time that
/// both took together.
pub(crate) fn timed(command: &mut Command, wrote_to: &Path) -> Result<Duration> {
    let begin = Instant::now();
    quietly(command)?;
    quietly(Command::new("sync").arg("--file-system").arg(wrote_to))?;
    Ok(begin.elapsed())
}

/// Runs the command; fails with what it said when it does.
pub(crate) fn quietly(command: &mut Command) -> Result<()> {
    let program =
        Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("start {program}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        // The first thing that it said beside its progress.
        let said =
            said.split(['\n', '\r']).map(str::trim).find(|line| !line.is_empty() && !line.contains("--:--"));
        bail!("{program} ended with {}: {}", output.status, said.unwrap_or("it said nothing"));
    }
    Ok(())
}

/// The one in the middle.
pub(crate) fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort();
    times.get(times.len() / 2).copied()
}
