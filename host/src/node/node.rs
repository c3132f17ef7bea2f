//! One process: a store, an engine over it, and the sites of its configuration.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};

use super::access::Hold;
use super::backups::Backups;
use super::server::Serve;
use super::{Counts, Error, Reply, Request, RunRef, SiteBook, StateReport, recall, view};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Environment};
use crate::engine::{
    self, Cancelled, Engine, EngineOptions, ListFilter, PurgeFilter, ResumeOptions, RunHandle, RunSpec,
};
use crate::journal::{self, Sent, Signal, SledStore, Store, Written};
use crate::model::{Fault, Grants, Listener, RunId, RunStatus, Timestamp};
use crate::schedule;
use crate::telemetry::{Listeners, LogLines, Metrics};
use crate::transfer::Transfers;
use crate::transfer::ftp::FtpConnector;
use crate::wasm;

/// The compile cache's folder in the state folder.
const CACHE: &str = "cache";

/// The folder in the state folder for what servers taught: [`crate::transfer::ftp::Profile`].
pub const SERVERS: &str = "servers";

/// What a [`Node`] is made from.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration in force; it names the state folder.
    pub config: Config,
    /// Whether somebody named the configuration for this very command.
    pub named: bool,
    /// The environment, for configurations that runs were begun with.
    pub environment: Environment,
    /// Whether what runs tell is written to the log: for a process that nobody watches.
    pub log_runs: bool,
}

/// One process that holds a state.
#[derive(Debug)]
pub struct Node {
    pub(super) engine: Engine,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) transfers: Transfers,
    pub(super) sites: Arc<SiteBook>,
    /// Why the store takes no more writes, once it doesn't.
    pub(super) failed: watch::Receiver<Option<journal::Error>>,
    pub(super) written: Written,
    pub(super) metrics: Arc<Metrics>,
    /// When it was made, by the clock's monotonic time.
    pub(super) began: Duration,
    pub(super) component_bytes_max: u64,
    pub(super) schedules: schedule::Handle,
    _backups: Option<Backups>,
}

impl Node {
    /// Opens the state and all that works on it. No run is gone on with by itself.
    ///
    /// # Errors
    /// [`Error::InUse`] where another process holds the state; `state.damaged` and
    /// `state.unwritable`.
    pub async fn open(options: Options) -> Result<Self, Error> {
        let folder = options.config.state.0.clone();
        let opening =
            tokio::task::spawn_blocking(move || SledStore::open(&folder, journal::Options::default()));
        let opened = match opening.await {
            Ok(opened) => opened.map_err(of_journal)?,
            Err(error) => return Err(bug(format!("opening the state failed: {error}"))),
        };
        let backup = options.config.backup.clone();
        let (failed, written) = (opened.failed(), opened.written());
        let mut node = Self::over(Arc::new(opened), failed, written, options).await?;
        node._backups =
            backup.map(|(to, every)| Backups::start(node.store.clone(), node.clock.clone(), to, every));
        Ok(node)
    }

    /// All that works on a store. `failed` and `written` tell of the store.
    pub(super) async fn over(
        store: Arc<dyn Store>,
        failed: watch::Receiver<Option<journal::Error>>,
        written: Written,
        options: Options,
    ) -> Result<Self, Error> {
        let state = options.config.state.0.clone();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let connector = Arc::new(FtpConnector::new(clock.clone()).remembering(state.join(SERVERS)));
        let transfers = Transfers::new(connector, clock.clone(), options.config.transfer.options());
        let limits = limits(&options.config);
        // Without a state there is no place for compiled workflows either.
        let cache = state.exists().then(|| state.join(CACHE));
        let wasm = wasm::Options { cache, limits };
        let sites = Arc::new(SiteBook::new(options.config, options.named, options.environment));
        let (store_of_engine, transfers_of_engine) = (store.clone(), transfers.clone());
        let metrics = Arc::new(Metrics::new(clock.clone())?);
        let mut listeners: Vec<Arc<dyn Listener>> = vec![metrics.clone()];
        if options.log_runs {
            listeners.push(Arc::new(LogLines));
        }
        let options = EngineOptions {
            store: store_of_engine,
            clock: clock.clone(),
            transfers: transfers_of_engine,
            sites: sites.clone(),
            wasm,
            listener: Some(Arc::new(Listeners(listeners))),
        };
        let engine = Engine::open(options).await.map_err(|error| of_engine(error, None))?;
        let component_bytes_max = limits.component_bytes_max;
        let schedules = schedule::Handle::new(schedule::Options {
            store: store.clone(),
            runs: Arc::new(engine.clone()),
            clock: clock.clone(),
        });
        let began = clock.monotonic();
        Ok(Self {
            engine,
            store,
            clock,
            transfers,
            sites,
            failed,
            written,
            metrics,
            began,
            component_bytes_max,
            schedules,
            _backups: None,
        })
    }

    /// The run, if this process drives it.
    pub(super) fn driven(&self, run: &RunId) -> Option<RunHandle> {
        self.engine.handle(run)
    }

    /// How a run that nobody drives any more came to its end.
    pub(super) async fn outcome_of(&self, run: &RunId) -> Result<Reply, Error> {
        let detail = self.engine.show(run).await.map_err(|error| of_engine(error, None))?;
        Ok(Reply::Outcome { run: run.clone(), outcome: view::outcome(detail) })
    }

    async fn answer(
        &self,
        request: Request,
        replies: &mpsc::Sender<Reply>,
        interrupted: watch::Receiver<bool>,
    ) -> Result<Reply, Error> {
        match request {
            Request::Run { workflow, input, grants, rate_limit } => {
                let handle = self.begin(&workflow, input, grants, rate_limit).await?;
                Ok(follow(&handle, replies, Some(interrupted)).await)
            }
            Request::Resume { run, workflow, rate_limit } => {
                let run =
                    self.find(&run, &[RunStatus::Running, RunStatus::Paused, RunStatus::Cancelling]).await?;
                let component = match &workflow {
                    Some(path) => Some(read_component(path, self.component_bytes_max).await?),
                    None => None,
                };
                let how = ResumeOptions { workflow: component, rate_limit, ..ResumeOptions::default() };
                let resumed = self.engine.resume(&run, how).await;
                let handle = resumed.map_err(|error| of_engine(error, workflow.as_deref()))?;
                Ok(follow(&handle, replies, Some(interrupted)).await)
            }
            Request::Cancel { run } => {
                let run =
                    self.find(&run, &[RunStatus::Running, RunStatus::Paused, RunStatus::Cancelling]).await?;
                // Who watches a cancel doesn't own the run, so that an interrupt leaves it alone.
                match self.engine.cancel(&run).await.map_err(|error| of_engine(error, None))? {
                    Cancelled::Ended => {
                        Ok(Reply::Outcome { run, outcome: crate::model::RunOutcome::Cancelled })
                    }
                    Cancelled::CleaningUp(handle) => Ok(follow(&handle, replies, None).await),
                }
            }
            Request::Signal { run, name, payload, id } => {
                let run = self.find(&run, &[]).await?;
                let sent = self.engine.signal(&run, Signal { name, payload, id }).await;
                let again = sent.map_err(|error| of_engine(error, None))? == Sent::Again;
                Ok(Reply::Signalled { run, again })
            }
            Request::Retry { run, from } => {
                let run = self.find(&run, &[]).await?;
                let handle = self.engine.retry(&run, from).await.map_err(|error| of_engine(error, None))?;
                Ok(follow(&handle, replies, Some(interrupted)).await)
            }
            Request::Replay { run, workflow, until } => {
                let run = self.find(&run, &[]).await?;
                self.replay(run, workflow, until, replies).await
            }
            Request::Export { run, to } => {
                let run = self.find(&run, &[]).await?;
                let report = journal::export_run(&self.store, &run, &to).await.map_err(of_journal)?;
                Ok(Reply::BackedUp { holds: counts(report) })
            }
            Request::Import { from } => self.import(&from).await,
            Request::Schedule { ask } => self.schedule(*ask, replies, interrupted).await,
            Request::Servers { site } => {
                let servers = self.transfers.servers(&site).into_iter().map(view::server).collect();
                Ok(Reply::Servers { servers })
            }
            Request::Memories => recall::memories(&self.store).await,
            Request::Recall { workflow, after, max } => {
                recall::recall(&self.store, &workflow, after.as_deref(), max).await
            }
            Request::Remembered { workflow, key } => recall::value(&self.store, &workflow, &key).await,
            Request::Forget { workflow, key } => recall::forget(&self.store, &workflow, key.as_deref()).await,
            Request::Check => {
                let found = journal::check(&self.store).await.map_err(of_journal)?;
                let journal::CheckReport { runs, entries, blobs, schedules, remembered: _, problems } = found;
                let holds = Counts { runs, entries, blobs, schedules };
                Ok(Reply::Checked { report: StateReport { holds, problems } })
            }
            Request::Backup { to } => {
                let written = journal::backup(&self.store, &to).await.map_err(of_journal)?;
                Ok(Reply::BackedUp { holds: counts(written) })
            }
            Request::Submit { workflow, input, grants, rate_limit, key } => {
                self.submit(&workflow, input, grants, rate_limit, key).await
            }
            Request::Watch { run } => {
                let run = self.find(&run, &[]).await?;
                match self.engine.handles().into_iter().find(|handle| *handle.id() == run) {
                    Some(handle) => Ok(follow(&handle, replies, None).await),
                    None => Ok(Reply::AtRest { run }),
                }
            }
            Request::TestSite { site } => Ok(Reply::Tested { servers: self.test(&site).await }),
            Request::Health => Ok(Reply::Health { health: Box::new(self.health().await?) }),
            Request::Metrics => Ok(Reply::Metrics { text: self.metrics_text().await? }),
            Request::List { statuses, workflow, before, max } => {
                let filter = ListFilter { statuses, workflow, before, max };
                let lines = self.engine.list(&filter).await.map_err(|error| of_engine(error, None))?;
                Ok(Reply::Runs { runs: lines.into_iter().map(view::line).collect() })
            }
            Request::Purge { runs, older_than_ms, keep, dry_run } => {
                let mut filter = PurgeFilter { keep, ..PurgeFilter::default() };
                for wanted in runs {
                    filter.runs.push(self.find(&RunRef::Prefix(wanted), &[]).await?);
                }
                filter.ended_before =
                    older_than_ms.map(|age| Timestamp(self.clock.now().0.saturating_sub(age)));
                let purged = self.engine.purge(&filter, dry_run).await;
                let purged = purged.map_err(|error| of_engine(error, None))?;
                Ok(Reply::Runs { runs: purged.into_iter().map(view::line).collect() })
            }
            Request::Show { run } => {
                let run = self.find(&run, &[]).await?;
                let detail = self.engine.show(&run).await.map_err(|error| of_engine(error, None))?;
                Ok(Reply::Run { run: Box::new(view::detail(detail)) })
            }
            Request::History { run, from, max } => {
                let run = self.find(&run, &[]).await?;
                let asked = max.saturating_add(1);
                let history = self.engine.history(&run, from, asked).await;
                let mut entries = history.map_err(|error| of_engine(error, None))?;
                let next = (entries.len() > max).then(|| entries.pop().map(|(seq, _)| seq)).flatten();
                let entries = entries.into_iter().map(|(seq, entry)| view::entry(seq, entry)).collect();
                Ok(Reply::Entries { run, entries, next })
            }
        }
    }

    pub(super) async fn begin(
        &self,
        workflow: &Path,
        input: serde_json::Value,
        grants: Grants,
        rate_limit: Option<u64>,
    ) -> Result<RunHandle, Error> {
        let component = read_component(workflow, self.component_bytes_max).await?;
        let name = workflow.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let spec = RunSpec { run: None, component, name, input, grants, rate_limit };
        self.engine.submit(spec).await.map_err(|error| of_engine(error, Some(workflow)))
    }

    /// The run that is meant; `last` is the newest that stands as one of `statuses` (any, if empty).
    pub(super) async fn find(&self, run: &RunRef, statuses: &[RunStatus]) -> Result<RunId, Error> {
        let all = |statuses: &[RunStatus], max| ListFilter {
            statuses: statuses.to_vec(),
            max,
            ..ListFilter::default()
        };
        let list = async |filter: ListFilter| {
            self.engine.list(&filter).await.map_err(|error| of_engine(error, None))
        };
        let wanted = match run {
            RunRef::Last => {
                let newest = list(all(statuses, 1)).await?.into_iter().next();
                return newest.map(|line| line.run).ok_or(Error::NothingToResume);
            }
            RunRef::Prefix(wanted) => wanted,
        };
        if let Ok(whole) = wanted.parse::<RunId>() {
            return Ok(whole);
        }
        let upper = wanted.to_ascii_uppercase();
        let lines = list(all(&[], usize::MAX)).await?.into_iter().map(|line| line.run);
        let mut runs: Vec<RunId> = lines.filter(|run| run.as_str().starts_with(&upper)).collect();
        match (runs.len(), runs.pop()) {
            (1, Some(run)) if !upper.is_empty() => Ok(run),
            (0, _) | (_, None) => Err(Error::NoSuchRun { wanted: wanted.clone() }),
            (_, Some(run)) => {
                runs.push(run);
                Err(Error::Ambiguous { wanted: wanted.clone(), runs })
            }
        }
    }
}

#[async_trait]
impl Serve for Node {
    async fn serve(
        &self,
        request: Request,
        replies: mpsc::Sender<Reply>,
        interrupted: watch::Receiver<bool>,
    ) {
        let last = self.answer(request, &replies, interrupted).await;
        // Whoever asked may have gone.
        let _ = replies.send(last.unwrap_or_else(|error| Reply::Error { error })).await;
    }
}

#[async_trait]
impl Hold for Node {
    async fn stop(&self) {
        self.engine.stop().await;
    }
}

/// Makes a state from a backup, where there is none yet; runs that hadn't ended are paused.
///
/// # Errors
/// There is a state already, or a process holds it; the backup is damaged or another version's.
pub async fn restore(state: &Path, backup: &Path) -> Result<Counts, Error> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    journal::restore(state, backup, &clock).await.map(counts).map_err(of_journal)
}

fn counts(report: journal::BackupReport) -> Counts {
    let journal::BackupReport { runs, entries, blobs, schedules, .. } = report;
    Counts { runs, entries, blobs, schedules }
}

/// Tells of a run until it ends. `interrupted` ends it early.
pub(super) async fn follow(
    handle: &RunHandle,
    replies: &mpsc::Sender<Reply>,
    interrupted: Option<watch::Receiver<bool>>,
) -> Reply {
    let run = handle.id().clone();
    let mut events = handle.events();
    let interrupting = async {
        if let Some(mut interrupted) = interrupted
            && interrupted.wait_for(|now| *now).await.is_ok()
        {
            handle.interrupt();
        }
        // Else nobody can interrupt it any more.
        std::future::pending::<()>().await;
    };
    let telling = async {
        // A reader who has gone is no reason to stop: the run goes on for the next one.
        let _ = replies.send(Reply::Accepted { run: run.clone() }).await;
        loop {
            match events.recv().await {
                Ok(event) => {
                    let ended = matches!(event, crate::model::RunEvent::Ended { .. });
                    let _ = replies.send(Reply::Event { event }).await;
                    if ended {
                        return;
                    }
                }
                // A slow reader has missed some; events are no more than talk.
                Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
            }
        }
    };
    // A run that is put aside without being driven tells nothing, so its outcome ends the telling too:
    // after a moment in which the last events come through.
    let ended = async {
        let outcome = handle.outcome().await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        outcome
    };
    tokio::select! {
        () = interrupting => {}
        () = telling => {}
        _ = ended => {}
    }
    Reply::Outcome { run, outcome: handle.outcome().await }
}

/// Reads a component, up to its bound.
pub(super) async fn read_component(path: &Path, max: u64) -> Result<Vec<u8>, Error> {
    use tokio::io::AsyncReadExt;
    let failed = |error: std::io::Error| {
        Error::from(Fault::local(format_args!("read the workflow {}", path.display()), &error))
    };
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let mut component = Vec::new();
    // One byte more, so that what is too large is seen to be.
    file.take(max.saturating_add(1)).read_to_end(&mut component).await.map_err(failed)?;
    Ok(component)
}

fn limits(config: &Config) -> wasm::Limits {
    let default = wasm::Limits::default();
    wasm::Limits {
        component_bytes_max: config.limits.component_size.unwrap_or(default.component_bytes_max),
        memory_bytes_max: config.limits.memory.unwrap_or(default.memory_bytes_max),
        step_fuel: config.limits.fuel.unwrap_or(default.step_fuel),
        ..default
    }
}

pub(super) fn bug(message: String) -> Error {
    Fault::new(crate::model::FaultCode::HostBug, message).into()
}

pub(super) fn of_journal(error: journal::Error) -> Error {
    match error {
        journal::Error::InUse { dir, pid } => Error::InUse { state: dir, pid },
        error => error.to_fault().into(),
    }
}

pub(super) fn of_engine(error: engine::Error, workflow: Option<&Path>) -> Error {
    match error {
        engine::Error::Refused(refusal) => {
            let message = match workflow {
                Some(path) => format!("{}: {refusal}", path.display()),
                None => refusal.to_string(),
            };
            Error::Refused { message, hint: refusal.hint().to_owned() }
        }
        engine::Error::NotFound(run) => Error::NoSuchRun { wanted: run.to_string() },
        engine::Error::Closed { run, status } => Error::Closed { run, status },
        engine::Error::State(error) => of_journal(error),
        error @ (engine::Error::Open { .. }
        | engine::Error::Input(_)
        | engine::Error::Unready(_)
        | engine::Error::Unlike(_)
        | engine::Error::Stopping
        | engine::Error::Setup(_)) => error.to_fault().into(),
    }
}
