//! What schedules ask of the engine. It is a trait so that tests of the policies need no guests.

use std::fmt;

use async_trait::async_trait;

use super::definition::Definition;
use crate::engine::{Cancelled, Engine, Error, RunSpec};
use crate::journal::{BlobId, NewFiring};
use crate::model::{Grants, RunId, RunOutcome};

/// Runs, as schedules begin and watch them.
#[async_trait]
pub trait Runs: Send + Sync + fmt::Debug {
    /// Keeps a component that fits, for runs that begin later.
    ///
    /// # Errors
    /// It doesn't fit, or what its runs are granted can't be used.
    async fn pin(&self, component: Vec<u8>, grants: &Grants) -> Result<BlobId, Error>;

    /// Begins the run of a firing: when this returns, both are durable and the run is under way.
    ///
    /// # Errors
    /// [`Error::State`] with [`Fired`](crate::journal::Error::Fired) where the firing has its run already;
    /// others where it can't be begun.
    async fn fire(
        &self,
        component: BlobId,
        definition: &Definition,
        run: RunId,
        firing: NewFiring,
    ) -> Result<(), Error>;

    /// Waits until this process no longer drives the run, and says how that came; `None` at once where it
    /// doesn't drive it.
    async fn outcome(&self, run: &RunId) -> Option<RunOutcome>;

    /// Has a run cancelled; `now`: without letting it clean up. Nothing happens to one that has ended.
    async fn cancel(&self, run: &RunId, now: bool);
}

#[async_trait]
impl Runs for Engine {
    async fn pin(&self, component: Vec<u8>, grants: &Grants) -> Result<BlobId, Error> {
        Self::pin(self, component, grants).await
    }

    async fn fire(
        &self,
        component: BlobId,
        definition: &Definition,
        run: RunId,
        firing: NewFiring,
    ) -> Result<(), Error> {
        let spec = RunSpec {
            run: Some(run),
            component: self.pinned(component).await?,
            name: definition.workflow.clone(),
            input: definition.input.clone(),
            grants: definition.grants.clone(),
            rate_limit: definition.rate_limit,
        };
        Self::fire(self, spec, firing).await.map(drop)
    }

    async fn outcome(&self, run: &RunId) -> Option<RunOutcome> {
        match self.handle(run) {
            Some(handle) => Some(handle.outcome().await),
            None => None,
        }
    }

    async fn cancel(&self, run: &RunId, now: bool) {
        // A second cancel ends a run where it is.
        for _ in 0..1 + u8::from(now) {
            match Self::cancel(self, run).await {
                Ok(Cancelled::CleaningUp(_)) => {}
                Ok(Cancelled::Ended) => return,
                Err(error) => {
                    tracing::debug!(%run, %error, "a run wasn't cancelled");
                    return;
                }
            }
        }
    }
}
