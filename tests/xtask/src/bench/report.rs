//! What was measured, as Markdown.

use std::fmt::Write;

use anyhow::{Context, Result};
use testkit::servers::Tls;

use super::Size;
use super::memory::Peak;
use super::runs::Warm;
use super::transfers::{ROUND_TRIP, Row, Set, Way};
use crate::command;

const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";

/// The page's part that a measurement writes.
#[derive(Debug)]
pub(crate) struct Report {
    text: String,
}

impl Report {
    /// Begins with the machine and the size of what is measured.
    pub(crate) fn new(size: Size) -> Result<Self> {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut text = String::new();
        writeln!(
            text,
            "Measured by `cargo xtask bench` on {cores} cores ({}), everything on loopback and one disk: \
             one file of {} MiB, {} files of 10 KiB.",
            model.trim_start_matches([' ', '\t', ':']).trim(),
            size.large_bytes >> 20,
            size.small_files,
        )?;
        Ok(Self { text })
    }

    /// The table of transfers.
    pub(crate) fn transfers(&mut self, rows: &[Row]) -> Result<()> {
        writeln!(self.text, "\n### Transfers\n")?;
        writeln!(
            self.text,
            "Seconds until everything was moved and synced, against vsftpd; the TLS sessions of data"
        )?;
        writeln!(
            self.text,
            "connections must be reused. Only `orchestrator` hashes, journals, and survives being killed.\n"
        )?;
        self.table(rows)
    }

    /// The table of small files from far away.
    pub(crate) fn far(&mut self, rows: &[Row]) -> Result<()> {
        let files = rows.first().map_or(0, |row| row.case.size.small_files);
        writeln!(self.text, "\n### Through a round trip of {} ms\n", ROUND_TRIP.as_millis())?;
        writeln!(
            self.text,
            "Seconds for {files} files of 10 KiB, against vsftpd behind a relay that delays; as many connections each.\n"
        )?;
        self.table(rows)
    }

    /// Rows by case, a column for each tool.
    fn table(&mut self, rows: &[Row]) -> Result<()> {
        let mut tools: Vec<&str> = Vec::new();
        for row in rows {
            if !tools.contains(&row.tool) {
                tools.push(row.tool);
            }
        }
        writeln!(self.text, "| | {} | against the best peer |", tools.join(" | "))?;
        writeln!(self.text, "|---|{}---:|", "---:|".repeat(tools.len()))?;
        for group in rows.chunks(tools.len()) {
            let case = group[0].case;
            let what = match case.set {
                Set::Large => "one large file",
                Set::Small => "many small files",
            };
            let way = if case.way == Way::Get { "down" } else { "up" };
            let tls = if case.tls == Tls::None { "plain" } else { "TLS" };
            write!(self.text, "| {what}, {way}, {tls} |")?;
            for row in group {
                match &row.time {
                    Ok(time) => write!(self.text, " {:.2} |", time.as_secs_f64())?,
                    Err(_) => write!(self.text, " failed |")?,
                }
            }
            let peers = group.iter().filter(|row| row.tool != "orchestrator");
            let best = peers.filter_map(|row| row.time.as_ref().ok()).min();
            let ours =
                group.iter().find(|row| row.tool == "orchestrator").and_then(|row| row.time.as_ref().ok());
            match (best, ours) {
                (Some(best), Some(ours)) => {
                    writeln!(self.text, " {:.2} × |", ours.as_secs_f64() / best.as_secs_f64())?;
                }
                _ => writeln!(self.text, " – |")?,
            }
        }
        let versions: Vec<&str> = rows.iter().take(tools.len()).map(|row| row.version.as_str()).collect();
        writeln!(self.text, "\nVersions: {}.", versions.join("; "))?;
        for row in rows {
            if let Err(reason) = &row.time {
                let way = if row.case.way == Way::Get { "down" } else { "up" };
                writeln!(
                    self.text,
                    "{} failed ({:?}, {way}, {:?}): `{reason}`.",
                    row.tool, row.case.set, row.case.tls
                )?;
            }
        }
        Ok(())
    }

    /// Warm start.
    pub(crate) fn hello(&mut self, warm: &Warm) -> Result<()> {
        let ms = |time: std::time::Duration| time.as_secs_f64() * 1000.0;
        writeln!(
            self.text,
            "\n### A warm start\n\n`orchestrator run hello.wasm`, compiled before: {:.1} ms (median of 21), \
             of which the bare process (`--version`) takes {:.1} ms.",
            ms(warm.hello),
            ms(warm.process)
        )?;
        Ok(())
    }

    /// Durable steps, in the words of the program that measures them.
    pub(crate) fn steps(&mut self, said: &str) -> Result<()> {
        writeln!(self.text, "\n### Durable steps\n\n```text\n{}\n```", said.trim())?;
        Ok(())
    }

    /// Peak memory.
    pub(crate) fn memory(&mut self, peaks: &[Peak]) -> Result<()> {
        writeln!(self.text, "\n### Memory\n")?;
        for peak in peaks {
            let tls = if peak.tls == Tls::None { "plain" } else { "with TLS" };
            writeln!(
                self.text,
                "- 32 transfers at a time, {tls}: {:.1} MiB at most (VmHWM).",
                peak.bytes as f64 / f64::from(1 << 20)
            )?;
        }
        Ok(())
    }

    /// What was measured so far.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Puts it between the markers of the page.
    pub(crate) fn write_page(&self) -> Result<()> {
        let path = command::root().join("docs/performance.md");
        let page = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let (head, rest) = page.split_once(BEGIN).context("the page has no begin marker")?;
        let (_, tail) = rest.split_once(END).context("the page has no end marker")?;
        std::fs::write(&path, format!("{head}{BEGIN}\n{}{END}{tail}", self.text))?;
        Ok(())
    }
}
