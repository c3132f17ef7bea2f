//! What a process that died has left behind.

use super::engine::ResumeOptions;
use super::handle::RunHandle;
use super::{Engine, Error, ListFilter};
use crate::model::RunStatus;

impl Engine {
    /// Goes on with every run that a process left behind, oldest first. Runs that may be the cause
    /// of crashes are paused instead.
    ///
    /// # Errors
    /// [`Error::State`].
    pub async fn recover(&self) -> Result<Vec<RunHandle>, Error> {
        let statuses = vec![RunStatus::Running, RunStatus::Cancelling];
        let filter = ListFilter { statuses, before: None, max: usize::MAX };
        let mut handles = Vec::new();
        for line in self.list(&filter).await?.into_iter().rev().filter(|line| !line.live) {
            handles.push(
                self.resume(&line.run, ResumeOptions { unasked: true, ..ResumeOptions::default() }).await?,
            );
        }
        Ok(handles)
    }
}
