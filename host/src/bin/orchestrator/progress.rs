//! How a run goes, for whoever watches: a line for each file under way on a terminal; elsewhere a
//! line for each finished file, and one every 30 s while nothing finishes.
//!
//! Where log lines were asked for (`-v`, or JSON) or nothing (`-q`), events go to the log instead.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use orchestrator_host::model::{ByteCount, Direction, Fault, LogLevel, Receipt, RunEvent, RunId, TransferId};
use orchestrator_host::telemetry;

use crate::context::Context;
use crate::output;

/// Files that have a line of their own; of the others only the sum is shown.
const LINES_MAX: usize = 10;

/// A file under way.
const FILE: &str = "{prefix} {wide_msg} {bytes:>10} of {total_bytes:>10} {binary_bytes_per_sec:>12} {eta:>4}";

/// A part of its work that the workflow tells of.
const SECTION: &str = "{msg} {pos}/{len} {prefix} {wide_bar} {eta:>4}";

/// The sum.
const TOTAL: &str = "{spinner} {msg}";

/// How long nothing is said off a terminal.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// How events are shown.
enum Shown {
    /// Lines that move, on a terminal.
    Bars { all: MultiProgress, total: ProgressBar, sections: HashMap<String, ProgressBar> },
    /// Plain lines.
    Lines { last: Instant },
    /// Log lines.
    Log,
}

/// A file under way.
struct File {
    direction: Direction,
    name: String,
    done: ByteCount,
    bar: Option<ProgressBar>,
}

/// Shows the events of one run.
pub(crate) struct Progress {
    shown: Shown,
    run: Option<RunId>,
    files: HashMap<TransferId, File>,
    start: Instant,
    finished: u64,
    moved: u64,
}

impl Progress {
    pub(crate) fn new(context: &Context) -> Self {
        let log = context.verbosity != 0 || context.telemetry().json;
        let shown = if log {
            Shown::Log
        } else if std::io::stderr().is_terminal() {
            let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
            let total = all.add(ProgressBar::new_spinner());
            total.set_style(style(TOTAL));
            total.enable_steady_tick(Duration::from_millis(200));
            Shown::Bars { all, total, sections: HashMap::new() }
        } else {
            Shown::Lines { last: Instant::now() }
        };
        Self { shown, run: None, files: HashMap::new(), start: Instant::now(), finished: 0, moved: 0 }
    }

    /// Says which run it is.
    pub(crate) fn accepted(&mut self, run: &RunId) {
        self.run = Some(run.clone());
        match &self.shown {
            Shown::Bars { .. } | Shown::Lines { .. } => self.say(&format!("run {run}")),
            Shown::Log => {}
        }
    }

    /// Shows one event.
    pub(crate) fn event(&mut self, event: &RunEvent) {
        if matches!(self.shown, Shown::Log) {
            if let Some(run) = &self.run {
                telemetry::log_event(run, event);
            }
            return;
        }
        match event {
            RunEvent::TransferStarted { transfer, direction, name, total, from, .. } => {
                self.started(*transfer, *direction, name, *total, *from);
            }
            RunEvent::TransferProgress { transfer, done, total } => self.goes_on(*transfer, *done, *total),
            RunEvent::TransferRetry { transfer, attempt, fault, wait_ms } => {
                let name = self.files.get(transfer).map_or("a transfer", |file| &file.name);
                let line =
                    format!("{name}: attempt {attempt} failed, again in {}: {fault}", seconds(*wait_ms));
                self.say(&line);
            }
            RunEvent::TransferFinished { transfer, outcome, .. } => self.ended(*transfer, outcome),
            RunEvent::Log { level, message, fields, .. } if *level >= LogLevel::Info => {
                let mut line = message.clone();
                for (name, value) in fields {
                    line.push_str(&format!(" {name}={value}"));
                }
                self.say(&line);
            }
            RunEvent::Progress { section, done, total, unit } => self.section(section, *done, *total, unit),
            RunEvent::Started { .. }
            | RunEvent::StepFinished { .. }
            | RunEvent::StepReplayed { .. }
            | RunEvent::Log { .. }
            | RunEvent::Status { .. }
            | RunEvent::Ended { .. } => {}
        }
        self.sum();
    }

    /// Takes the moving lines away.
    pub(crate) fn end(&mut self) {
        if let Shown::Bars { all, .. } = &self.shown {
            // What a closed terminal doesn't take can't be mended here.
            let _ = all.clear();
        }
    }

    /// Says something above the lines that move.
    pub(crate) fn say(&self, line: &str) {
        match &self.shown {
            Shown::Bars { all, .. } => {
                let _ = all.println(line);
            }
            Shown::Lines { .. } | Shown::Log => output::say(line),
        }
    }

    fn started(
        &mut self,
        transfer: TransferId,
        direction: Direction,
        name: &str,
        total: Option<ByteCount>,
        from: ByteCount,
    ) {
        let again = self.files.remove(&transfer);
        let bar = match (&self.shown, again.and_then(|file| file.bar)) {
            (_, Some(bar)) => Some(bar),
            (Shown::Bars { all, total: sum, .. }, None)
                if self.files.values().filter(|file| file.bar.is_some()).count() < LINES_MAX =>
            {
                let bar = all.insert_before(sum, ProgressBar::new(0));
                bar.set_style(style(FILE));
                Some(bar)
            }
            _ => None,
        };
        if let Some(bar) = &bar {
            bar.set_prefix(arrow(direction));
            bar.set_length(total.unwrap_or_default().0);
            bar.set_message(match from.0 {
                0 => name.to_owned(),
                _ => format!("{name} (resumed at {from})"),
            });
            bar.reset_eta();
            bar.set_position(from.0);
        }
        self.files.insert(transfer, File { direction, name: name.to_owned(), done: from, bar });
    }

    fn goes_on(&mut self, transfer: TransferId, done: ByteCount, total: Option<ByteCount>) {
        let Some(file) = self.files.get_mut(&transfer) else { return };
        self.moved += done.0.saturating_sub(file.done.0);
        file.done = done;
        if let Some(bar) = &file.bar {
            if let Some(total) = total {
                bar.set_length(total.0);
            }
            bar.set_position(done.0);
        }
        if let Shown::Lines { last } = &mut self.shown
            && last.elapsed() >= SILENCE_MAX
        {
            *last = Instant::now();
            let under_way = self.files.len();
            output::say(format_args!(
                "{}, {under_way} files under way",
                sum(self.finished, self.moved, self.start)
            ));
        }
    }

    fn ended(&mut self, transfer: TransferId, outcome: &Result<Receipt, Fault>) {
        let file = self.files.remove(&transfer);
        if let Some(bar) = file.as_ref().and_then(|file| file.bar.as_ref()) {
            bar.finish_and_clear();
        }
        let arrow = file.as_ref().map_or("", |file| arrow(file.direction));
        match outcome {
            Ok(receipt) => {
                self.finished += 1;
                let counted = file.as_ref().map_or(0, |file| file.done.0);
                self.moved += receipt.bytes.0.saturating_sub(counted.max(receipt.resumed_from.0));
                if let Shown::Lines { last } = &mut self.shown {
                    *last = Instant::now();
                    output::say(finished_line(arrow, receipt));
                }
            }
            Err(fault) => {
                let name = file.map_or_else(|| "a transfer".to_owned(), |file| file.name);
                self.say(&format!("{arrow} {name}: {fault}"));
            }
        }
    }

    fn section(&mut self, section: &str, done: u64, total: Option<u64>, unit: &str) {
        let Shown::Bars { all, total: sum, sections } = &mut self.shown else { return };
        let bar = sections.entry(section.to_owned()).or_insert_with(|| {
            let bar = all.insert_before(sum, ProgressBar::new(0));
            bar.set_style(style(SECTION));
            bar
        });
        bar.set_message(section.to_owned());
        bar.set_prefix(unit.to_owned());
        bar.set_length(total.unwrap_or(done));
        bar.set_position(done);
    }

    fn sum(&self) {
        if let Shown::Bars { total, .. } = &self.shown {
            total.set_message(sum(self.finished, self.moved, self.start));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

fn arrow(direction: Direction) -> &'static str {
    match direction {
        Direction::Download => "↓",
        Direction::Upload => "↑",
    }
}

fn finished_line(arrow: &str, receipt: &Receipt) -> String {
    let mut line = format!("{arrow} {} {}", receipt.file.path, receipt.bytes);
    if receipt.skipped {
        line.push_str(", left as it was");
    }
    if receipt.resumed_from.0 > 0 {
        line.push_str(&format!(", resumed at {}", receipt.resumed_from));
    }
    if receipt.attempts > 1 {
        line.push_str(&format!(", {} attempts", receipt.attempts));
    }
    line
}

fn sum(files: u64, bytes: u64, start: Instant) -> String {
    let rate = bytes as f64 / start.elapsed().as_secs_f64().max(0.001);
    format!("{files} files, {}, {}/s", ByteCount(bytes), ByteCount(rate as u64))
}

fn seconds(millis: u64) -> String {
    format!("{}.{} s", millis / 1000, millis % 1000 / 100)
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use orchestrator_host::model::{FileInfo, FileKind, Proof};

    use super::*;

    #[test]
    fn a_finished_file_is_one_line() {
        let receipt = Receipt {
            bytes: ByteCount(43_202_560),
            resumed_from: ByteCount(1 << 20),
            resent: ByteCount(0),
            attempts: 2,
            elapsed_ms: 5,
            digests: Vec::new(),
            proof: Proof::SizeOnly,
            skipped: false,
            file: FileInfo {
                path: "out/a b".to_owned(),
                kind: FileKind::File,
                size: None,
                modified: None,
                unique: None,
            },
        };
        assert_eq!(finished_line("↓", &receipt), "↓ out/a b 41.2 MiB, resumed at 1.0 MiB, 2 attempts");
    }

    #[test]
    fn every_template_is_one() {
        for template in [FILE, SECTION, TOTAL] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
