//! How this process stands: for `health`, probes and metrics.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ServerState;

/// Fewer free bytes on the disk of the state, and it takes no work: the store needs room to write what
/// has happened, or it can't be gone on with.
const FREE_BYTES_MIN: u64 = 64 << 20;

/// Ticks of the kernel's clock in a second, as it shows them (`USER_HZ`, proc_pid_stat(5)).
const TICKS: u64 = 100;

/// How a process that holds a state stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The process.
    pub process: Process,
    /// The program's version.
    pub version: String,
    /// How long it has held the state, in milliseconds.
    pub uptime_ms: u64,
    /// The state folder.
    pub state: PathBuf,
    /// How long the files of the state are, in bytes.
    pub state_bytes: u64,
    /// Bytes that are free on its disk.
    pub state_free_bytes: u64,
    /// Runs that it drives.
    pub runs_live: usize,
    /// The sites of the configuration and how their servers stand.
    pub sites: Vec<(String, Vec<ServerState>)>,
    /// What it needs to take work.
    pub checks: Vec<Check>,
}

/// What the system says of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Time that it has computed, in milliseconds.
    pub cpu_ms: u64,
    /// Memory that it has, in bytes.
    pub memory_bytes: u64,
    /// Descriptors that it has open.
    pub descriptors: u64,
    /// Descriptors that it may have.
    pub descriptors_max: u64,
}

/// Something that a process needs to take work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its name: `store`, `disk`, `descriptors`.
    pub name: String,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was seen.
    pub detail: String,
}

impl Health {
    /// Whether it can take work.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }

    /// What has to be as it should be. `failed` says why the store takes no more writes.
    pub(super) fn checks(process: &Process, free_bytes: u64, failed: Option<String>) -> Vec<Check> {
        let check = |name: &str, ok, detail| Check { name: name.to_owned(), ok, detail };
        let (open, max) = (process.descriptors, process.descriptors_max);
        vec![
            check("store", failed.is_none(), failed.unwrap_or_else(|| "takes writes".to_owned())),
            check("disk", free_bytes >= FREE_BYTES_MIN, format!("{free_bytes} bytes are free")),
            // Sessions and files need some more.
            check("descriptors", max == 0 || open < max / 10 * 9, format!("{open} of {max} are open")),
        ]
    }

    /// It as a document, for `health -o json` and the HTTP API.
    #[must_use]
    pub fn document(&self) -> Value {
        let server = |server: &ServerState| {
            json!({
                "server": server.server,
                "standing": server.standing,
                "idle": server.idle,
                "leased": server.leased,
                "waiting": server.waiting,
                "failures": server.failures,
            })
        };
        let site = |(name, servers): &(String, Vec<ServerState>)| json!({ "name": name, "servers": servers.iter().map(server).collect::<Vec<_>>() });
        json!({
            "$type": "orchestrator.health/1",
            "ready": self.is_ready(),
            "checks": self.checks,
            "version": self.version,
            "pid": self.process.pid,
            "uptime_ms": self.uptime_ms,
            "cpu_ms": self.process.cpu_ms,
            "memory_bytes": self.process.memory_bytes,
            "descriptors": self.process.descriptors,
            "descriptors_max": self.process.descriptors_max,
            "state": self.state,
            "state_bytes": self.state_bytes,
            "state_free_bytes": self.state_free_bytes,
            "runs_live": self.runs_live,
            "sites": self.sites.iter().map(site).collect::<Vec<_>>(),
        })
    }
}

impl Process {
    /// What the system says of this process. What it doesn't say is 0.
    pub(super) fn look() -> Self {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        Self {
            pid: std::process::id(),
            cpu_ms: std::fs::read_to_string("/proc/self/stat")
                .ok()
                .and_then(|stat| cpu_ms(&stat))
                .unwrap_or(0),
            memory_bytes: std::fs::read_to_string("/proc/self/status")
                .ok()
                .and_then(|status| resident(&status))
                .unwrap_or(0),
            descriptors: std::fs::read_dir("/proc/self/fd")
                .map_or(0, |listed| u64::try_from(listed.count()).unwrap_or(u64::MAX)),
            descriptors_max: limit.current.unwrap_or(0),
        }
    }

    /// Time that it has computed.
    pub(super) fn cpu(&self) -> Duration {
        Duration::from_millis(self.cpu_ms)
    }
}

/// The fields 14 and 15 of proc_pid_stat(5). The second one is a name, which may have blanks.
fn cpu_ms(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) * 1000 / TICKS)
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Bytes that are free, for us, on the disk of a folder.
pub(super) fn free_bytes(folder: &Path) -> u64 {
    rustix::fs::statvfs(folder).map_or(0, |found| found.f_bavail.saturating_mul(found.f_frsize))
}

/// How long the files in a folder are. One that goes meanwhile isn't counted. Blocks.
pub(super) fn bytes_in(folder: &Path) -> u64 {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        bytes += match entry.metadata() {
            Ok(found) if found.is_dir() => bytes_in(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_says_what_this_process_has() {
        let process = Process::look();
        assert_eq!(process.pid, std::process::id());
        assert!(process.memory_bytes > 1 << 20 && process.descriptors > 2, "{process:?}");
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 1 0 5 6 7";
        assert_eq!(cpu_ms(stat), Some(3000));
        assert_eq!(resident("VmPeak:\t 9 kB\nVmRSS:\t  12 kB\n"), Some(12 * 1024));
    }

    #[test]
    fn it_is_ready_when_every_check_is() {
        let process = Process { descriptors: 10, descriptors_max: 1024, ..Process::default() };
        let ready = |process: &Process, free, failed: Option<&str>| {
            Health::checks(process, free, failed.map(str::to_owned)).iter().all(|check| check.ok)
        };
        assert!(ready(&process, 1 << 30, None));
        assert!(!ready(&process, 1 << 20, None));
        assert!(!ready(&process, 1 << 30, Some("syncing db: EIO")));
        assert!(!ready(&Process { descriptors: 1000, ..process }, 1 << 30, None));
    }

    #[test]
    fn the_length_of_a_folder_is_that_of_its_files() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("in")).unwrap();
        std::fs::write(folder.path().join("a"), [0; 10]).unwrap();
        std::fs::write(folder.path().join("in/b"), [0; 20]).unwrap();
        assert_eq!(bytes_in(folder.path()), 30);
        assert!(free_bytes(folder.path()) > 0);
    }
}
