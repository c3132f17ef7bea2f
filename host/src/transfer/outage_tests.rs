//! Real servers that are stopped, stalled, killed and started again at random while files move: all
//! arrive, once and identical, and nothing is leaked.
//!
//! The seed is printed; `TESTKIT_SEED` repeats what was done to the servers. `TESTKIT_SOAK_SECONDS` makes
//! it longer: `cargo xtask soak --minutes 5`. These need the servers that `cargo xtask servers` fetches, and
//! root, so plain `cargo test` leaves them out.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use testkit::chance::Chance;
use testkit::servers::{Kind, Options as ServerOptions, PASSWORD, Server};

use super::fake::{noise, sha256};
use super::ftp::FtpConnector;
use super::{Job, LocalRoot, MemoryLog, Options, PartName, Stop, Transfers, Unwatched};
use crate::clock::SystemClock;
use crate::model::{
    Balance, ByteCount, Endpoint, Fault, IfExists, ItemId, Receipt, RemotePath, RetryPolicy, RunId,
    SecretRef, Servers, Site, SiteLimits, StepSeq, Timestamp, TlsMode, TlsPolicy, TransferOptions,
};

/// How long servers are tormented, where nobody says otherwise.
const SOAK: Duration = Duration::from_secs(30);

/// Files that move at the same time.
const WORKERS: u64 = 4;

/// Slow enough for outages to fall into files.
const BYTES_PER_SECOND: u64 = 6 << 20;

/// The files that are moved, again and again, under ever new names.
const SIZES: [usize; 6] = [0, 1, 100_000, 1 << 20, 3_000_001, 5 << 20];

/// Servers, a folder on this side, and the site of them all.
struct Ground {
    servers: Vec<Arc<Mutex<Server>>>,
    folder: tempfile::TempDir,
    root: LocalRoot,
    site: Arc<Site>,
    sources: Vec<Vec<u8>>,
    steps: AtomicU64,
}

impl Ground {
    fn new(kinds: &[Kind]) -> Self {
        let options = ServerOptions { bytes_per_second: Some(BYTES_PER_SECOND), ..ServerOptions::default() };
        let sources: Vec<_> = SIZES.iter().map(|size| noise(*size)).collect();
        let folder = tempfile::tempdir().unwrap();
        let root = LocalRoot::open("dir", folder.path()).unwrap();
        let secret = folder.path().join(".secret");
        std::fs::write(&secret, PASSWORD).unwrap();
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let servers: Vec<_> = kinds.iter().map(|kind| Server::start(*kind, &options).unwrap()).collect();
        for (index, data) in sources.iter().enumerate() {
            std::fs::write(folder.path().join(format!("{index}.src")), data).unwrap();
            for server in &servers {
                let name = format!("in/{index}.bin");
                server.put(&name, data).unwrap();
                // Mirrors keep times.
                let file = std::fs::File::options().write(true).open(server.root().join(name)).unwrap();
                file.set_modified(at).unwrap();
            }
        }
        let first = &servers[0];
        let endpoint = |server: &Server| Endpoint {
            host: server.address().ip().to_string(),
            port: server.address().port(),
            weight: 1,
        };
        let endpoints = if servers.len() > 1 { servers.iter().map(endpoint).collect() } else { Vec::new() };
        let short = Duration::from_secs(2);
        let site = Site {
            user: first.user().to_owned(),
            password: Some(SecretRef::File(secret)),
            root: "data".into(),
            tls: TlsPolicy::new(TlsMode::None),
            limits: SiteLimits {
                reply: short,
                connect: short,
                idle: short,
                final_reply: short,
                settle: Duration::from_millis(300),
                heartbeat: Some(Duration::from_secs(1)),
                ..SiteLimits::default()
            },
            retry: RetryPolicy {
                max_attempts: Some(1000),
                initial_delay_ms: 50,
                max_delay_ms: 500,
                ..RetryPolicy::default()
            },
            servers: Servers { endpoints, balance: Balance::RoundRobin, ..Servers::default() },
            ..Site::new("soak", first.address().ip().to_string(), first.address().port())
        };
        let servers = servers.into_iter().map(|server| Arc::new(Mutex::new(server))).collect();
        Self { servers, folder, root, site: Arc::new(site), sources, steps: AtomicU64::new(0) }
    }

    fn transfers(&self) -> Transfers {
        let clock = Arc::new(SystemClock::new());
        let options = Options { commit_bytes: ByteCount(512 << 10), ..Options::default() };
        Transfers::new(Arc::new(FtpConnector::new(clock.clone())), clock, options)
    }

    fn job(&self, remote: &str, local: &str) -> Job<'static> {
        let step = StepSeq(self.steps.fetch_add(1, Ordering::SeqCst) + 1);
        Job {
            site: self.site.clone(),
            remote: RemotePath::parse(remote).unwrap(),
            local: self.root.file(local).unwrap(),
            // A second rename of the same file would be seen as a fault.
            options: TransferOptions { if_exists: IfExists::Fail, ..TransferOptions::default() },
            part: PartName { run: RunId::new(Timestamp(0), [0; 10]), step, item: ItemId(0) },
            log: Arc::<MemoryLog>::default(),
            watch: &Unwatched,
            stop: Stop::new(),
        }
    }

    /// Folders of the servers, without waiting for one that is just started again.
    fn roots(&self) -> Vec<std::path::PathBuf> {
        self.servers.iter().map(|server| server.lock().unwrap().root()).collect()
    }

    /// Fetches a file and looks at what came.
    async fn fetch(&self, transfers: &Transfers, source: usize, number: u64) -> Result<Receipt, Fault> {
        let name = format!("{number}.down");
        let receipt = transfers.download(self.job(&format!("in/{source}.bin"), &name)).await?;
        let path = self.folder.path().join(name);
        assert!(std::fs::read(&path).unwrap() == self.sources[source], "download {number} isn't the source");
        assert_eq!(receipt.digests[0].hex, sha256(&self.sources[source]));
        std::fs::remove_file(path).unwrap();
        Ok(receipt)
    }

    /// Sends a file and looks where it is: on one server, whole.
    async fn send(
        &self,
        transfers: &Transfers,
        roots: &[std::path::PathBuf],
        source: usize,
        number: u64,
    ) -> Result<Receipt, Fault> {
        let name = format!("out/{number}.up");
        let receipt = transfers.upload(self.job(&name, &format!("{source}.src"))).await?;
        let placed: Vec<_> = roots.iter().map(|root| root.join(&name)).filter(|path| path.exists()).collect();
        assert_eq!(placed.len(), 1, "upload {number} is on {} servers", placed.len());
        assert!(
            std::fs::read(&placed[0]).unwrap() == self.sources[source],
            "upload {number} isn't the source"
        );
        // Taken away: whoever put it there once more would be found at the end.
        std::fs::remove_file(&placed[0]).unwrap();
        Ok(receipt)
    }
}

/// Does things to servers until told to leave them alone, then keeps them alive until told to end.
fn torment(servers: &[Arc<Mutex<Server>>], mut chance: Chance, rest: &AtomicBool, end: &mpsc::Receiver<()>) {
    let (mut stalls, mut kills, mut stops) = (0, 0, 0);
    while !rest.load(Ordering::SeqCst) {
        let millis = Duration::from_millis;
        std::thread::sleep(chance.between(millis(300), millis(2500)));
        let which = usize::try_from(chance.below(servers.len() as u64)).unwrap();
        match chance.below(3) {
            0 => {
                stalls += 1;
                servers[which].lock().unwrap().stall().unwrap();
                std::thread::sleep(chance.between(millis(100), millis(5000)));
                servers[which].lock().unwrap().unstall().unwrap();
            }
            kind => {
                if kind == 1 {
                    kills += 1;
                    servers[which].lock().unwrap().kill().unwrap();
                } else {
                    stops += 1;
                    servers[which].lock().unwrap().stop().unwrap();
                }
                std::thread::sleep(chance.between(millis(0), millis(2500)));
                servers[which].lock().unwrap().restart().unwrap();
            }
        }
    }
    println_of_test(&format!("{stalls} stalls, {kills} kills, {stops} stops"));
    let _ = end.recv();
}

#[expect(clippy::print_stderr, reason = "the test's output is where people look")]
fn println_of_test(line: &str) {
    eprintln!("{line}");
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// All names below a folder of the server's, or of ours.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

async fn soak(purpose: &str, kinds: &[Kind]) {
    let life = std::env::var("TESTKIT_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    let life = life.map_or(SOAK, Duration::from_secs);
    let ground = Arc::new(Ground::new(kinds));
    let transfers = ground.transfers();
    let roots = ground.roots();
    // What a process opens once and keeps isn't leaked.
    ground.fetch(&transfers, 2, u64::MAX).await.unwrap();
    ground.send(&transfers, &roots, 2, u64::MAX).await.unwrap();
    transfers.close().await;
    let (descriptors_before, tasks_before) = (descriptors(), tasks());

    let (rest, (end, ended)) = (Arc::new(AtomicBool::new(false)), mpsc::channel());
    let chance = Chance::new(purpose);
    let tormentor = {
        let (servers, rest, chance) = (ground.servers.clone(), rest.clone(), chance.clone());
        std::thread::spawn(move || torment(&servers, chance, &rest, &ended))
    };
    let begin = Instant::now();
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let (ground, transfers, roots) = (ground.clone(), transfers.clone(), roots.clone());
            let mut chance = Chance::from_seed(chance.clone().bits() ^ worker);
            tokio::spawn(async move {
                let transfers = transfers.of_run(&RunId::new(Timestamp(worker), [1; 10]));
                let (mut moved, mut attempts, mut resumed) = (0_u64, 0_u64, 0_u64);
                while begin.elapsed() < life {
                    let number = worker + WORKERS * moved;
                    let source = usize::try_from(chance.below(SIZES.len() as u64)).unwrap();
                    let receipt = match chance.below(2) {
                        0 => ground.fetch(&transfers, source, number).await,
                        _ => ground.send(&transfers, &roots, source, number).await,
                    };
                    let receipt = receipt.unwrap_or_else(|fault| panic!("file {number}: {fault:?}"));
                    attempts += u64::from(receipt.attempts);
                    resumed += u64::from(receipt.resumed_from.0 > 0);
                    moved += 1;
                }
                (moved, attempts, resumed)
            })
        })
        .collect();
    let (mut moved, mut attempts, mut resumed) = (0, 0, 0);
    for worker in workers {
        let done = worker.await.unwrap();
        (moved, attempts, resumed) = (moved + done.0, attempts + done.1, resumed + done.2);
    }
    rest.store(true, Ordering::SeqCst);
    println_of_test(&format!("{moved} files in {attempts} attempts, {resumed} of them resumed"));

    // Whatever was still under way on a server ends with its sessions.
    transfers.close().await;
    drop(transfers);
    let settled = Instant::now();
    while (descriptors(), tasks()) > (descriptors_before, tasks_before)
        && settled.elapsed() < Duration::from_secs(30)
    {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        descriptors() <= descriptors_before,
        "{} descriptors are leaked",
        descriptors() - descriptors_before
    );
    assert!(tasks() <= tasks_before, "{} tasks are leaked", tasks() - tasks_before);
    let ours: Vec<_> =
        names(ground.folder.path()).into_iter().filter(|name| !name.ends_with(".src")).collect();
    assert_eq!(ours, [".secret"], "nothing is left on this side");
    for root in &roots {
        let left = names(&root.join("out"));
        let (parts, files): (Vec<_>, Vec<_>) = left.into_iter().partition(|name| name.ends_with(".part"));
        assert!(files.is_empty(), "these came twice: {files:?}");
        // Clearing up is tried, but no reason to hold a transfer up whose server has just gone.
        println_of_test(&format!("{} parts are left on a server", parts.len()));
        for (index, data) in ground.sources.iter().enumerate() {
            assert!(std::fs::read(root.join(format!("in/{index}.bin"))).unwrap() == *data);
        }
    }
    assert!(
        moved > WORKERS && attempts > moved,
        "{moved} files in {attempts} attempts: nothing was tormented"
    );
    end.send(()).unwrap();
    tormentor.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the servers of `cargo xtask servers`, and root"]
async fn a_site_whose_server_comes_and_goes() {
    soak("outage_tests::one", &[Kind::Vsftpd]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the servers of `cargo xtask servers`, and root"]
async fn a_site_of_two_whose_servers_come_and_go() {
    soak("outage_tests::two", &[Kind::PureFtpd, Kind::PureFtpd]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the servers of `cargo xtask servers`, and root"]
async fn one_of_two_servers_killed_in_the_middle_of_everything() {
    let ground = Ground::new(&[Kind::Proftpd, Kind::Proftpd]);
    let (transfers, roots) = (ground.transfers(), ground.roots());
    ground.fetch(&transfers, 2, 0).await.unwrap();
    transfers.close().await;
    let (descriptors_before, tasks_before) = (descriptors(), tasks());
    let downs = (1..=6).map(|number| ground.fetch(&transfers, 5, number));
    let ups = (1..=6).map(|number| ground.send(&transfers, &roots, 5, number));
    let kill = async {
        // All have come to the middle of their 5 MiB by then, and none to its end.
        let begun = || names(ground.folder.path()).iter().filter(|name| name.ends_with(".part")).count() == 6;
        while !begun() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(400)).await;
        ground.servers[0].lock().unwrap().kill().unwrap();
    };
    let (downs, ups, ()) =
        futures::join!(futures::future::join_all(downs), futures::future::join_all(ups), kill);
    let downs: Vec<_> = downs.into_iter().map(|receipt| receipt.unwrap()).collect();
    let ups: Vec<_> = ups.into_iter().map(|receipt| receipt.unwrap()).collect();
    let moved_on = |receipts: &[Receipt]| receipts.iter().filter(|receipt| receipt.attempts > 1).count();
    assert!(moved_on(&downs) > 0 && moved_on(&ups) > 0, "{downs:?}\n{ups:?}");
    assert!(downs.iter().any(|receipt| receipt.resumed_from.0 > 0), "{downs:?}");
    let left = names(&roots[0].join("out"));
    assert!(left.iter().all(|name| name.ends_with(".part")), "a half file: {left:?}");
    assert!(names(&roots[1].join("out")).is_empty());
    assert_eq!(transfers.servers(&ground.site)[0].parts_left, left.len());

    // When it is back, what was left there goes.
    ground.servers[0].lock().unwrap().restart().unwrap();
    let root = RemotePath::default();
    while transfers.servers(&ground.site)[0].parts_left > 0 {
        transfers.stat(&ground.site, &root).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let left = names(&roots[0].join("out"));
    assert!(left.is_empty(), "{left:?}");
    transfers.close().await;
    drop(transfers);
    while (descriptors(), tasks()) > (descriptors_before, tasks_before) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
