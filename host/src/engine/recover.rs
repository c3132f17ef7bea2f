//! Runs that a process left behind.

use super::{Engine, Error, ListFilter, ResumeOptions, RunHandle};
use crate::model::{RunId, RunStatus};

impl Engine {
    /// The runs that hadn't ended and that nobody drives, oldest first; paused ones wait for somebody and
    /// aren't among them.
    ///
    /// # Errors
    /// [`Error::State`].
    pub async fn unfinished(&self) -> Result<Vec<RunId>, Error> {
        let statuses = vec![RunStatus::Running, RunStatus::Cancelling];
        let filter = ListFilter { statuses, max: usize::MAX, ..ListFilter::default() };
        let lines = self.list(&filter).await?.into_iter().rev();
        Ok(lines.filter(|line| !line.live).map(|line| line.run).collect())
    }

    /// Goes on with one of them. A run that may be the cause of crashes is paused instead.
    ///
    /// # Errors
    /// As [`Engine::resume`].
    pub async fn bring_back(&self, run: &RunId) -> Result<RunHandle, Error> {
        self.resume(run, ResumeOptions { unasked: true, ..ResumeOptions::default() }).await
    }

    /// Goes on with every run that a process left behind, all at once.
    ///
    /// # Errors
    /// That of the first one that can't be gone on with.
    pub async fn recover(&self) -> Result<Vec<RunHandle>, Error> {
        let mut handles = Vec::new();
        for run in self.unfinished().await? {
            handles.push(self.bring_back(&run).await?);
        }
        Ok(handles)
    }
}
