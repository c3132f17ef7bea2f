//! What replies carry: runs, servers, replays, what a state holds.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{Fault, Grants, PauseReason, RunId, RunStatus, StepSeq, Timestamp, WorkflowDigest};

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
