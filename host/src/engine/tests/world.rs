//! What the tests of the engine share: a store in memory, a clock, and the guests that `cargo xtask
//! guests` builds.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::clock::{Clock, SystemClock};
use crate::engine::{Engine, EngineOptions, RunHandle, RunSpec, Sites};
use crate::journal::{MemoryStore, Store};
use crate::model::{Fault, FaultCode, Grants, RetryPolicy, RunEvent, RunOutcome, Site};
use crate::transfer::{Connect, Remote, Transfers};
use crate::wasm;

/// A component that was built before.
pub(super) fn guest(name: &str) -> Vec<u8> {
    let path = testkit::layout::guests().join(format!("{}.wasm", name.replace('-', "_")));
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; build it with `cargo xtask guests`", path.display()))
}

/// A process's engine over a state that outlives it.
pub(super) struct World {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) connect: Arc<dyn Connect>,
    pub(super) sites: Arc<dyn Sites>,
    pub(super) limits: wasm::Limits,
    pub(super) engine: Engine,
}

impl World {
    /// A process with an empty state and no sites.
    pub(super) async fn new() -> Self {
        Self::over(Arc::new(Nobody), Arc::new(NoSites), wasm::Limits::default()).await
    }

    pub(super) async fn limited(limits: wasm::Limits) -> Self {
        Self::over(Arc::new(Nobody), Arc::new(NoSites), limits).await
    }

    pub(super) async fn over(connect: Arc<dyn Connect>, sites: Arc<dyn Sites>, limits: wasm::Limits) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let engine = engine(&store, &clock, &connect, &sites, limits).await;
        Self { store, clock, connect, sites, limits, engine }
    }

    /// The process dies; another one opens the same state. Tasks of the dead one may still run, as a
    /// process that lost its runs may: the store refuses what they write.
    pub(super) async fn next_process(&mut self) {
        self.engine = engine(&self.store, &self.clock, &self.connect, &self.sites, self.limits).await;
    }

    pub(super) async fn submit(&self, name: &str, input: Value, grants: Grants) -> RunHandle {
        let spec = RunSpec {
            run: None,
            component: guest(name),
            name: name.to_owned(),
            input,
            grants,
            rate_limit: None,
        };
        self.engine.submit(spec).await.unwrap()
    }

    /// Runs to the end.
    pub(super) async fn run(&self, name: &str, input: Value) -> RunOutcome {
        self.submit(name, input, Grants::default()).await.outcome().await
    }
}

async fn engine(
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    connect: &Arc<dyn Connect>,
    sites: &Arc<dyn Sites>,
    limits: wasm::Limits,
) -> Engine {
    let transfers =
        Transfers::new(Arc::clone(connect), Arc::clone(clock), crate::transfer::Options::default());
    // One cache for all tests: compiling a guest takes a hundred times as long as running it.
    let cache = Some(testkit::layout::target().join("tmp/engine-tests-cache"));
    let options = EngineOptions {
        store: Arc::clone(store),
        clock: Arc::clone(clock),
        transfers,
        sites: Arc::clone(sites),
        wasm: wasm::Options { cache, limits },
        listener: None,
    };
    Engine::open(options).await.unwrap()
}

/// All events until the last one.
pub(super) async fn events(handle: &RunHandle) -> Vec<RunEvent> {
    let mut receiver = handle.events();
    let mut events = Vec::new();
    loop {
        let event = receiver.recv().await.unwrap();
        let last = matches!(event, RunEvent::Ended { .. });
        events.push(event);
        if last {
            return events;
        }
    }
}

/// A network on which nobody answers.
struct Nobody;

#[async_trait]
impl Connect for Nobody {
    async fn connect(&self, site: &Site) -> Result<Box<dyn Remote>, Fault> {
        Err(Fault::new(FaultCode::FtpUnknownHost, format!("{} has no address", site.host)))
    }
}

/// A configuration without sites.
struct NoSites;

impl Sites for NoSites {
    fn site(&self, name: &str, _: &Grants) -> Result<Arc<Site>, Fault> {
        Err(Fault::new(FaultCode::ConfigInvalid, format!("there is no site {name}")))
    }

    fn retry_policy(&self, _: &str, _: &Grants) -> Result<Option<RetryPolicy>, Fault> {
        Ok(None)
    }
}
