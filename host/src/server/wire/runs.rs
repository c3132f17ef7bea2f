//! Runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::clock::rfc3339;
use crate::model;
use crate::node::{self, RunSummary};

/// Why a run failed or is paused.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunFault {
    /// What `orchestrator explain` has a page for.
    #[schema(example = "ftp.login")]
    code: String,
    /// What we were doing, to what, and what came of it.
    message: String,
    /// What helps.
    hint: Option<String>,
}

/// A fault as it is shown.
pub(crate) fn fault_of(fault: &model::Fault) -> RunFault {
    RunFault {
        code: fault.code.as_str().to_owned(),
        message: fault.message.clone(),
        hint: fault.hint.clone(),
    }
}

/// A run in a listing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Run {
    /// Its id.
    #[schema(example = "01JD51Q2N3V7W8X9Y0Z1A2B3C4")]
    run: String,
    /// The workflow's name.
    workflow: String,
    /// SHA-256 of the workflow's component.
    digest: String,
    /// How it stands: `running`, `interrupted` (nobody drives it), `paused`, `cancelling`, `done`,
    /// `failed`, `cancelled`.
    status: &'static str,
    /// Whether it is driven now.
    live: bool,
    /// When it began.
    #[schema(format = DateTime)]
    began_at: String,
    /// When it was last written of.
    #[schema(format = DateTime)]
    updated_at: String,
    /// How many steps had ended by then.
    steps: u64,
    /// Why it is paused: `trapped`, `diverged`, `exhausted`, `no-space`, `indeterminate`, `suspected`,
    /// `restored`, `asked`.
    why: Option<Value>,
    /// What it failed or was paused with.
    fault: Option<RunFault>,
}

impl From<&RunSummary> for Run {
    fn from(run: &RunSummary) -> Self {
        Self {
            run: run.run.to_string(),
            workflow: run.workflow.clone(),
            digest: run.digest.to_string(),
            status: run.standing(),
            live: run.live,
            began_at: rfc3339(run.began_at),
            updated_at: rfc3339(run.updated_at),
            steps: run.last_step.0,
            why: run.paused.and_then(|why| serde_json::to_value(why).ok()),
            fault: run.fault.as_ref().map(fault_of),
        }
    }
}

/// Runs, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Runs {
    /// `orchestrator.runs/1`
    #[serde(rename = "$type")]
    pub(crate) kind: &'static str,
    /// They.
    pub(crate) runs: Vec<Run>,
    /// What to give as `before` for the next page; none after the last one.
    pub(crate) next: Option<String>,
}

/// All that is known of a run, but its journal.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunDetails {
    /// `orchestrator.run-details/1`
    #[serde(rename = "$type")]
    kind: &'static str,
    #[serde(flatten)]
    run: Run,
    /// Its input.
    input: Value,
    /// Its result, once it is done.
    output: Option<Value>,
    /// Sites that it may use.
    sites: Vec<String>,
    /// Folders that it may use.
    folders: Vec<Folder>,
    /// Status values that it set.
    statuses: BTreeMap<String, String>,
    /// Names of its checkpoints.
    checkpoints: Vec<String>,
    /// Whether the step after the last one has begun and may have taken place.
    in_doubt: bool,
    /// Entries that its journal has.
    entries: u64,
    /// Their length, in bytes.
    journal_bytes: u64,
}

impl From<node::RunDetails> for RunDetails {
    fn from(details: node::RunDetails) -> Self {
        let folders = details.grants.folders.into_iter();
        Self {
            kind: "orchestrator.run-details/1",
            run: Run::from(&details.summary),
            input: details.input,
            output: details.output,
            sites: details.grants.sites,
            folders: folders.map(|folder| Folder { name: folder.name, path: folder.path }).collect(),
            statuses: details.statuses.into_iter().collect(),
            checkpoints: details.checkpoints,
            in_doubt: details.in_doubt,
            entries: details.entries,
            journal_bytes: details.journal_bytes,
        }
    }
}

/// A folder that a run may use.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Folder {
    /// The first part of every path in it.
    pub(crate) name: String,
    /// Where it is on the server's machine; absolute.
    #[schema(value_type = String)]
    pub(crate) path: PathBuf,
}

/// A run to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Submission {
    /// The name of a workflow in the folder `workflows` of [server], as `mirror`; or, for the role `admin`,
    /// the absolute path of a component on the server's machine.
    #[schema(example = "mirror")]
    pub(crate) workflow: String,
    /// Its input.
    #[serde(default = "no_input")]
    #[schema(value_type = Object)]
    pub(crate) input: Value,
    /// Names of sites that it may use.
    #[serde(default)]
    pub(crate) sites: Vec<String>,
    /// Folders that it may use: below those of [server], but for the role `admin`.
    #[serde(default)]
    pub(crate) folders: Vec<Folder>,
    /// The most bytes of files per second.
    #[schema(minimum = 1)]
    pub(crate) rate_limit: Option<u64>,
}

fn no_input() -> Value {
    Value::Object(serde_json::Map::new())
}

/// How a run is to be gone on with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resume {
    /// The most bytes of files per second.
    #[schema(minimum = 1)]
    pub(crate) rate_limit: Option<u64>,
}

/// A run that is under way.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Begun {
    /// `orchestrator.run/1`
    #[serde(rename = "$type")]
    pub(crate) kind: &'static str,
    /// Its id.
    pub(crate) run: String,
    /// `accepted`, or how it has ended already.
    pub(crate) status: &'static str,
    /// Whether an earlier request with the same key had begun it.
    pub(crate) again: bool,
}

/// Which runs are to be forgotten: of those that have ended.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Purge {
    /// Only those that ended longer ago, as `30d`.
    #[schema(example = "30d")]
    pub(crate) older_than: Option<String>,
    /// So many of the newest stay.
    #[serde(default)]
    pub(crate) keep: u32,
    /// Only say which they are.
    #[serde(default)]
    pub(crate) dry_run: bool,
}
