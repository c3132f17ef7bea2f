//! The transfer layer alone as a client, without workflow or journal.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_host::clock::SystemClock;
use orchestrator_host::model::{
    ByteCount, Fault, ItemId, Jitter, Receipt, RemotePath, RetryPolicy, RunId, SecretRef, Select, Site,
    SiteLimits, StepSeq, Timestamp, TlsMode, TlsPolicy, TransferOptions,
};
use orchestrator_host::transfer::ftp::FtpConnector;
use orchestrator_host::transfer::{
    Job, ListItem, LocalRoot, MemoryLog, Options, PartName, Stop, Transfers, Unwatched,
};
use tempfile::TempDir;
use testkit::servers::PASSWORD;

/// Where a server is, and how to log in.
pub struct Place {
    pub address: SocketAddr,
    pub user: &'static str,
    /// The folder that is the site's root.
    pub root: &'static str,
    /// When TLS begins.
    pub tls: TlsMode,
    /// PEM of the authority that vouches for the server.
    pub authority: Vec<u8>,
}

/// A folder on this side, a site, and the transfers of one process between them.
pub struct Client {
    folder: TempDir,
    root: LocalRoot,
    pub site: Arc<Site>,
    pub transfers: Transfers,
}

impl Client {
    /// A client with the deadlines and attempts of a site whose configuration says nothing of them, but
    /// with short waits between attempts.
    pub fn new(place: &Place) -> Self {
        // The granted folder is one of two: what is written beside it is found.
        let folder = tempfile::tempdir().unwrap();
        let granted = folder.path().join("granted");
        std::fs::create_dir(&granted).unwrap();
        let root = LocalRoot::open("dir", &granted).unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, PASSWORD).unwrap();
        let authority = folder.path().join("authority.pem");
        std::fs::write(&authority, &place.authority).unwrap();
        let site = Site {
            user: place.user.to_owned(),
            password: Some(SecretRef::File(secret)),
            root: place.root.to_owned(),
            tls: TlsPolicy { ca_file: Some(authority), ..TlsPolicy::new(place.tls) },
            limits: SiteLimits { settle: Duration::from_millis(100), ..SiteLimits::default() },
            retry: RetryPolicy {
                initial_delay_ms: 5,
                max_delay_ms: 20,
                jitter: Jitter::None,
                ..RetryPolicy::default()
            },
            ..Site::new("peer", place.address.ip().to_string(), place.address.port())
        };
        Self { folder, root, site: Arc::new(site), transfers: Self::transfers() }
    }

    /// What a process has that has just started.
    pub fn transfers() -> Transfers {
        let clock = Arc::new(SystemClock::new());
        let options =
            Options { commit_bytes: ByteCount(512 * 1024), overlap: ByteCount(1000), ..Options::default() };
        Transfers::new(Arc::new(FtpConnector::new(clock.clone())), clock, options)
    }

    /// Changes the site.
    pub fn with_site(mut self, change: impl FnOnce(&mut Site)) -> Self {
        change(Arc::make_mut(&mut self.site));
        self
    }

    /// A transfer between a remote and a local name.
    pub fn job(&self, remote: &str, local: &str, number: u64) -> Job<'static> {
        Job {
            site: self.site.clone(),
            remote: path(remote),
            local: self.root.file(local).unwrap(),
            options: TransferOptions::default(),
            part: PartName { run: RunId::new(Timestamp(0), [0; 10]), step: StepSeq(number), item: ItemId(0) },
            log: Arc::new(MemoryLog::default()),
            watch: &Unwatched,
            stop: Stop::new(),
        }
    }

    pub async fn pull(&self, remote: &str, local: &str) -> Result<Receipt, Fault> {
        self.transfers.download(self.job(remote, local, 1)).await
    }

    pub async fn push(&self, local: &str, remote: &str) -> Result<Receipt, Fault> {
        self.transfers.upload(self.job(remote, local, 2)).await
    }

    /// The names of a listing, and how many lines weren't understood.
    pub async fn list(&self, folder: &str, deep: bool) -> Result<(BTreeSet<String>, usize), Fault> {
        let (mut names, mut odd) = (BTreeSet::new(), 0);
        let mut sink = |item| match item {
            ListItem::Entry(entry) => {
                names.insert(entry.path.rsplit('/').next().unwrap_or("").to_owned());
            }
            ListItem::Unparsed(_) => odd += 1,
        };
        self.transfers.list(&self.site, &path(folder), &Select::of(None, deep), &mut sink).await?;
        Ok((names, odd))
    }

    pub fn write(&self, name: &str, data: &[u8]) {
        std::fs::write(self.granted().join(name), data).unwrap();
    }

    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.granted().join(name)).ok()
    }

    pub fn granted(&self) -> std::path::PathBuf {
        self.folder.path().join("granted")
    }

    /// Everything in the granted folder.
    pub fn names(&self) -> Vec<String> {
        names_in(&self.granted())
    }

    /// Everything around the granted folder that this client didn't put there itself.
    pub fn names_outside(&self) -> Vec<String> {
        let own = ["authority.pem", "granted", "secret"];
        names_in(self.folder.path()).into_iter().filter(|name| !own.contains(&name.as_str())).collect()
    }
}

pub fn path(text: &str) -> RemotePath {
    RemotePath::parse(text).unwrap()
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The most memory that this process has had since it was asked last, in bytes.
pub fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    // 5: the peak begins again at what there is (proc_pid_clear_refs(5)).
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
