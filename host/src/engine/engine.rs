//! The handle of all runs of a process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OnceCell, Semaphore};
use wasmtime::component::Linker;

use super::drive::Drive;
use super::handle::{Patience, RunHandle};
use super::id::random;
use super::outcome::unfit;
use super::{Error, Sites};
use crate::capability::{self, Ctx, Events, Guest, Reach, RunFacts};
use crate::clock::Clock;
use crate::journal::{self, NewFiring, RunCreated, StepLog, Store, Stored, Summary};
use crate::model::{
    Fault, FaultCode, Grants, Listener, PauseReason, RunId, RunOutcome, RunStatus, StepSeq, Timestamp,
    WorkflowDigest,
};
use crate::transfer::Transfers;
use crate::wasm::{self, Runtime};

/// The most bytes of a run's input.
const INPUT_BYTES_MAX: usize = 1 << 20;

/// An input up to this length stands in the journal's first entry, a longer one in a blob.
const INPUT_INLINE_MAX: usize = 16 << 10;

/// The most guests at a time; more runs wait until one ends. A guest may have 64 MiB.
const GUESTS_MAX: usize = 1_000;

/// How long a cancelled run may clean up.
const CLEAN_UP_MAX: Duration = Duration::from_secs(60);

/// What an [`Engine`] is made from.
pub struct EngineOptions {
    /// Where journals are kept.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What moves files.
    pub transfers: Transfers,
    /// The sites of the configuration.
    pub sites: Arc<dyn Sites>,
    /// The Wasm side.
    pub wasm: wasm::Options,
    /// Who hears what all runs tell.
    pub listener: Option<Arc<dyn Listener>>,
}

/// A run to be.
#[derive(Clone, Debug)]
pub struct RunSpec {
    /// Its id, from [`Engine::new_run_id`], where it has to be known before the run begins; else it gets one.
    pub run: Option<RunId>,
    /// The component.
    pub component: Vec<u8>,
    /// The workflow's name, for people.
    pub name: String,
    /// Its input.
    pub input: serde_json::Value,
    /// All that it may reach.
    pub grants: Grants,
    /// The most bytes of files per second, all its transfers together, as long as this process drives it;
    /// no part of the run itself.
    pub rate_limit: Option<u64>,
}

/// How a run is to be gone on with.
#[derive(Clone, Debug, Default)]
pub struct ResumeOptions {
    /// Nobody asked for this very run: one that may be the cause of crashes is paused instead.
    pub unasked: bool,
    /// Another component to go on with: it is first replayed along all that is recorded.
    pub workflow: Option<Vec<u8>>,
    /// As [`RunSpec::rate_limit`].
    pub rate_limit: Option<u64>,
}

/// What became of a cancel.
#[derive(Clone, Debug)]
pub enum Cancelled {
    /// The run has ended.
    Ended,
    /// The run is told, and cleans up.
    CleaningUp(RunHandle),
}

/// All runs of a process. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    transfers: Transfers,
    sites: Arc<dyn Sites>,
    wasm: wasm::Options,
    listener: Option<Arc<dyn Listener>>,
    /// Made when the first component is loaded: `list` and `show` need none of it.
    tools: OnceCell<Tools>,
    guests: Arc<Semaphore>,
    live: Mutex<Live>,
}

#[derive(Default)]
struct Live {
    stopping: bool,
    runs: HashMap<RunId, RunHandle>,
}

struct Tools {
    runtime: Runtime,
    linker: Linker<Ctx>,
}

impl Engine {
    /// An engine over a store. Nothing is resumed by itself.
    ///
    /// # Errors
    /// None yet; the Wasm engine is set up when it is needed.
    pub async fn open(options: EngineOptions) -> Result<Self, Error> {
        let EngineOptions { store, clock, transfers, sites, wasm, listener } = options;
        let inner = Inner {
            store,
            clock,
            transfers,
            sites,
            wasm,
            listener,
            tools: OnceCell::new(),
            guests: Arc::new(Semaphore::new(GUESTS_MAX)),
            live: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Begins a run: when this returns, it is in the journal and under way.
    ///
    /// # Errors
    /// [`Error::Refused`] for a component that doesn't fit, [`Error::Input`], [`Error::Unready`],
    /// [`Error::State`], [`Error::Stopping`].
    pub async fn submit(&self, spec: RunSpec) -> Result<RunHandle, Error> {
        self.begin(spec, None).await
    }

    /// Begins a run, as that of a firing under an id of its own if it is one's.
    pub(super) async fn begin(&self, spec: RunSpec, firing: Option<NewFiring>) -> Result<RunHandle, Error> {
        let input = spec.input.to_string();
        if input.len() > INPUT_BYTES_MAX {
            return Err(Error::Input(format!("an input of {} bytes; 1 MiB is allowed", input.len())));
        }
        self.ready(&spec.grants)?;
        let component = Bytes::from(spec.component);
        let (digest, guest) = self.load(component.to_vec()).await?;
        let blob = self.inner.store.put_blob(component).await?;
        let began_at = self.inner.clock.now();
        let run = spec.run.map_or_else(|| self.new_run_id(), Ok)?;
        let created = RunCreated {
            run: run.clone(),
            workflow: spec.name,
            component: blob,
            input: self.keep(input).await?,
            grants: spec.grants,
            seed: random()?,
            host: env!("CARGO_PKG_VERSION").to_owned(),
            began_at,
            after: StepSeq(0),
            resumed: None,
            checkpoints: Vec::new(),
            statuses: Vec::new(),
        };
        let (store, clock) = (Arc::clone(&self.inner.store), Arc::clone(&self.inner.clock));
        let steps = StepLog::create_for(store, clock, created.clone(), firing).await?;
        let handle = RunHandle::new(run, steps.control(), self.events(&created));
        let drive = self.drive((digest, guest), steps, created, spec.rate_limit, handle, false).await?;
        self.start(drive).await
    }

    /// Goes on with a run where it was. A run that this process drives already is given as it is.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Closed`], [`Error::Unready`], [`Error::State`],
    /// [`Error::Stopping`]; for another component [`Error::Refused`] and [`Error::Unlike`]. The run stays
    /// as it was.
    pub async fn resume(&self, run: &RunId, how: ResumeOptions) -> Result<RunHandle, Error> {
        if let Some(handle) = self.live().runs.get(run) {
            return match (&how.workflow, how.rate_limit) {
                (None, None) => Ok(handle.clone()),
                _ => Err(Error::Unlike(under_way(run))),
            };
        }
        let store = &self.inner.store;
        let head = store.head(run).await?.ok_or_else(|| Error::NotFound(run.clone()))?;
        let summary = Summary::decode(&head.summary)?;
        if summary.status.is_closed() {
            return Err(Error::Closed { run: run.clone(), status: summary.status });
        }
        if summary.why == Some(PauseReason::Imported) {
            return Err(Error::Unready(imported(run)));
        }
        let another = match how.workflow {
            Some(component) => Some(self.rehearsed(run, component).await?),
            None => None,
        };
        let (claim, head) = store.claim(run).await?;
        let (mut steps, mut state) =
            StepLog::open(Arc::clone(store), Arc::clone(&self.inner.clock), claim, &head).await?;
        if let Some(component) = another {
            steps.repin(component).await?;
            state.created.component = component;
        }
        let handle = RunHandle::new(run.clone(), steps.control(), self.events(&state.created));
        if how.unasked && journal::is_suspect(&head) {
            return self.put_aside(handle, steps, PauseReason::Suspected, journal::suspicion(&head)).await;
        }
        // A run that is being cancelled cleans up as far as it can.
        if state.cancel.is_none()
            && let Err(unready) = self.ready(&state.created.grants)
        {
            // Nothing has happened to the run that could be its fault.
            steps.release().await?;
            return Err(unready);
        }
        let component = self.pinned(state.created.component).await?;
        let loaded = match self.load(component).await {
            Ok(loaded) => loaded,
            Err(Error::Refused(refusal)) => {
                return self.put_aside(handle, steps, PauseReason::Trapped, unfit(&refusal)).await;
            }
            Err(error) => return Err(error),
        };
        if state.status == RunStatus::Paused {
            steps.unpause().await.map_err(|halt| match halt {
                journal::Halt::State(error) => Error::State(error),
                other => Error::Setup(other.to_string()),
            })?;
        } else if let Some(cancel) = state.cancel {
            let shared = handle.shared();
            shared.signals.cancel();
            shared
                .patience
                .send_replace(Patience::Until(cancel.deadline.unwrap_or_else(|| self.clean_up_by())));
            if cancel.told {
                shared.signals.told();
            }
        }
        let drive = self.drive(loaded, steps, state.created, how.rate_limit, handle, true).await?;
        self.start(drive).await
    }

    /// Asks for a run to be cancelled; durable when it returns. The guest is told by its next step,
    /// and may clean up for a minute. A second cancel ends the run where it is.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Closed`], [`Error::State`].
    pub async fn cancel(&self, run: &RunId) -> Result<Cancelled, Error> {
        let deadline = self.clean_up_by();
        let live = self.live().runs.get(run).cloned();
        if let Some(handle) = live {
            let shared = handle.shared();
            if shared.signals.is_cancelled() {
                shared.patience.send_replace(Patience::None);
            } else {
                shared.control.ask_cancel(Some(deadline)).await?;
                shared.patience.send_replace(Patience::Until(deadline));
                shared.signals.cancel();
            }
            return Ok(Cancelled::CleaningUp(handle));
        }
        let store = &self.inner.store;
        let head = store.head(run).await?.ok_or_else(|| Error::NotFound(run.clone()))?;
        let status = Summary::decode(&head.summary)?.status;
        if status.is_closed() {
            return Err(Error::Closed { run: run.clone(), status });
        }
        match journal::cancel_resting(store, &self.inner.clock, run, Some(deadline)).await? {
            RunStatus::Cancelled => Ok(Cancelled::Ended),
            _ => Ok(Cancelled::CleaningUp(self.resume(run, ResumeOptions::default()).await?)),
        }
    }

    /// Ends in good order: takes no new run, interrupts all, and waits until their offsets are
    /// committed.
    pub async fn stop(&self) {
        let handles: Vec<_> = {
            let mut live = self.live();
            live.stopping = true;
            live.runs.values().cloned().collect()
        };
        for handle in &handles {
            handle.interrupt();
        }
        for handle in &handles {
            handle.outcome().await;
        }
        self.inner.transfers.close().await;
    }

    /// The runs that this process drives.
    #[must_use]
    pub fn handles(&self) -> Vec<RunHandle> {
        self.live().runs.values().cloned().collect()
    }

    pub(super) fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    /// Fails where a site or a folder of the run isn't there just now.
    pub(super) fn ready(&self, grants: &Grants) -> Result<(), Error> {
        self.inner.sites.ready(grants).map_err(Error::Unready)
    }

    pub(super) fn is_live(&self, run: &RunId) -> bool {
        self.live().runs.contains_key(run)
    }

    /// The run, if this process drives it.
    #[must_use]
    pub fn handle(&self, run: &RunId) -> Option<RunHandle> {
        self.live().runs.get(run).cloned()
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.inner.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clean_up_by(&self) -> Timestamp {
        let limit = u64::try_from(CLEAN_UP_MAX.as_millis()).unwrap_or(u64::MAX);
        Timestamp(self.inner.clock.now().0.saturating_add(limit))
    }

    /// A component, compiled and linked.
    pub(super) async fn load(&self, bytes: Vec<u8>) -> Result<(WorkflowDigest, Guest), Error> {
        let tools = self.tools().await?;
        let loaded = tools.runtime.load(bytes).await?;
        let guest = Guest::link(&tools.linker, &loaded.component)?;
        Ok((loaded.inspection.digest, guest))
    }

    async fn tools(&self) -> Result<&Tools, Error> {
        let make = async || {
            let failed = |error: wasmtime::Error| Error::Setup(format!("{error:#}"));
            let runtime = Runtime::new(&self.inner.wasm).map_err(failed)?;
            let linker = capability::linker(runtime.engine()).map_err(failed)?;
            Ok(Tools { runtime, linker })
        };
        self.inner.tools.get_or_try_init(make).await
    }

    /// Where a run tells what it does.
    fn events(&self, created: &RunCreated) -> Events {
        match &self.inner.listener {
            Some(listener) => {
                Events::heard_by(Arc::clone(listener), created.run.clone(), created.workflow.clone())
            }
            None => Events::new(),
        }
    }

    fn reach(&self, run: &RunId, grants: Grants, rate_limit: Option<u64>) -> Reach {
        let all = self.inner.transfers.of_run(run);
        let transfers = rate_limit.map_or_else(|| all.clone(), |rate| all.limited_to(rate));
        Reach::new(grants, Arc::clone(&self.inner.sites), transfers)
    }

    async fn keep(&self, text: String) -> Result<Stored, Error> {
        if text.len() <= INPUT_INLINE_MAX {
            return Ok(Stored::Inline(text.into()));
        }
        let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
        Ok(Stored::Blob { id: self.inner.store.put_blob(text.into()).await?, bytes })
    }

    /// Pauses a run instead of driving it.
    async fn put_aside(
        &self,
        handle: RunHandle,
        mut steps: StepLog,
        why: PauseReason,
        fault: Fault,
    ) -> Result<RunHandle, Error> {
        steps.pause(why, fault.clone()).await?;
        handle.shared().outcome.send_replace(Some(RunOutcome::Paused { why, fault }));
        Ok(handle)
    }

    /// All that a run is driven with.
    pub(super) async fn drive(
        &self,
        (digest, guest): (WorkflowDigest, Guest),
        steps: StepLog,
        created: RunCreated,
        rate_limit: Option<u64>,
        handle: RunHandle,
        resumed: bool,
    ) -> Result<Drive, Error> {
        let input = journal::load(self.store().as_ref(), created.input.clone()).await?;
        Ok(Drive {
            runtime: self.tools().await?.runtime.clone(),
            guest,
            steps,
            facts: facts(&created, digest),
            reach: self.reach(handle.id(), created.grants, rate_limit),
            input: String::from_utf8_lossy(&input).into_owned(),
            clock: Arc::clone(&self.inner.clock),
            handle,
            resumed,
        })
    }

    /// Has a run driven by a task of its own.
    async fn start(&self, mut drive: Drive) -> Result<RunHandle, Error> {
        let handle = drive.handle.clone();
        let run = handle.id().clone();
        let stopping = {
            let mut live = self.live();
            if !live.stopping {
                live.runs.insert(run.clone(), handle.clone());
            }
            live.stopping
        };
        if stopping {
            drive.steps.release().await?;
            return Err(Error::Stopping);
        }
        let (engine, told) = (self.clone(), handle.clone());
        tokio::spawn(async move {
            let guests = Arc::clone(&engine.inner.guests);
            // The semaphore is never closed; without a permit there would only be no bound.
            let _permit = guests.acquire_owned().await.ok();
            let outcome = match tokio::spawn(drive.run()).await {
                Ok(outcome) => outcome,
                Err(error) => RunOutcome::Failed {
                    fault: Fault::new(FaultCode::HostBug, format!("driving the run ended early: {error}")),
                },
            };
            engine.live().runs.remove(&run);
            told.shared().outcome.send_replace(Some(outcome));
        });
        Ok(handle)
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("live", &self.live().runs.len()).finish_non_exhaustive()
    }
}

/// A run that came from another state may be going on there.
fn imported(run: &RunId) -> Fault {
    let why = format!("run {run} comes from another state, where it may be going on");
    Fault::new(FaultCode::Other("run.imported".to_owned()), why)
        .with_hint(format!("resume it there; here `orchestrator replay {run}` shows what it did"))
}

/// A run whose guest is at work can't change its code.
pub(super) fn under_way(run: &RunId) -> Fault {
    Fault::new(FaultCode::CallInvalid, format!("run {run} is under way"))
        .with_hint("interrupt the command that drives it, then resume it as you wish")
}

fn facts(created: &RunCreated, digest: WorkflowDigest) -> RunFacts {
    RunFacts {
        run: created.run.clone(),
        workflow: created.workflow.clone(),
        digest,
        started: created.began_at,
        memory: created.memory().to_owned(),
        seed: created.seed,
    }
}
