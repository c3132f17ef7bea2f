//! One large file and many small ones, both ways, plain and with TLS, near and far.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use testkit::chance::Chance;
use testkit::far::Far;
use testkit::servers::{Kind, Options, Server, Tls};

use super::Size;
use super::peers::Peer;
use super::runs::Ours;
use super::timing::{median, timed};

/// Which files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    /// `large.bin`.
    Large,
    /// Files of 10 KiB.
    Small,
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the server.
    Get,
    /// To the server.
    Put,
}

/// What is done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) set: Set,
    pub(crate) way: Way,
    pub(crate) tls: Tls,
    pub(crate) size: Size,
    /// How far away the server is; `None` for loopback as it is.
    pub(crate) round_trip: Option<Duration>,
}

const SMALL_BYTES: usize = 10 * 1024;

impl Case {
    /// The names of the files.
    pub(crate) fn names(&self) -> Vec<String> {
        match self.set {
            Set::Large => vec!["large.bin".into()],
            Set::Small => (0..self.size.small_files).map(|number| format!("small-{number:05}.bin")).collect(),
        }
    }

    fn bytes(&self) -> u64 {
        match self.set {
            Set::Large => self.size.large_bytes,
            Set::Small => u64::from(self.size.small_files) * SMALL_BYTES as u64,
        }
    }

    fn make_files(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        let mut chance = Chance::from_seed(1);
        let mut block = vec![0; 1 << 20];
        for name in self.names() {
            let mut file = std::fs::File::create(folder.join(name))?;
            let mut left = self.bytes() / self.names().len() as u64;
            while left > 0 {
                chance.fill(&mut block);
                let part = left.min(block.len() as u64);
                std::io::Write::write_all(&mut file, &block[..part as usize])?;
                left -= part;
            }
        }
        Ok(())
    }
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) case: Case,
    pub(crate) tool: &'static str,
    pub(crate) version: String,
    /// The median, or why there is none.
    pub(crate) time: Result<Duration, String>,
}

/// Measures every case with every tool, the tools taking turns.
pub(crate) fn all(ours: &Ours, peers: &[Peer], size: Size) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for tls in [Tls::None, Tls::Explicit] {
        for set in [Set::Large, Set::Small] {
            for way in [Way::Get, Way::Put] {
                // A minute for each tool is enough for the slow ones.
                let slow = set == Set::Small;
                let repetitions = if slow { 1 } else { size.repetitions };
                let case = Case { set, way, tls, size, round_trip: None };
                eprintln!("{case:?}");
                rows.extend(measure(ours, peers, case, repetitions)?);
            }
        }
    }
    Ok(rows)
}

/// The round trip of a server on the same continent.
pub(crate) const ROUND_TRIP: Duration = Duration::from_millis(40);

/// Small files through a round trip that is felt: what counts is how often a tool waits for an answer.
/// Against lftp alone, which has as many connections; the others would wait for minutes.
pub(crate) fn far(ours: &Ours, peers: &[Peer], size: Size) -> Result<Vec<Row>> {
    let size = Size { small_files: size.small_files.min(500), ..size };
    let lftp: Vec<Peer> = peers.iter().filter(|peer| matches!(peer, Peer::Lftp)).cloned().collect();
    let mut rows = Vec::new();
    for way in [Way::Get, Way::Put] {
        // The relay reads replies, so they go in clear.
        let case = Case { set: Set::Small, way, tls: Tls::None, size, round_trip: Some(ROUND_TRIP) };
        eprintln!("{case:?}");
        rows.extend(measure(ours, &lftp, case, size.repetitions)?);
    }
    Ok(rows)
}

fn measure(ours: &Ours, peers: &[Peer], case: Case, repetitions: usize) -> Result<Vec<Row>> {
    let scratch = testkit::layout::target().join("scratch");
    std::fs::create_dir_all(&scratch)?;
    let local = tempfile::TempDir::with_prefix_in("bench-", scratch)?;
    let server = Server::start(Kind::Vsftpd, &Options { tls: case.tls, ..Options::default() })?;
    let far = case.round_trip.map(|time| Far::start(server.address(), time)).transpose()?;
    let address = far.as_ref().map_or(server.address(), Far::address);
    let source = match case.way {
        Way::Get => server.root().join("source"),
        Way::Put => local.path().join("source"),
    };
    case.make_files(&source)?;
    server.own(&server.root())?;

    let tools: Vec<Option<&Peer>> = peers.iter().map(Some).chain([None]).collect();
    let mut times: Vec<Result<Vec<Duration>, String>> = tools.iter().map(|_| Ok(Vec::new())).collect();
    for repetition in 0..repetitions {
        for (tool, times) in tools.iter().zip(&mut times) {
            let name = format!("{}-{repetition}", tool.map_or("orchestrator", Peer::name));
            let Ok(so_far) = times else { continue };
            match once(ours, *tool, (&server, address), case, local.path(), &name) {
                Ok(time) => {
                    eprintln!("  {name}: {:.2} s", time.as_secs_f64());
                    so_far.push(time);
                }
                Err(error) => {
                    eprintln!("  {name}: {error:#}");
                    *times = Err(format!("{error:#}"));
                }
            }
        }
    }
    tools
        .iter()
        .zip(times)
        .map(|(tool, times)| {
            let (name, version) = match tool {
                Some(peer) => (peer.name(), peer.version()?),
                None => ("orchestrator", ours.version()?),
            };
            let time = times.and_then(|times| median(times).ok_or_else(|| "not measured".into()));
            Ok(Row { case, tool: name, version, time })
        })
        .collect()
}

/// Moves the files once into an empty folder, and sees that they arrived.
fn once(
    ours: &Ours,
    tool: Option<&Peer>,
    (server, address): (&Server, SocketAddr),
    case: Case,
    local: &Path,
    name: &str,
) -> Result<Duration> {
    let (target, here, there) = match case.way {
        Way::Get => (local.join(name), local.join(name), "source"),
        Way::Put => (server.root().join(name), local.join("source"), name),
    };
    std::fs::create_dir_all(&target)?;
    server.own(&server.root())?;
    let mut command = match tool {
        Some(peer) => peer.command((server, address), case, &here, there)?,
        None => ours.mirror((server, address), case, &here, there, local)?,
    };
    let time = timed(&mut command, &target)?;
    let mut arrived = 0;
    for name in case.names() {
        let path = target.join(&name);
        arrived += path.metadata().with_context(|| format!("{name} did not arrive"))?.len();
    }
    if arrived != case.bytes() {
        bail!("{arrived} bytes arrived of {}", case.bytes());
    }
    if case.set == Set::Large {
        std::fs::remove_dir_all(&target)?;
    }
    // Thousands of small files stay until the server goes: ext4 passes over inodes that were freed in
    // the last minutes (`recently_deleted`), and that search would be charged to whoever comes next.
    Ok(time)
}
