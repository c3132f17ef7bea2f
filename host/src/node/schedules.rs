//! What commands ask of schedules, and what comes back.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

use super::node::{Node, follow, read_component};
use super::{Error, Reply};
use crate::model::{Fault, RunId, Timestamp, WorkflowDigest};
use crate::schedule::{
    self, Backfill, Change, Definition, Desired, End, Filled, HistoryRow, Origin, Overlap, Patch, Pause,
    Record, Triggered, View, Watched,
};

/// What a command asks of schedules. Paths are absolute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum ScheduleAsk {
    /// Add one; its definition names the file of its component.
    Add {
        /// It.
        definition: Box<Definition>,
        /// Begin paused: why, and who says so.
        paused: Option<(String, String)>,
    },
    /// Change what a patch names.
    Edit {
        /// Which.
        name: String,
        /// What.
        patch: Box<Patch>,
    },
    /// All of them.
    List,
    /// One, with its history.
    Show {
        /// Which.
        name: String,
        /// So many of its next nominal times.
        next: usize,
        /// So many of its latest rows.
        rows: usize,
    },
    /// Let none of its times fire.
    Pause {
        /// Which.
        name: String,
        /// Why.
        reason: String,
        /// Who says so.
        by: String,
    },
    /// Let them fire again.
    Resume {
        /// Which.
        name: String,
    },
    /// Forget it with its history.
    Remove {
        /// Which.
        name: String,
    },
    /// Begin a run now, and see it to its end.
    Trigger {
        /// Which.
        name: String,
        /// Instead of its own policy.
        overlap: Option<Overlap>,
    },
    /// Begin the runs of a span, and see them to their ends.
    Backfill {
        /// Which.
        name: String,
        /// The span.
        backfill: Backfill,
        /// Only say for which times.
        dry_run: bool,
    },
    /// Make them those of a configuration.
    Apply {
        /// All of it; each names the file of its component.
        desired: Vec<Definition>,
        /// Only say what would change.
        dry_run: bool,
        /// Remove what an earlier one made and isn't there any more.
        prune: bool,
    },
}

/// What comes back. All but `Filling` are the last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum ScheduleAnswer {
    /// One.
    Schedule {
        /// It.
        schedule: Box<ScheduleDetails>,
    },
    /// All of them.
    Schedules {
        /// They, by name.
        schedules: Vec<ScheduleDetails>,
    },
    /// It is gone.
    Removed,
    /// The trigger waits for a run to end.
    Waits,
    /// The times of a backfill that isn't done.
    Planned {
        /// They.
        times: Vec<Next>,
    },
    /// A run of a backfill begins, or has ended.
    Filling {
        /// Which.
        filled: Filled,
    },
    /// The backfill is done.
    Filled {
        /// All of it.
        filled: Vec<Filled>,
    },
    /// What changed.
    Applied {
        /// It.
        changes: Vec<Change>,
    },
}

/// A nominal time that comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Next {
    /// By the expression.
    pub nominal: Timestamp,
    /// When it fires, jitter included.
    pub due: Timestamp,
    /// The nominal time by the clocks of the schedule's zone.
    pub local: String,
}

/// A row of a schedule's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleRow {
    /// The nominal time.
    pub nominal: Timestamp,
    /// The same by the clocks of the schedule's zone.
    pub local: String,
    /// 0 for the schedule's own firing.
    pub round: u16,
    /// The run, if one was begun.
    pub run: Option<RunId>,
    /// The rest.
    pub row: schedule::Row,
}

/// A schedule as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduleDetails {
    /// What somebody wants.
    pub definition: Definition,
    /// SHA-256 of the component that its runs are pinned to.
    pub digest: WorkflowDigest,
    /// When it fires, in words.
    pub words: String,
    /// `active`, `paused` or `finished`.
    pub state: String,
    /// Why it is paused, while it is.
    pub paused: Option<Pause>,
    /// Who put it there.
    pub origin: Origin,
    /// When it was added.
    pub created_at: Timestamp,
    /// How many firings it has had.
    pub firings: u64,
    /// Its runs under way.
    pub running: Vec<RunId>,
    /// How many firings wait.
    pub waiting: usize,
    /// When a run was expected and hadn't succeeded; none once one has.
    pub late: Option<Timestamp>,
    /// How the last run that ended did, and when.
    pub last_end: Option<(End, Timestamp)>,
    /// The nominal times that come next.
    pub next: Vec<Next>,
    /// The latest rows of its history.
    pub rows: Vec<ScheduleRow>,
}

impl Node {
    /// Does what a command asks of schedules.
    pub(super) async fn schedule(
        &self,
        ask: ScheduleAsk,
        replies: &mpsc::Sender<Reply>,
        interrupted: watch::Receiver<bool>,
    ) -> Result<Reply, Error> {
        let schedules = self.schedules();
        let answer = match ask {
            ScheduleAsk::Add { definition, paused } => {
                let component = self.component_of(&definition).await?;
                let at = self.clock.now();
                let paused = paused.map(|(reason, by)| Pause { by, reason, at });
                let name = definition.name.clone();
                schedules.add(*definition, component, Origin::Added, paused).await.map_err(of_schedule)?;
                self.details(&name, SHOWN, 0).await?
            }
            ScheduleAsk::Edit { name, patch } => {
                let component = match &patch.workflow {
                    Some((_, file)) => Some(read_component(file, self.component_bytes_max).await?),
                    None => None,
                };
                schedules.edit(&name, &patch, component).await.map_err(of_schedule)?;
                self.details(&name, SHOWN, 0).await?
            }
            ScheduleAsk::List => {
                let views = schedules.list().await.map_err(of_schedule)?;
                let schedules = views.into_iter().map(|view| details(view, Vec::new())).collect();
                ScheduleAnswer::Schedules { schedules }
            }
            ScheduleAsk::Show { name, next, rows } => self.details(&name, next, rows).await?,
            ScheduleAsk::Pause { name, reason, by } => {
                schedules.pause(&name, &reason, &by).await.map_err(of_schedule)?;
                self.details(&name, SHOWN, 0).await?
            }
            ScheduleAsk::Resume { name } => {
                schedules.resume(&name).await.map_err(of_schedule)?;
                self.details(&name, SHOWN, 0).await?
            }
            ScheduleAsk::Remove { name } => {
                schedules.remove(&name).await.map_err(of_schedule)?;
                ScheduleAnswer::Removed
            }
            ScheduleAsk::Trigger { name, overlap } => {
                match schedules.trigger(&name, overlap).await.map_err(of_schedule)? {
                    Triggered::Waits => ScheduleAnswer::Waits,
                    Triggered::Run(watched) => return self.followed(watched, replies, interrupted).await,
                }
            }
            ScheduleAsk::Backfill { name, backfill, dry_run: true } => {
                let times = schedules.backfill_plan(&name, &backfill).await.map_err(of_schedule)?;
                let view = schedules.show(&name, 1).await.map_err(of_schedule)?;
                ScheduleAnswer::Planned { times: times.into_iter().map(|at| next(&view, at)).collect() }
            }
            ScheduleAsk::Backfill { name, backfill, dry_run: false } => {
                let told = |filled: &Filled| {
                    let answer = ScheduleAnswer::Filling { filled: filled.clone() };
                    // Who reads too slowly misses some; the last answer has all.
                    let _ = replies.try_send(Reply::Schedule { answer: Box::new(answer) });
                };
                let filled = schedules.backfill(&name, &backfill, &told).await.map_err(of_schedule)?;
                ScheduleAnswer::Filled { filled }
            }
            ScheduleAsk::Apply { desired, dry_run, prune } => {
                let mut read = Vec::with_capacity(desired.len());
                for definition in desired {
                    let component = self.component_of(&definition).await?;
                    read.push(Desired { definition, component });
                }
                let changes = schedules.apply(read, dry_run, prune).await.map_err(of_schedule)?;
                ScheduleAnswer::Applied { changes }
            }
        };
        Ok(Reply::Schedule { answer: Box::new(answer) })
    }

    async fn component_of(&self, definition: &Definition) -> Result<Vec<u8>, Error> {
        let missing = || Fault::new(crate::model::FaultCode::CallInvalid, "the workflow's file is missing");
        let file: &PathBuf = definition.file.as_ref().ok_or_else(missing)?;
        read_component(Path::new(file), self.component_bytes_max).await
    }

    async fn details(&self, name: &str, next: usize, rows: usize) -> Result<ScheduleAnswer, Error> {
        let view = self.schedules().show(name, next).await.map_err(of_schedule)?;
        let rows = match rows {
            0 => Vec::new(),
            rows => self.schedules().history(name, None, rows).await.map_err(of_schedule)?,
        };
        Ok(ScheduleAnswer::Schedule { schedule: Box::new(details(view, rows)) })
    }

    /// Tells of a run until it ends, and until its schedule knows of that.
    async fn followed(
        &self,
        watched: Watched,
        replies: &mpsc::Sender<Reply>,
        interrupted: watch::Receiver<bool>,
    ) -> Result<Reply, Error> {
        let run = watched.run().clone();
        let reply = match self.driven(&run) {
            Some(handle) => Ok(follow(&handle, replies, Some(interrupted)).await),
            // So short a run has ended already.
            None => self.outcome_of(&run).await,
        };
        // Whoever interrupts a run isn't kept waiting for its row.
        let _ = tokio::time::timeout(NOTED_WITHIN, watched.noted()).await;
        reply
    }
}

/// How long the row of a run that has ended may take to be written: one commit of the store.
const NOTED_WITHIN: std::time::Duration = std::time::Duration::from_secs(2);

/// So many of the next nominal times are shown after a change.
const SHOWN: usize = 3;

fn next(view: &View, nominal: Timestamp) -> Next {
    Next { nominal, due: view.record.definition.due(nominal), local: view.rule.local(nominal) }
}

fn details(view: View, rows: Vec<HistoryRow>) -> ScheduleDetails {
    let local = |at: Timestamp| view.rule.local(at);
    let next: Vec<Next> = view
        .next
        .iter()
        .map(|(nominal, due)| Next { nominal: *nominal, due: *due, local: local(*nominal) })
        .collect();
    let rows = rows.into_iter().map(|row| ScheduleRow {
        nominal: row.nominal,
        local: local(row.nominal),
        round: row.round,
        run: row.run,
        row: row.row,
    });
    let rows = rows.collect();
    let Record { definition, component, created_at, paused, origin, .. } = view.record;
    ScheduleDetails {
        definition,
        digest: component.into(),
        words: view.words,
        state: view.state.as_str().to_owned(),
        paused,
        origin,
        created_at,
        firings: view.standing.number,
        running: view.standing.active.into_iter().map(|(run, _)| run).collect(),
        waiting: view.standing.waiting.len(),
        late: view.standing.late,
        last_end: view.standing.last_end,
        next,
        rows,
    }
}

fn of_schedule(error: schedule::Error) -> Error {
    match error {
        schedule::Error::Engine(error) => super::node::of_engine(error, None),
        error => error.to_fault().into(),
    }
}
