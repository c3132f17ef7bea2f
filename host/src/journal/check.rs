//! Looking through a whole store, and removing what is no longer wanted.

use std::collections::HashMap;
use std::sync::Arc;

use super::cursor;
use super::deliveries::Deliveries;
use super::entry::{Ending, Fact, Stored};
use super::error::Error;
use super::remembered;
use super::store::{BlobId, FiringKey, RunHead, Store};
use super::summary::Summary;
use super::writer::fold;
use crate::model::{RunId, Timestamp};

/// Runs that are asked for at a time.
const PAGE: usize = 256;

/// What a look through a store found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Runs.
    pub runs: u64,
    /// Entries of all runs.
    pub entries: u64,
    /// Blobs that runs and schedules refer to.
    pub blobs: u64,
    /// Values and files that workflows remember across their runs.
    pub remembered: u64,
    /// Schedules.
    pub schedules: u64,
    /// What is wrong, a line each; empty if nothing is.
    pub problems: Vec<String>,
}

/// Reads everything that a store holds and compares it with itself: journals with the fold, summaries
/// with journals, blobs with their names.
///
/// # Errors
/// None for what is found; those of a store that can't be read at all.
pub async fn check(store: &Arc<dyn Store>) -> Result<CheckReport, Error> {
    let mut report = CheckReport::default();
    let mut blobs = HashMap::new();
    let mut before: Option<RunId> = None;
    loop {
        let heads = store.heads(before.as_ref(), PAGE).await?;
        let Some(last) = heads.last() else { break };
        before = Some(last.run.clone());
        for head in &heads {
            report.runs += 1;
            report.entries += head.entries();
            if let Err(error) = check_run(store, head, &mut blobs).await {
                report.problems.push(format!("run {}: {error}", head.run));
            }
        }
    }
    check_schedules(store, &mut report, &mut blobs).await?;
    report.blobs = blobs.len() as u64;
    match remembered::check(store).await {
        Ok(count) => report.remembered = count,
        Err(error) => report.problems.push(format!("what workflows remember: {error}")),
    }
    Ok(report)
}

/// Whether each schedule has its component, and its firings can be read.
async fn check_schedules(
    store: &Arc<dyn Store>,
    report: &mut CheckReport,
    blobs: &mut HashMap<BlobId, u64>,
) -> Result<(), Error> {
    let mut after: Option<String> = None;
    loop {
        let schedules = store.schedules(after.as_deref(), PAGE).await?;
        let Some((last, _)) = schedules.last() else { return Ok(()) };
        after = Some(last.clone());
        for (name, schedule) in &schedules {
            report.schedules += 1;
            let component = Stored::Blob { id: schedule.component, bytes: u64::MAX };
            let sound = match check_blob(store, &component, blobs).await {
                Ok(()) => check_firings(store, name).await,
                Err(error) => Err(error),
            };
            if let Err(error) = sound {
                report.problems.push(format!("schedule {name}: {error}"));
            }
        }
    }
}

async fn check_firings(store: &Arc<dyn Store>, schedule: &str) -> Result<(), Error> {
    let mut before: Option<FiringKey> = None;
    loop {
        // A run that a firing names may have been removed since, so only the reading tells.
        let firings = store.firings(schedule, before.as_ref(), PAGE).await?;
        match firings.into_iter().next_back() {
            Some(last) => before = Some(last.key),
            None => return Ok(()),
        }
    }
}

async fn check_run(
    store: &Arc<dyn Store>,
    head: &RunHead,
    blobs: &mut HashMap<BlobId, u64>,
) -> Result<(), Error> {
    let state = fold(store, head).await?;
    let summary = Summary::decode(&head.summary)?;
    if (summary.status, summary.component) != (state.status, state.created.component) {
        return Err(Error::damaged(format!(
            "its summary says `{}`, and its journal `{}`",
            summary.status, state.status
        )));
    }
    let component = Stored::Blob { id: state.created.component, bytes: u64::MAX };
    check_blob(store, &component, blobs).await?;
    let mut cursor = cursor::whole(store, head);
    while let Some(entry) = cursor.next().await? {
        for stored in named(&entry.fact) {
            check_blob(store, stored, blobs).await?;
        }
    }
    let mut deliveries = Deliveries::new(Arc::clone(store), head.run.clone());
    while let Some(row) = deliveries.next().await? {
        check_blob(store, &row.what, blobs).await?;
    }
    Ok(())
}

/// What a fact names.
fn named(fact: &Fact) -> Vec<&Stored> {
    match fact {
        Fact::RunCreated(created) => {
            let checkpoints = created.checkpoints.iter().map(|(_, value)| value);
            checkpoints.chain([&created.input]).chain(&created.resumed).collect()
        }
        Fact::StepFinished { result, .. } => vec![result],
        Fact::Ended(Ending::Done { output }) => vec![output],
        _ => Vec::new(),
    }
}

async fn check_blob(
    store: &Arc<dyn Store>,
    stored: &Stored,
    seen: &mut HashMap<BlobId, u64>,
) -> Result<(), Error> {
    let Stored::Blob { id, bytes } = stored else {
        return Ok(());
    };
    let found = match seen.get(id) {
        Some(found) => *found,
        None => {
            let blob = store.blob(*id).await?;
            let blob = blob.ok_or_else(|| Error::damaged(format!("blob {id} is missing")))?;
            seen.insert(*id, blob.len() as u64);
            blob.len() as u64
        }
    };
    if *bytes == u64::MAX || *bytes == found {
        return Ok(());
    }
    Err(Error::damaged(format!("blob {id} has {found} bytes of {bytes}")))
}

/// Removes runs that ended and were last touched before `before`, but for the newest `keep` of all
/// runs. Gives how many.
///
/// # Errors
/// Those of [`Store::remove`].
pub async fn prune(store: &Arc<dyn Store>, before: Timestamp, keep: usize) -> Result<u64, Error> {
    let mut removed = 0;
    let mut seen = 0;
    let mut last: Option<RunId> = None;
    loop {
        let heads = store.heads(last.as_ref(), PAGE).await?;
        let Some(oldest) = heads.last() else { return Ok(removed) };
        last = Some(oldest.run.clone());
        for head in &heads {
            seen += 1;
            let summary = Summary::decode(&head.summary)?;
            if seen > keep && !head.claimed && summary.status.is_closed() && summary.updated_at < before {
                store.remove(&head.run).await?;
                removed += 1;
            }
        }
    }
}
