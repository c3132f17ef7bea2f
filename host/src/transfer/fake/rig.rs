//! A server, a folder, a log and a clock, and jobs between them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use sha2::Digest as _;
use tokio::sync::watch;

use super::server::Server;
use super::session::{Dialer, SECOND};
use crate::clock::Clock;
use crate::model::{
    Balance, ByteCount, Endpoint, Fault, ItemId, Receipt, RemotePath, RunId, Servers, Site, StepSeq,
    Timestamp, TlsMode, TlsPolicy, TransferOptions,
};
use crate::transfer::{
    Job, LocalRoot, MemoryLog, Options, PartName, Stop, TransferLog, Transfers, Unwatched, Watch,
};

/// Ends the client at a step: from there on nothing it does goes on, and the test drops it.
#[derive(Clone, Debug, Default)]
pub(in crate::transfer) struct Fuse {
    inner: Arc<FuseState>,
}

#[derive(Debug, Default)]
struct FuseState {
    passed: AtomicU64,
    blow_at: AtomicU64,
    blown: watch::Sender<bool>,
}

impl Fuse {
    /// Blows at the `step`-th step from now, counted from 1; never for 0.
    pub(in crate::transfer) fn set(&self, step: u64) {
        self.inner.passed.store(0, Ordering::SeqCst);
        self.inner.blow_at.store(step, Ordering::SeqCst);
        self.inner.blown.send_replace(false);
    }

    /// How many steps have passed.
    pub(in crate::transfer) fn passed(&self) -> u64 {
        self.inner.passed.load(Ordering::SeqCst)
    }

    pub(super) async fn step(&self) {
        let passed = self.inner.passed.fetch_add(1, Ordering::SeqCst) + 1;
        let blow_at = self.inner.blow_at.load(Ordering::SeqCst);
        if blow_at != 0 && passed >= blow_at {
            self.inner.blown.send_replace(true);
            std::future::pending::<()>().await;
        }
    }

    /// What `work` gives, or `None` when the fuse blew first; then `work` is dropped as it stands.
    pub(in crate::transfer) async fn guard<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut blown = self.inner.blown.subscribe();
        tokio::select! {
            result = work => Some(result),
            _ = blown.wait_for(|blown| *blown) => None,
        }
    }
}

/// A log that outlives the client, and passes the fuse before and after every write.
struct FusedLog {
    log: Arc<MemoryLog>,
    fuse: Fuse,
}

#[async_trait]
impl TransferLog for FusedLog {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        self.log.get(key).await
    }

    async fn scan(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, Fault> {
        self.log.scan(prefix).await
    }

    async fn put(&self, writes: Vec<(String, Option<Vec<u8>>)>) -> Result<(), Fault> {
        for (key, value) in &writes {
            assert!(key.len() <= 32, "the key {key} is too long");
            assert!(value.as_ref().is_none_or(|value| value.len() <= 4096), "the value of {key} is too long");
        }
        self.fuse.step().await;
        self.log.put(writes).await?;
        self.fuse.step().await;
        Ok(())
    }
}

/// Time that goes on by as much as anybody sleeps, and hardly takes any.
#[derive(Debug, Default)]
struct QuickClock {
    millis: AtomicU64,
    slept: Mutex<Vec<Duration>>,
}

#[async_trait]
impl Clock for QuickClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_800_000_000_000 + self.millis.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.millis.load(Ordering::SeqCst))
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration.min(Duration::from_millis(1))).await;
        self.slept.lock().unwrap().push(duration);
        self.millis.fetch_add(u64::try_from(duration.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

/// Everything that a transfer needs.
pub(in crate::transfer) struct Rig {
    pub(in crate::transfer) server: Server,
    /// The other server of a site that has two.
    pub(in crate::transfer) second: Server,
    pub(in crate::transfer) fuse: Fuse,
    pub(in crate::transfer) folder: tempfile::TempDir,
    pub(in crate::transfer) root: LocalRoot,
    pub(in crate::transfer) log: Arc<MemoryLog>,
    pub(in crate::transfer) site: Site,
    pub(in crate::transfer) stop: Stop,
    pub(in crate::transfer) options: Options,
    clock: Arc<QuickClock>,
}

impl Rig {
    pub(in crate::transfer) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = LocalRoot::open("dir", folder.path()).unwrap();
        Self {
            server: Server::default(),
            second: Server::default(),
            fuse: Fuse::default(),
            root,
            folder,
            log: Arc::default(),
            site: site(),
            stop: Stop::new(),
            options: Options {
                commit_bytes: ByteCount(Options::COMMIT_BYTES_MIN),
                overlap: ByteCount(1000),
                ..Options::default()
            },
            clock: Arc::default(),
        }
    }

    /// A site with two servers, as `localhost:21` and `second:21`.
    pub(in crate::transfer) fn of_two(balance: Balance, shared_storage: bool) -> Self {
        let mut rig = Self::new();
        if shared_storage {
            rig.second = rig.server.clone();
        }
        let endpoints =
            ["localhost", SECOND].map(|host| Endpoint { host: host.to_owned(), port: 21, weight: 1 });
        let endpoints = endpoints.to_vec();
        rig.site.servers =
            Servers { endpoints, balance, shared_storage, time_tolerance: Duration::from_secs(2) };
        rig
    }

    /// A process that has just started: its pool is empty.
    pub(in crate::transfer) fn transfers(&self) -> Transfers {
        let (server, second) = (self.server.clone(), self.second.clone());
        let dialer = Dialer { server, second, fuse: self.fuse.clone() };
        Transfers::new(Arc::new(dialer), self.clock.clone(), self.options.clone())
    }

    pub(in crate::transfer) fn job<'a>(
        &self,
        remote: &str,
        local: &str,
        options: TransferOptions,
        watch: &'a dyn Watch,
    ) -> Job<'a> {
        Job {
            site: Arc::new(self.site.clone()),
            remote: RemotePath::parse(remote).unwrap(),
            local: self.root.file(local).unwrap(),
            options,
            part: PartName { run: RunId::new(Timestamp(0), [0; 10]), step: StepSeq(1), item: ItemId(0) },
            log: Arc::new(FusedLog { log: self.log.clone(), fuse: self.fuse.clone() }),
            watch,
            stop: self.stop.clone(),
        }
    }

    /// A download in a process of its own; `None` when the fuse blew.
    pub(in crate::transfer) async fn download(
        &self,
        remote: &str,
        local: &str,
        options: TransferOptions,
    ) -> Option<Result<Receipt, Fault>> {
        let transfers = self.transfers();
        self.fuse.guard(transfers.download(self.job(remote, local, options, &Unwatched))).await
    }

    /// An upload in a process of its own; `None` when the fuse blew.
    pub(in crate::transfer) async fn upload(
        &self,
        remote: &str,
        local: &str,
        options: TransferOptions,
    ) -> Option<Result<Receipt, Fault>> {
        let transfers = self.transfers();
        self.fuse.guard(transfers.upload(self.job(remote, local, options, &Unwatched))).await
    }

    /// Lets time pass.
    pub(in crate::transfer) async fn pass(&self, time: Duration) {
        self.clock.sleep(time).await;
    }

    /// The content of a local file.
    pub(in crate::transfer) fn read(&self, path: &str) -> Option<Vec<u8>> {
        std::fs::read(self.folder.path().join(path)).ok()
    }

    /// All names in the local folder.
    pub(in crate::transfer) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// How long was slept for so far, all waits together.
    pub(in crate::transfer) fn slept(&self) -> Vec<Duration> {
        self.clock.slept.lock().unwrap().clone()
    }
}

fn site() -> Site {
    Site { user: "me".into(), tls: TlsPolicy::new(TlsMode::None), ..Site::new("here", "localhost", 21) }
}

/// Bytes without a pattern, always the same.
pub(in crate::transfer) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}

/// SHA-256 in hexadecimal digits.
pub(in crate::transfer) fn sha256(bytes: &[u8]) -> String {
    crate::model::Digest::from_bytes(crate::model::HashAlgorithm::Sha256, &sha2::Sha256::digest(bytes)).hex
}
