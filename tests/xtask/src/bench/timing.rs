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
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("start {program}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let tail: Vec<&str> = said.lines().rev().take(5).collect();
        bail!(
            "{program} ended with {}: {}",
            output.status,
            tail.into_iter().rev().collect::<Vec<_>>().join(" | ")
        );
    }
    Ok(())
}

/// The one in the middle.
pub(crate) fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort();
    times.get(times.len() / 2).copied()
}
