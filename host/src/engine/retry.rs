//! Retries: a run that has ended, or rests, goes back to one of its steps and on from there.

use super::engine::under_way;
use super::id::random;
use super::{Engine, Error, ResumeOptions, RunHandle};
use crate::journal::{self, NoRetry};
use crate::model::{RunId, StepSeq};

impl Engine {
    /// Has a run do its steps again from `from` on; by default, from the last one that gave its workflow
    /// a fault. What they did stays done. The steps before keep their results.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Unlike`] where it can't go back to there, or is under way; and as
    /// [`Engine::resume`], after which it has gone back and can be resumed.
    pub async fn retry(&self, run: &RunId, from: Option<StepSeq>) -> Result<RunHandle, Error> {
        if self.is_live(run) {
            return Err(Error::Unlike(under_way(run)));
        }
        let state = journal::state_of(self.store(), run).await?;
        self.ready(&state.created.grants)?;
        match journal::go_back(self.store(), self.clock(), run, from, random()?).await {
            Ok(_) => self.resume(run, ResumeOptions::default()).await,
            Err(NoRetry::Refused(fault)) => Err(Error::Unlike(*fault)),
            Err(NoRetry::State(error)) => Err(error.into()),
        }
    }
}
