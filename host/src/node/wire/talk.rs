//! Requests and replies, and the first lines of a connection.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answers::{
    Counts, Entry, MemoryRow, MemoryTally, Replay, RunDetails, RunSummary, ServerState, StateReport, Tested,
};
use crate::model::{Grants, RunEvent, RunId, RunOutcome, RunStatus, Site, StepSeq};
use crate::node::{Error, Health, ScheduleAnswer, ScheduleAsk};

/// The version of what goes over the socket. 1: the first. 2: runs have a limit on bytes per
/// second, which an older process would leave out in silence. 3: schedules; replay, retry, export and
/// import; listings have filters, transfers name their site; health and metrics can be asked for;
/// signals, and what workflows remember.
pub const PROTOCOL: u32 = 3;

/// The server's first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::node) struct Hello {
    /// [`PROTOCOL`] of the server.
    pub(in crate::node) protocol: u32,
    /// The program's version, for people.
    pub(in crate::node) version: String,
    /// The server's process.
    pub(in crate::node) pid: u32,
    /// True when the server is ending and takes no requests: come back when it has.
    pub(in crate::node) closing: bool,
}

/// A client's lines: first a request, then perhaps an interrupt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "kebab-case")]
pub(in crate::node) enum Say {
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
