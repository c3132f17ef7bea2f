//! A client of a scripted server: the transfer layer alone, with deadlines that a test can wait for.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_host::clock::SystemClock;
use orchestrator_host::model::{
    ByteCount, DataMode, Fault, ItemId, Jitter, Receipt, RemotePath, RetryPolicy, RunId, SecretRef, Site,
    SiteLimits, StepSeq, Timestamp, TlsMode, TlsPolicy, TlsVerify, TransferOptions,
};
use orchestrator_host::transfer::ftp::FtpConnector;
use orchestrator_host::transfer::{
    Job, ListItem, LocalRoot, MemoryLog, Options, PartName, Stop, Transfers, Unwatched,
};
use tempfile::TempDir;
use testkit::scripted::{PASSWORD, Scripted, USER};

/// For a connection, a greeting, a reply, and the next byte of data.
pub const DEADLINE: Duration = Duration::from_secs(1);
/// For a final reply.
pub const FINAL_DEADLINE: Duration = Duration::from_secs(3);

/// A folder on this side, a site, and the transfers of one process between them.
pub struct Client {
    folder: TempDir,
    root: LocalRoot,
    pub site: Arc<Site>,
    pub transfers: Transfers,
}

impl Client {
    /// A client that is to use TLS where the server has it, and the site's retry policy of `attempts`.
    pub fn of(server: &Scripted, tls: bool, attempts: u32) -> Self {
        // The granted folder is one of two: what is written beside it is found.
        let folder = tempfile::tempdir().unwrap();
        let granted = folder.path().join("granted");
        std::fs::create_dir(&granted).unwrap();
        let root = LocalRoot::open("dir", &granted).unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, PASSWORD).unwrap();
        let authority = folder.path().join("authority.pem");
        std::fs::write(&authority, server.authority().unwrap_or_default()).unwrap();
        let site = Site {
            name: "scripted".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: server.address().port(),
            user: USER.to_owned(),
            password: Some(SecretRef::File(secret)),
            root: String::new(),
            tls: TlsPolicy {
                mode: if tls { TlsMode::Explicit } else { TlsMode::None },
                verify: TlsVerify::Full,
                ca_file: Some(authority),
                client_cert: None,
                client_key: None,
            },
            mode: DataMode::Passive,
            limits: SiteLimits {
                reply: DEADLINE,
                connect: DEADLINE,
                idle: DEADLINE,
                final_reply: FINAL_DEADLINE,
                settle: Duration::from_millis(50),
                ..SiteLimits::default()
            },
            retry: RetryPolicy {
                max_attempts: Some(attempts),
                initial_delay_ms: 5,
                max_delay_ms: 20,
                jitter: Jitter::None,
                ..RetryPolicy::default()
            },
        };
        Self { folder, root, site: Arc::new(site), transfers: Self::transfers() }
    }

    fn transfers() -> Transfers {
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
        self.transfers.list(&self.site, &path(folder), None, deep, &mut sink).await?;
        Ok((names, odd))
    }

    pub fn write(&self, name: &str, data: &[u8]) {
        std::fs::write(self.granted().join(name), data).unwrap();
    }

    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.granted().join(name)).ok()
    }

    fn granted(&self) -> std::path::PathBuf {
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
