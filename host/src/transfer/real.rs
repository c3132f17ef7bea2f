//! The algorithms against real servers, the client dropped at random moments. These need the servers
//! that `cargo xtask servers` fetches, and root, so plain `cargo test` leaves them out:
//! `cargo test -p orchestrator-host --lib transfer::real -- --ignored`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use testkit::chance::Chance;
use testkit::servers::{Kind, Options as ServerOptions, PASSWORD, Server, Tls};

use super::fake::{noise, sha256};
use super::ftp::FtpConnector;
use super::{Evidence, Job, LocalRoot, MemoryLog, Options, PartName, Stop, Transfers, Unwatched};
use crate::clock::SystemClock;
use crate::model::{
    ByteCount, ItemId, RemotePath, RetryPolicy, RunId, SecretRef, Site, SiteLimits, StepSeq, Timestamp,
    TlsMode, TlsPolicy, TransferOptions,
};

/// A server, a folder on this side, and the site between them.
pub(super) struct Ground {
    pub(super) server: Server,
    pub(super) folder: tempfile::TempDir,
    root: LocalRoot,
    pub(super) site: Arc<Site>,
    pub(super) options: Options,
}

impl Ground {
    pub(super) fn new(kind: Kind, tls: Tls, bytes_per_second: Option<u64>) -> Self {
        Self::with(kind, ServerOptions { tls, bytes_per_second, ..ServerOptions::default() })
    }

    pub(super) fn with(kind: Kind, options: ServerOptions) -> Self {
        let tls = options.tls;
        let server = Server::start(kind, &options).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let root = LocalRoot::open("dir", folder.path()).unwrap();
        let secret = folder.path().join(".secret");
        std::fs::write(&secret, PASSWORD).unwrap();
        let site = Site {
            user: server.user().to_owned(),
            password: Some(SecretRef::File(secret)),
            root: "data".into(),
            tls: TlsPolicy {
                ca_file: (tls != Tls::None).then(|| server.certificate().authority.clone()),
                ..TlsPolicy::new(match tls {
                    Tls::None => TlsMode::None,
                    Tls::Explicit => TlsMode::Explicit,
                    Tls::Implicit => TlsMode::Implicit,
                })
            },
            limits: SiteLimits { settle: Duration::from_millis(300), ..SiteLimits::default() },
            retry: RetryPolicy { initial_delay_ms: 50, ..RetryPolicy::default() },
            ..Site::new(kind.to_string(), server.address().ip().to_string(), server.address().port())
        };
        let options = Options { commit_bytes: ByteCount(1 << 20), ..Options::default() };
        Self { server, folder, root, site: Arc::new(site), options }
    }

    /// A process that has just started.
    pub(super) fn transfers(&self) -> Transfers {
        let clock = Arc::new(SystemClock::new());
        Transfers::new(Arc::new(FtpConnector::new(clock.clone())), clock, self.options.clone())
    }

    pub(super) fn job(&self, remote: &str, local: &str, step: u64, log: &Arc<MemoryLog>) -> Job<'static> {
        Job {
            site: self.site.clone(),
            remote: RemotePath::parse(remote).unwrap(),
            local: self.root.file(local).unwrap(),
            options: TransferOptions::default(),
            part: PartName { run: RunId::new(Timestamp(0), [0; 10]), step: StepSeq(step), item: ItemId(0) },
            log: log.clone(),
            watch: &Unwatched,
            stop: Stop::new(),
        }
    }
}

/// All names below a folder but the secret's.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != ".secret")
        .collect();
    names.sort();
    names
}

/// Downloads and uploads a file, dropped up to five times on the way each, again and again.
async fn torment(kind: Kind, tls: Tls, rounds: u64) {
    let ground = Ground::new(kind, tls, Some(20 << 20));
    let mut chance = Chance::new("transfer::real");
    for round in 0..rounds {
        let data = noise(usize::try_from(chance.below(4 << 20)).unwrap());
        ground.server.put("in.bin", &data).unwrap();
        for up in [false, true] {
            let log = Arc::new(MemoryLog::default());
            let mut drops = 0;
            let receipt = loop {
                let transfers = ground.transfers();
                let job = match up {
                    false => ground.job("in.bin", "a.bin", 2 * round, &log),
                    true => ground.job("out/a.bin", "a.bin", 2 * round + 1, &log),
                };
                let life = match drops {
                    5 => Duration::from_secs(60),
                    _ => chance.between(Duration::from_millis(1), Duration::from_millis(400)),
                };
                let moved =
                    async { if up { transfers.upload(job).await } else { transfers.download(job).await } };
                match tokio::time::timeout(life, moved).await {
                    Ok(receipt) => {
                        break receipt.unwrap_or_else(|fault| {
                            panic!("{kind} up {up} round {round}: {fault:?}\n{}", ground.server.logs())
                        });
                    }
                    Err(_) => drops += 1,
                }
            };
            let what = format!("{kind} {tls:?} up {up} round {round} after {drops} drops");
            assert_eq!(receipt.bytes.0, data.len() as u64, "{what}");
            assert_eq!(receipt.digests[0].hex, sha256(&data), "{what}");
            assert_eq!(std::fs::read(ground.folder.path().join("a.bin")).unwrap(), data, "{what}");
            assert_eq!(names(ground.folder.path()), ["a.bin"], "{what}");
            if up {
                let out = ground.server.root().join("out");
                assert_eq!(std::fs::read(out.join("a.bin")).unwrap(), data, "{what}");
                assert_eq!(names(&out), ["a.bin"], "{what}");
            }
        }
    }
    let transfers = ground.transfers();
    let (from, to) = (RemotePath::parse("out/a.bin").unwrap(), RemotePath::parse("out/b.bin").unwrap());
    let evidence = transfers.plan_rename(&ground.site, &from, &to, None).await.unwrap();
    let evidence = Evidence::from_bytes(&evidence.to_bytes().unwrap()).unwrap();
    transfers.rename(&ground.site, &from, &to, &evidence, false).await.unwrap();
    // As if the reply had been lost with the process.
    transfers.rename(&ground.site, &from, &to, &evidence, true).await.unwrap();
    let evidence = transfers.plan_remove(&ground.site, &to, None).await.unwrap();
    transfers.remove(&ground.site, &to, &evidence, false).await.unwrap();
    transfers.remove(&ground.site, &to, &evidence, true).await.unwrap();
    assert!(names(&ground.server.root().join("out")).is_empty());
    transfers.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the servers of `cargo xtask servers`, and root"]
async fn vsftpd() {
    torment(Kind::Vsftpd, Tls::None, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the servers of `cargo xtask servers`, and root"]
async fn proftpd() {
    torment(Kind::Proftpd, Tls::None, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the servers of `cargo xtask servers`, and root"]
async fn pure_ftpd() {
    torment(Kind::PureFtpd, Tls::None, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the servers of `cargo xtask servers`, and root"]
async fn vsftpd_over_tls() {
    torment(Kind::Vsftpd, Tls::Explicit, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the servers of `cargo xtask servers`, and root"]
async fn proftpd_over_tls() {
    torment(Kind::Proftpd, Tls::Explicit, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the servers of `cargo xtask servers`, and root"]
async fn pure_ftpd_over_tls() {
    torment(Kind::PureFtpd, Tls::Explicit, 6).await;
}
