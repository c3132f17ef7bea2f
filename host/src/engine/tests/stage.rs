//! A stage for whole runs: the embedded server, a granted folder, a state, and processes that come and go.
//!
//! A process is a tokio runtime here. Dropping it ends its tasks at whatever they await, without a
//! word to anybody; the state, the granted folder and the server stay.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;
use testkit::layout;
use tokio::runtime::Runtime;

use super::world::guest;
use crate::clock::{Clock, SystemClock};
use crate::engine::{Engine, EngineOptions, ResumeOptions, RunHandle, RunSpec, Sites};
use crate::ftpd;
use crate::journal::{MemoryStore, Store};
use crate::model::{
    Fault, FolderGrant, Grants, RetryPolicy, RunId, RunOutcome, SecretRef, Site, SiteLimits, TlsMode,
    TlsPolicy,
};
use crate::transfer::ftp::FtpConnector;
use crate::transfer::{Options, Transfers};
use crate::wasm;

/// Longer than any run of these tests takes.
pub(super) const LONG: Duration = Duration::from_secs(120);

/// What outlives a process: the state, the server, and both folders.
pub(super) struct Stage {
    home: tempfile::TempDir,
    store: Arc<dyn Store>,
    site: Arc<Site>,
    /// The policy of the configuration, under whatever name.
    pub(super) policy: Arc<Mutex<Option<RetryPolicy>>>,
    /// Keeps the server's tasks alive.
    _server: (Runtime, ftpd::Handle),
}

/// One server under whatever name, and one retry policy that a test may change.
struct OneSite(Arc<Site>, Arc<Mutex<Option<RetryPolicy>>>);

impl Sites for OneSite {
    fn site(&self, _: &str, _: &Grants) -> Result<Arc<Site>, Fault> {
        Ok(Arc::clone(&self.0))
    }

    fn retry_policy(&self, _: &str, _: &Grants) -> Result<Option<RetryPolicy>, Fault> {
        Ok(self.1.lock().unwrap().clone())
    }
}

impl Stage {
    pub(super) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        for folder in ["served", "served/in", "local"] {
            std::fs::create_dir(at(folder)).unwrap();
        }
        std::fs::write(at("password"), "open sesame").unwrap();
        let runtime = runtime();
        let options = ftpd::Options {
            root: at("served"),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            user: "oracle".to_owned(),
            password: SecretString::from("open sesame"),
            tls: None,
            passive_ports: None,
            effect_log: None,
        };
        let server = runtime.block_on(ftpd::Server::start(options)).unwrap();
        let site = Arc::new(site(server.address(), &at("password")));
        Self {
            home,
            store: Arc::new(MemoryStore::default()),
            site,
            policy: Arc::default(),
            _server: (runtime, server),
        }
    }

    pub(super) fn served(&self) -> std::path::PathBuf {
        self.home.path().join("served")
    }

    pub(super) fn local(&self) -> std::path::PathBuf {
        self.home.path().join("local")
    }

    pub(super) fn process(&self) -> Process {
        let runtime = runtime();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let connect = Arc::new(FtpConnector::new(Arc::clone(&clock)));
        let options = EngineOptions {
            store: Arc::clone(&self.store),
            transfers: Transfers::new(connect, Arc::clone(&clock), Options::default()),
            clock,
            sites: Arc::new(OneSite(Arc::clone(&self.site), Arc::clone(&self.policy))),
            wasm: wasm::Options {
                cache: Some(layout::target().join("tmp/engine-tests-cache")),
                ..wasm::Options::default()
            },
            listener: None,
        };
        let engine = runtime.block_on(Engine::open(options)).unwrap();
        Process { runtime, engine }
    }

    pub(super) fn grants(&self) -> Grants {
        Grants {
            sites: vec!["acme".to_owned(), "shop".to_owned()],
            folders: vec![FolderGrant { name: "data".to_owned(), path: self.local() }],
            config: None,
        }
    }
}

pub(super) struct Process {
    pub(super) runtime: Runtime,
    pub(super) engine: Engine,
}

impl Process {
    pub(super) fn submit(&self, name: &str, input: Value, grants: Grants) -> RunHandle {
        let spec = RunSpec {
            run: None,
            component: guest(name),
            name: name.to_owned(),
            input,
            grants,
            rate_limit: None,
        };
        self.runtime.block_on(self.engine.submit(spec)).unwrap()
    }

    pub(super) fn resume(&self, run: &RunId) -> RunHandle {
        self.runtime.block_on(self.engine.resume(run, ResumeOptions::default())).unwrap()
    }

    /// Waits for the end, for so long.
    pub(super) fn wait(&self, handle: &RunHandle, life: Duration) -> Option<RunOutcome> {
        self.runtime.block_on(async { tokio::time::timeout(life, handle.outcome()).await.ok() })
    }

    /// Ends everything at once. A write that a thread has begun is waited for: a killed process
    /// can't write any more when the next one looks.
    pub(super) fn kill(self) {
        drop(self.engine);
        self.runtime.shutdown_timeout(Duration::from_secs(10));
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn site(address: SocketAddr, password: &Path) -> Site {
    Site {
        user: "oracle".to_owned(),
        password: Some(SecretRef::File(password.to_owned())),
        tls: TlsPolicy::new(TlsMode::None),
        limits: SiteLimits { settle: Duration::ZERO, ..SiteLimits::default() },
        retry: RetryPolicy { initial_delay_ms: 10, max_delay_ms: 100, ..RetryPolicy::default() },
        ..Site::new("acme", address.ip().to_string(), address.port())
    }
}

pub(super) fn done(outcome: Option<RunOutcome>) -> Value {
    match outcome {
        Some(RunOutcome::Done { output }) => serde_json::from_str(&output).unwrap(),
        other => panic!("{other:?}"),
    }
}
