//! `cargo xtask bench`: measured side by side with lftp, curl and rclone in one run, on this machine.
//!
//! The same files go both ways against vsftpd on loopback, plain and with TLS; what each tool wrote
//! is synced within the time that is measured. The table goes to `docs/performance.md`, between its
//! markers, with the commands that gave it.

mod memory;
mod peers;
mod report;
mod runs;
mod timing;
mod transfers;

use anyhow::{Result, bail};

use crate::command::{self, cargo};
use crate::{guests, servers};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Bytes of the one large file.
    pub(crate) large_bytes: u64,
    /// How many small files of 10 KiB there are.
    pub(crate) small_files: u32,
    /// How often each is done; the median counts.
    pub(crate) repetitions: usize,
}

const WHOLE: Size = Size { large_bytes: 1 << 30, small_files: 5_000, repetitions: 5 };
/// To see that the benches work, not how fast anything is; the page is left alone.
const QUICK: Size = Size { large_bytes: 16 << 20, small_files: 50, repetitions: 1 };

/// Builds everything in release, measures and writes the page.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (mut size, mut write) = (WHOLE, true);
    let mut parts: Vec<&str> = Vec::new();
    for argument in arguments {
        match argument.as_str() {
            "--quick" => (size, write) = (QUICK, false),
            part @ ("transfers" | "far" | "steps" | "hello" | "memory") => parts.push(part),
            other => {
                bail!("unknown argument {other}; use [--quick] [transfers] [far] [steps] [hello] [memory]")
            }
        }
    }
    let wanted = |part: &str| parts.is_empty() || parts.contains(&part);

    servers::fetch()?;
    let peers = peers::install()?;
    let guests = guests::build()?;
    let mut build = cargo();
    build.args(["build", "--locked", "--release", "--package", "orchestrator-host", "--bin", "orchestrator"]);
    command::run(&mut build)?;
    let ours = runs::Ours { program: testkit::layout::target().join("release/orchestrator"), guests };

    let mut report = report::Report::new(size)?;
    if wanted("hello") {
        report.hello(&runs::hello_warm(&ours)?)?;
    }
    if wanted("steps") {
        report.steps(&runs::steps()?)?;
    }
    if wanted("memory") {
        report.memory(&memory::at_32_transfers(&ours, size)?)?;
    }
    if wanted("transfers") {
        report.transfers(&transfers::all(&ours, &peers, size)?)?;
    }
    if wanted("far") {
        report.far(&transfers::far(&ours, &peers, size)?)?;
    }
    println!("{}", report.text());
    if write && parts.is_empty() {
        report.write_page()?;
    }
    Ok(())
}
