//! The most memory that the process ever held, with 32 transfers under way.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use testkit::servers::{Kind, Options, Server, Tls};

use super::Size;
use super::runs::Ours;

const TRANSFERS: u32 = 32;

/// Peak memory, for each way of securing connections.
#[derive(Debug)]
pub(crate) struct Peak {
    /// How connections were secured.
    pub(crate) tls: Tls,
    /// `VmHWM` of the process, in bytes.
    pub(crate) bytes: u64,
}

/// Pulls 64 files, 32 at a time, from a server that is slow enough for all 32 to be under way.
pub(crate) fn at_32_transfers(ours: &Ours, size: Size) -> Result<Vec<Peak>> {
    let file_bytes = size.large_bytes / 64;
    let mut peaks = Vec::new();
    for tls in [Tls::None, Tls::Explicit] {
        let options = Options { tls, bytes_per_second: Some(file_bytes / 2), ..Options::default() };
        let server = Server::start(Kind::Vsftpd, &options)?;
        for number in 0..2 * TRANSFERS {
            server.put(&format!("source/{number:02}.bin"), &vec![number as u8; file_bytes as usize])?;
        }
        let folder = tempfile::tempdir()?;
        let here = folder.path().join("here");
        std::fs::create_dir(&here)?;
        let configuration = format!("{}sessions = {TRANSFERS}\n", server.site("peer"));
        let mut command = ours.command(&configuration, folder.path())?;
        command.args(["run", "--quiet"]).arg(ours.guests.join("mirror.wasm"));
        command.args(["--site", "peer", "--dir"]).arg(format!("here={}", here.display()));
        command.args(["-i", "site=peer", "-i", "direction=pull", "-i", "from=source", "-i", "to=here"]);
        command.args(["-i", &format!("parallel={TRANSFERS}")]);
        let mut child = command.stdout(Stdio::null()).spawn().context("start orchestrator")?;
        let mut bytes = 0;
        let status = loop {
            bytes = bytes.max(high_water_mark(child.id()).unwrap_or(0));
            if let Some(status) = child.try_wait()? {
                break status;
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        if !status.success() {
            bail!("the run ended with {status}");
        }
        peaks.push(Peak { tls, bytes });
    }
    Ok(peaks)
}

/// What the kernel calls the high water mark of a process's resident memory (proc(5)).
fn high_water_mark(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
