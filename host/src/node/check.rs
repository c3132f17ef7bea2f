//! Reading all of a state: every entry folded, every blob compared with its name.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::StateReport;
use crate::journal::{self, BlobId, Error, RunHead, Store, Summary};

/// Heads that are read at a time.
const PAGE: usize = 256;

/// Findings that are named; of more, only how many there are.
const NAMED_MAX: usize = 100;

/// Reads everything. What is damaged becomes a finding; the rest is read all the same.
///
/// # Errors
/// The store doesn't answer.
pub(super) async fn check(store: &Arc<dyn Store>) -> Result<StateReport, Error> {
    let mut report = StateReport::default();
    let mut blobs = BTreeSet::new();
    let mut before = None;
    loop {
        let heads = store.heads(before.as_ref(), PAGE).await?;
        for head in &heads {
            report.runs += 1;
            report.entries += head.entries();
            let run = &head.run;
            match check_run(store, head).await {
                Ok(named) => blobs.extend(named),
                Err(error) => report.find(format!("run {run}: {error}")),
            }
        }
        if heads.len() < PAGE {
            break;
        }
        before = heads.last().map(|head| head.run.clone());
    }
    for id in blobs {
        report.blobs += 1;
        match store.blob(id).await {
            Ok(Some(bytes)) => report.blob_bytes += bytes.len() as u64,
            Ok(None) => report.find(format!("the blob {id} is missing")),
            Err(error) => report.find(format!("the blob {id}: {error}")),
        }
    }
    Ok(report)
}

async fn check_run(store: &Arc<dyn Store>, head: &RunHead) -> Result<Vec<BlobId>, Error> {
    let summary = Summary::decode(&head.summary)?;
    let state = journal::fold(store, head).await?;
    // A live run may have gone on between the two reads, but what has ended stays ended.
    if summary.status.is_closed() && summary.status != state.status {
        let what = format!("its summary says {} and its journal {}", summary.status, state.status);
        return Err(Error::Damaged { what });
    }
    let export = store.export(&head.run).await?;
    Ok(export.map(|export| export.blobs).unwrap_or_default())
}

impl StateReport {
    fn find(&mut self, what: String) {
        self.wrong += 1;
        if self.findings.len() < NAMED_MAX {
            self.findings.push(what);
        }
    }
}
