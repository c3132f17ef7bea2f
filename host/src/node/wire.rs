//! What goes over the socket: one JSON object a line.
//!
//! The first line comes from the server and has the version; a client that speaks another one ends
//! there. These types are not those of the journal and not those that `-o json` prints.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Error, Health, ScheduleAnswer, ScheduleAsk};
use crate::model::{
    Fault, Grants, PauseReason, RunEvent, RunId, RunOutcome, RunStatus, Site, StepSeq, Timestamp,
    WorkflowDigest,
};

/// The version of what goes over the socket. 1: the first. 2: runs have a limit on bytes per
/// second, which an older process would leave out in silence. 3: schedules; replay, retry, export and
/// import; listings have filters, transfers name their site; health and metrics can be asked for;
/// signals, and what workflows remember.
pub const PROTOCOL: u32 = 3;

/// The server's first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    /// [`PROTOCOL`] of the server.
    pub(super) protocol: u32,
    /// The program's version, for people.
    pub(super) version: String,
    /// The server's process.
    pub(super) pid: u32,
    /// True when the server is ending and takes no requests: come back when it has.
    pub(super) closing: bool,
}

/// A client's lines: first a request, then perhaps an interrupt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "kebab-case")]
pub(super) enum Say {
    /// Do this.
    Request {
        /// What.
        request: Request,
    },
    /// End the run that was asked for, so that it can be resumed.
    Interrupt,
}

/// Which run is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunRef {
    /// The newest one that hasn't ended.
    Last,
    /// The one whose id begins so; lower case counts as upper case.
    Prefix(String),
}

/// What a command asks for. Paths are absolute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// Begin a run and drive it to its end.
    Run {
        /// The component.
        workflow: PathBuf,
        /// The run's input.
        input: Value,
        /// What it may reach.
        grants: Grants,
        /// The most bytes of files per second.
        rate_limit: Option<u64>,
    },
    /// Begin a run, and answer as soon as it is under way.
    Submit {
        /// The component.
        workflow: PathBuf,
        /// The run's input.
        input: Value,
        /// What it may reach.
        grants: Grants,
        /// The most bytes of files per second.
        rate_limit: Option<u64>,
        /// Asked for again with the same key, it is the same run.
        key: Option<String>,
    },
    /// Tell of a run as long as it is driven, without having a say in it.
    Watch {
        /// Which.
        run: RunRef,
    },
    /// Go on with a run, to its end.
    Resume {
        /// Which.
        run: RunRef,
        /// The component to go on with; none for the one that it has.
        workflow: Option<PathBuf>,
        /// The most bytes of files per second.
        rate_limit: Option<u64>,
    },
    /// The newest runs.
    List {
        /// Only those that stand so; all, if empty.
        statuses: Vec<RunStatus>,
        /// Only those of the workflow of this name.
        workflow: Option<String>,
        /// Only those older than this one.
        before: Option<RunId>,
        /// How many at most.
        max: usize,
    },
    /// All that is known of one run, without its journal.
    Show {
        /// Which.
        run: RunRef,
    },
    /// The entries of a run's journal.
    History {
        /// Which.
        run: RunRef,
        /// From this entry on; the first is 1.
        from: u64,
        /// How many at most.
        max: usize,
    },
    /// How the sessions with a site's servers stand.
    Servers {
        /// The site, as whoever asks has it.
        site: Box<Site>,
    },
    /// Log in to each server of a site.
    TestSite {
        /// The site, as whoever asks has it.
        site: Box<Site>,
    },
    /// How the process stands.
    Health,
    /// Its metrics.
    Metrics,
    /// Read all of the state.
    Check,
    /// Write a backup of the state, while runs go on.
    Backup {
        /// The file.
        to: PathBuf,
    },
    /// Forget runs that have ended; gives them.
    Purge {
        /// These, by the first letters of their ids; all that have ended, if empty.
        runs: Vec<String>,
        /// Only those that ended longer ago, in milliseconds.
        older_than_ms: Option<u64>,
        /// So many of the newest stay.
        keep: usize,
        /// Only say which they are.
        dry_run: bool,
    },
    /// Which workflows remember anything across their runs.
    Memories,
    /// What one of them remembers.
    Recall {
        /// The workflow's name.
        workflow: String,
        /// Where the page before this one ended.
        after: Option<String>,
        /// How much at most.
        max: usize,
    },
    /// One value that it remembers.
    Remembered {
        /// The workflow's name.
        workflow: String,
        /// The value's key.
        key: String,
    },
    /// Have it forget a value, or all.
    Forget {
        /// The workflow's name.
        workflow: String,
        /// The value's key; none for all, and for the files that it has seen.
        key: Option<String>,
    },
    /// Tell a run something.
    Signal {
        /// Which.
        run: RunRef,
        /// The signal's name.
        name: String,
        /// What it says: JSON text.
        payload: String,
        /// Names this very signal.
        id: Option<String>,
    },
    /// Something of schedules.
    Schedule {
        /// What.
        ask: Box<ScheduleAsk>,
    },
    /// Have a run cancelled, and see it to its end.
    Cancel {
        /// Which.
        run: RunRef,
    },
    /// Have a run do steps again, and drive it to its end.
    Retry {
        /// Which.
        run: RunRef,
        /// From this step on; none for the last one that gave the workflow a fault.
        from: Option<StepSeq>,
    },
    /// Have a run's workflow go once more along what is recorded, without effect.
    Replay {
        /// Which.
        run: RunRef,
        /// The component to do it with; none for the one that the run has.
        workflow: Option<PathBuf>,
        /// The last step whose result is given; none for all that are recorded.
        until: Option<StepSeq>,
    },
    /// Write a run, with all that it refers to, into one file.
    Export {
        /// Which.
        run: RunRef,
        /// The file.
        to: PathBuf,
    },
    /// Take in the runs of such a file, to be looked at.
    Import {
        /// The file.
        from: PathBuf,
    },
}

/// What comes back. The last one of a request is anything but `Accepted`, `Event` and what a backfill
/// tells on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// The run has begun (or goes on): its id is safe in the journal.
    Accepted {
        /// Its id.
        run: RunId,
    },
    /// Something happened in it.
    Event {
        /// What.
        event: RunEvent,
    },
    /// It isn't driven any more.
    Outcome {
        /// Which run.
        run: RunId,
        /// How it ended.
        outcome: RunOutcome,
    },
    /// Runs, newest first.
    Runs {
        /// They.
        runs: Vec<RunSummary>,
    },
    /// One run.
    Run {
        /// It.
        run: Box<RunDetails>,
    },
    /// Entries of a journal.
    Entries {
        /// Whose.
        run: RunId,
        /// They, in order.
        entries: Vec<Entry>,
        /// The number of the next entry, if there are more.
        next: Option<u64>,
    },
    /// How the sessions with a site's servers stand.
    Servers {
        /// Server by server.
        servers: Vec<ServerState>,
    },
    /// The workflows that remember anything, by name.
    Memories {
        /// They.
        memories: Vec<MemoryTally>,
    },
    /// What a workflow remembers.
    Recalled {
        /// It, in an order of no meaning.
        rows: Vec<MemoryRow>,
        /// Where this page ended, if there may be more.
        next: Option<String>,
    },
    /// It is forgotten.
    Forgotten {
        /// How much that was.
        count: u64,
    },
    /// The signal waits for its run, or has been received.
    Signalled {
        /// The run.
        run: RunId,
        /// A signal of this id had come before, and nothing was done.
        again: bool,
    },
    /// What a replay came to.
    Replayed {
        /// Of which run.
        run: RunId,
        /// It.
        replay: Replay,
    },
    /// The run that was asked for is under way, or has been.
    Begun {
        /// Its id.
        run: RunId,
        /// Whether an earlier request with the same key had begun it.
        again: bool,
    },
    /// A run that nobody drives has nothing to tell.
    AtRest {
        /// Which run.
        run: RunId,
    },
    /// What each server of a site said.
    Tested {
        /// Server by server.
        servers: Vec<Tested>,
    },
    /// How the process stands.
    Health {
        /// It.
        health: Box<Health>,
    },
    /// Its metrics, in the text format of Prometheus.
    Metrics {
        /// They.
        text: String,
    },
    /// What reading all of the state found.
    Checked {
        /// It.
        report: StateReport,
    },
    /// The backup is written.
    BackedUp {
        /// What it holds.
        holds: Counts,
    },
    /// What came of something asked of schedules.
    Schedule {
        /// It.
        answer: Box<ScheduleAnswer>,
    },
    /// It wasn't done.
    Error {
        /// Why.
        error: Error,
    },
}

impl Reply {
    /// Whether nothing follows it.
    #[must_use]
    pub fn is_last(&self) -> bool {
        match self {
            Self::Accepted { .. } | Self::Event { .. } => false,
            Self::Schedule { answer } => !matches!(**answer, ScheduleAnswer::Filling { .. }),
            _ => true,
        }
    }
}

/// What is known of a run without reading its journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Its id.
    pub run: RunId,
    /// The workflow's name, for people.
    pub workflow: String,
    /// SHA-256 of the component.
    pub digest: WorkflowDigest,
    /// How it stands.
    pub status: RunStatus,
    /// Whether the process that holds the state drives it now.
    pub live: bool,
    /// When it began.
    pub began_at: Timestamp,
    /// When it was last written of.
    pub updated_at: Timestamp,
    /// The last step that had ended by then.
    pub last_step: StepSeq,
    /// Why it waits for somebody, if it does.
    pub paused: Option<PauseReason>,
    /// The fault that it ended or was paused with.
    pub fault: Option<Fault>,
}

impl RunSummary {
    /// How the run stands, as it is shown: one that nobody drives waits to be resumed.
    #[must_use]
    pub fn standing(&self) -> &'static str {
        match self.status {
            RunStatus::Running | RunStatus::Cancelling if !self.live => "interrupted",
            status => status.as_str(),
        }
    }
}

/// All that is known of a run, but its entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunDetails {
    /// What listings show.
    pub summary: RunSummary,
    /// What it may reach.
    pub grants: Grants,
    /// Its input.
    pub input: Value,
    /// Its result, if it has one.
    pub output: Option<Value>,
    /// Status values that it set.
    pub statuses: Vec<(String, String)>,
    /// Names of its checkpoints.
    pub checkpoints: Vec<String>,
    /// Whether the step after the last one has begun and may have taken place.
    pub in_doubt: bool,
    /// Entries that its journal has.
    pub entries: u64,
    /// Their length, in bytes.
    pub journal_bytes: u64,
    /// How often a process died while it drove the run and before the run came further.
    pub unclean_ends: u32,
}

/// How the sessions with one server of a site stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerState {
    /// `host:port`.
    pub server: String,
    /// `alive`, `suspect` or `down`; none for the only server of a site.
    pub standing: Option<String>,
    /// Its share of the work now, in percent of what its weight says; none for the only server of a site.
    pub share_percent: Option<u32>,
    /// Sessions that lie unused.
    pub idle: usize,
    /// Sessions that are in use, or being made.
    pub leased: usize,
    /// Steps that wait for one.
    pub waiting: usize,
    /// Most sessions, where the server taught us to have fewer than are configured.
    pub cap: Option<usize>,
    /// Logins since the process began.
    pub logins: u64,
    /// Sessions that were used again.
    pub reuses: u64,
    /// Logins that failed, and sessions that no longer answered.
    pub failures: u64,
    /// Parts that will be removed once the server is back.
    pub parts_left: usize,
}

/// How much a workflow remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryTally {
    /// Its name.
    pub workflow: String,
    /// Values that it named.
    pub keys: u64,
    /// Files that it has seen.
    pub files: u64,
}

/// Something that a workflow remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum MemoryRow {
    /// A value that it named.
    Value {
        /// Its key.
        key: String,
        /// How often it was written.
        version: u64,
        /// It, as text.
        value: String,
    },
    /// A file that it has seen.
    File {
        /// On which site.
        site: String,
        /// Where.
        path: String,
        /// What tells one content from another.
        identity: String,
    },
}

/// What a replay came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// The last step whose result the workflow was given.
    pub step: StepSeq,
    /// How it ended.
    pub end: ReplayEnd,
    /// Where the workflow was then: its functions, innermost first. Empty once it had returned.
    pub at: Vec<String>,
}

/// How a replay ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "kebab-case")]
pub enum ReplayEnd {
    /// The workflow was given as much as was asked for.
    Stopped,
    /// It was given all that is recorded: the run hasn't come further.
    Unfinished,
    /// It returned a result, as it is recorded if an end is.
    Done {
        /// JSON.
        output: Value,
    },
    /// It returned a failure, likewise.
    Failed {
        /// It.
        fault: Fault,
    },
    /// It does, or returns, something else than is recorded.
    Differs {
        /// What, side by side.
        fault: Fault,
    },
    /// It trapped.
    Trapped {
        /// How, and where.
        fault: Fault,
    },
}

/// One server of a site, tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    /// `host:port`.
    pub server: String,
    /// What it said.
    pub outcome: Result<TestedServer, Fault>,
}

/// A server that let us in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestedServer {
    /// How long connecting and logging in took, in milliseconds.
    pub login_ms: u64,
    /// Whether the session is under TLS.
    pub tls: bool,
    /// How many entries the site's root has.
    pub entries: u64,
}

/// How much a state or a backup holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Runs.
    pub runs: u64,
    /// Entries of their journals.
    pub entries: u64,
    /// Blobs that they and the schedules refer to.
    pub blobs: u64,
    /// Schedules.
    #[serde(default)]
    pub schedules: u64,
}

/// What reading all of a state found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateReport {
    /// What it holds.
    pub holds: Counts,
    /// What is wrong, a line each.
    pub problems: Vec<String>,
}

/// One entry of a journal, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, from 1.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// What kind of fact it is.
    pub kind: String,
    /// The step that it is about, if it is about one.
    pub step: Option<StepSeq>,
    /// The rest of it, readable.
    pub detail: Value,
}
