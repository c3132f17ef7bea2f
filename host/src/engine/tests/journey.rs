//! The guest `oracle` over the embedded server: through every kind of effect, killed at random.
//!
//! A process is a tokio runtime here. Dropping it ends its tasks at whatever they await, without a
//! word to anybody; the state, the granted folder and the server stay.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use testkit::chance::Chance;
use testkit::journey::Journey;
use testkit::witness::Witness;
use testkit::{layout, oracle};
use tokio::runtime::Runtime;

use super::world::guest;
use crate::clock::{Clock, SystemClock};
use crate::engine::{Engine, EngineOptions, ResumeOptions, RunHandle, RunSpec, Sites};
use crate::ftpd;
use crate::journal::{MemoryStore, Store};
use crate::model::{
    DataMode, Fault, FolderGrant, Grants, RetryPolicy, RunId, RunOutcome, SecretRef, Site, SiteLimits,
    TlsMode, TlsPolicy, TlsVerify,
};
use crate::transfer::ftp::FtpConnector;
use crate::transfer::{Options, Transfers};
use crate::wasm;

/// What outlives a process: the state, the server, and both folders.
struct Stage {
    home: tempfile::TempDir,
    store: Arc<dyn Store>,
    site: Arc<Site>,
    /// Keeps the server's tasks alive.
    server: (Runtime, ftpd::Handle),
}

struct OneSite(Arc<Site>);

impl Sites for OneSite {
    fn site(&self, _: &str, _: &Grants) -> Result<Arc<Site>, Fault> {
        Ok(Arc::clone(&self.0))
    }
}

impl Stage {
    fn new() -> Self {
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
        Self { home, store: Arc::new(MemoryStore::default()), site, server: (runtime, server) }
    }

    fn served(&self) -> std::path::PathBuf {
        self.home.path().join("served")
    }

    fn local(&self) -> std::path::PathBuf {
        self.home.path().join("local")
    }

    fn process(&self) -> Process {
        let runtime = runtime();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let connect = Arc::new(FtpConnector::new(Arc::clone(&clock)));
        let options = EngineOptions {
            store: Arc::clone(&self.store),
            transfers: Transfers::new(connect, Arc::clone(&clock), Options::default()),
            clock,
            sites: Arc::new(OneSite(Arc::clone(&self.site))),
            wasm: wasm::Options {
                cache: Some(layout::target().join("tmp/engine-tests-cache")),
                ..wasm::Options::default()
            },
        };
        let engine = runtime.block_on(Engine::open(options)).unwrap();
        Process { runtime, engine }
    }

    fn grants(&self) -> Grants {
        Grants {
            sites: vec!["acme".to_owned()],
            folders: vec![FolderGrant { name: "data".to_owned(), path: self.local() }],
            config: None,
        }
    }
}

struct Process {
    runtime: Runtime,
    engine: Engine,
}

impl Process {
    fn submit(&self, name: &str, input: Value, grants: Grants) -> RunHandle {
        let spec = RunSpec { component: guest(name), name: name.to_owned(), input, grants };
        self.runtime.block_on(self.engine.submit(spec)).unwrap()
    }

    fn resume(&self, run: &RunId) -> RunHandle {
        self.runtime.block_on(self.engine.resume(run, ResumeOptions::default())).unwrap()
    }

    /// Waits for the end, for so long.
    fn wait(&self, handle: &RunHandle, life: Duration) -> Option<RunOutcome> {
        self.runtime.block_on(async { tokio::time::timeout(life, handle.outcome()).await.ok() })
    }

    fn kill(self) {
        drop(self.engine);
        self.runtime.shutdown_background();
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn site(address: SocketAddr, password: &Path) -> Site {
    Site {
        name: "acme".to_owned(),
        host: address.ip().to_string(),
        port: address.port(),
        user: "oracle".to_owned(),
        password: Some(SecretRef::File(password.to_owned())),
        root: String::new(),
        tls: TlsPolicy {
            mode: TlsMode::None,
            verify: TlsVerify::Full,
            ca_file: None,
            client_cert: None,
            client_key: None,
        },
        mode: DataMode::Passive,
        limits: SiteLimits { settle: Duration::ZERO, ..SiteLimits::default() },
        retry: RetryPolicy { initial_delay_ms: 10, max_delay_ms: 100, ..RetryPolicy::default() },
    }
}

fn done(outcome: Option<RunOutcome>) -> Value {
    match outcome {
        Some(RunOutcome::Done { output }) => serde_json::from_str(&output).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn input() -> Value {
    json!({"site": "acme", "local": "data/oracle", "parallel": 3})
}

const LONG: Duration = Duration::from_secs(120);

#[test]
fn an_undisturbed_journey_ends_as_it_should() {
    let stage = Stage::new();
    let journey = Journey::of(oracle::flat());
    oracle::write(journey.files(), &stage.served().join("in")).unwrap();
    let witness = Witness::watch(&stage.served()).unwrap();
    let process = stage.process();
    let handle = process.submit("oracle", input(), stage.grants());
    let report = done(process.wait(&handle, LONG));
    assert_eq!((report["files"].as_u64(), report["resent"].as_u64()), (Some(20), Some(0)));
    journey.judge_end(&stage.served(), &stage.local().join("oracle")).unwrap();
    journey.judge_effects(&witness.testimony().unwrap()).unwrap();
    process.kill();
    drop(stage.server);
}

#[test]
fn kills_at_any_time_change_nothing() {
    let stage = Stage::new();
    let journey = Journey::of(oracle::flat());
    oracle::write(journey.files(), &stage.served().join("in")).unwrap();
    let witness = Witness::watch(&stage.served()).unwrap();
    let mut chance = Chance::new("the engine's kills");
    let mut process = stage.process();
    let mut handle = process.submit("oracle", input(), stage.grants());
    let run = handle.id().clone();
    let mut kills = 0;
    let outcome = loop {
        // Once it has been killed often, it may come to its end.
        let life = match kills {
            0..25 => chance.between(Duration::from_millis(5), Duration::from_millis(250)),
            _ => LONG,
        };
        let outcome = process.wait(&handle, life);
        if outcome.is_some() {
            break outcome;
        }
        process.kill();
        kills += 1;
        process = stage.process();
        handle = process.resume(&run);
    };
    done(outcome);
    assert!(kills > 2, "it was killed {kills} times only");
    journey.judge_end(&stage.served(), &stage.local().join("oracle")).unwrap();
    journey.judge_effects(&witness.testimony().unwrap()).unwrap();
    process.kill();
}

#[test]
fn an_interrupted_run_commits_what_it_has() {
    let stage = Stage::new();
    let journey = Journey::of(oracle::flat());
    oracle::write(journey.files(), &stage.served().join("in")).unwrap();
    let first = stage.process();
    let handle = first.submit("oracle", input(), stage.grants());
    std::thread::sleep(Duration::from_millis(60));
    first.runtime.block_on(first.engine.stop());
    let ended = first.wait(&handle, Duration::ZERO).unwrap();
    first.kill();
    assert!(matches!(ended, RunOutcome::Interrupted | RunOutcome::Done { .. }), "{ended:?}");
    if ended == RunOutcome::Interrupted {
        let second = stage.process();
        let handle = second.resume(handle.id());
        done(second.wait(&handle, LONG));
        second.kill();
    }
    journey.judge_end(&stage.served(), &stage.local().join("oracle")).unwrap();
}

#[test]
fn mirror_pulls_and_pushes_a_tree() {
    let stage = Stage::new();
    let files = oracle::files();
    oracle::write(&files, &stage.served().join("in")).unwrap();
    let process = stage.process();
    let pull = json!({"site": "acme", "from": "in", "to": "data/got", "parallel": 4});
    let report = done(process.wait(&process.submit("mirror", pull, stage.grants()), LONG));
    assert_eq!(report["files"], 20);
    oracle::judge_folder(&files, &stage.local().join("got")).unwrap();
    let push = json!({"site": "acme", "from": "data/got", "to": "back", "direction": "push", "parallel": 4});
    let report = done(process.wait(&process.submit("mirror", push, stage.grants()), LONG));
    assert_eq!(report["files"], 20);
    oracle::judge_folder(&files, &stage.served().join("back")).unwrap();
    process.kill();
}

#[test]
fn what_was_not_granted_is_refused() {
    let stage = Stage::new();
    let process = stage.process();
    let run = |grants: Grants| {
        let outcome = process.wait(&process.submit("oracle", input(), grants), LONG);
        match outcome {
            Some(RunOutcome::Failed { fault }) => fault,
            other => panic!("{other:?}"),
        }
    };
    let nothing = run(Grants::default());
    assert_eq!(nothing.code.as_str(), "grant.refused");
    assert!(nothing.hint.unwrap().contains("--site acme"));
    let no_folder = run(Grants { folders: Vec::new(), ..stage.grants() });
    assert_eq!(no_folder.code.as_str(), "grant.refused");
    process.kill();
}
