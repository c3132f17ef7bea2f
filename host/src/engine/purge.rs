//! Forgetting runs that have ended.

use super::look::{ListFilter, RunLine};
use super::{Engine, Error};
use crate::model::{RunId, Timestamp};

/// Which of the runs that have ended are to be forgotten.
#[derive(Clone, Debug, Default)]
pub struct PurgeFilter {
    /// These, which must have ended; all that have, if empty.
    pub runs: Vec<RunId>,
    /// Only those that ended before.
    pub ended_before: Option<Timestamp>,
    /// So many of the newest ones stay.
    pub keep: usize,
}

impl Engine {
    /// Removes runs that have ended, with their journals and the blobs that no other run refers to, and
    /// gives them, newest first. With `dry`, only gives them.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Open`] for a run that hasn't ended; nothing is removed then.
    /// [`Error::State`], after which the runs before it are removed.
    pub async fn purge(&self, filter: &PurgeFilter, dry: bool) -> Result<Vec<RunLine>, Error> {
        let all = self.list(&ListFilter { max: usize::MAX, ..ListFilter::default() }).await?;
        for run in &filter.runs {
            match all.iter().find(|line| line.run == *run).map(|line| line.summary.status) {
                None => return Err(Error::NotFound(run.clone())),
                Some(status) if !status.is_closed() => return Err(Error::Open { run: run.clone(), status }),
                Some(_) => {}
            }
        }
        let ended = all.into_iter().filter(|line| line.summary.status.is_closed());
        let wanted = ended.filter(|line| filter.runs.is_empty() || filter.runs.contains(&line.run));
        let purged: Vec<_> = wanted
            .skip(filter.keep)
            .filter(|line| filter.ended_before.is_none_or(|before| line.summary.updated_at < before))
            .collect();
        for line in purged.iter().filter(|_| !dry) {
            self.forget(&line.run).await?;
        }
        Ok(purged)
    }

    async fn forget(&self, run: &RunId) -> Result<(), Error> {
        let store = self.store();
        if store.head(run).await?.is_some_and(|head| head.claimed) {
            // Its process died between the last entry and letting go of the run.
            let (claim, _) = store.claim(run).await?;
            store.release(&claim).await?;
        }
        Ok(store.remove(run).await?)
    }
}
