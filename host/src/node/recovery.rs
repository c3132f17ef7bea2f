//! Bringing back the runs that an earlier process left behind.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use tokio::sync::watch;
use tracing::{info, warn};

use super::services::Service;
use crate::clock::Clock;
use crate::config::Config;
use crate::engine::{self, Engine, ListFilter};
use crate::model::{Fault, PauseReason, RunId, RunOutcome, RunStatus};

/// Runs that are brought back at a time: each is replayed and connects to its sites, and a thousand at
/// once would all be late.
const AT_ONCE: usize = 16;

/// A run that has been under way for so long makes room for the next one, else one that sleeps for days
/// would hold back others for days.
const UNDER_WAY: Duration = Duration::from_secs(5);

/// How soon a run is tried again that can't be gone on with now: its folder isn't mounted yet, a secret
/// of its site is missing.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Brings back what the last process left behind, once, and ends when all is back.
#[derive(Debug)]
pub struct Recovery {
    engine: Engine,
    clock: Arc<dyn Clock>,
    config: watch::Receiver<Arc<Config>>,
}

impl Recovery {
    /// `config` tells when the configuration changes: what couldn't be gone on with is tried then.
    pub(super) fn new(engine: Engine, clock: Arc<dyn Clock>, config: watch::Receiver<Arc<Config>>) -> Self {
        Self { engine, clock, config }
    }

    /// Goes on with these; gives those that can't be gone on with now.
    async fn bring_back(&self, runs: Vec<RunId>, first: bool) -> Vec<RunId> {
        let bringing = futures::stream::iter(runs).map(|run| self.one(run, first));
        bringing.buffer_unordered(AT_ONCE).filter_map(async |left| left).collect().await
    }

    async fn one(&self, run: RunId, first: bool) -> Option<RunId> {
        match self.engine.bring_back(&run).await {
            Ok(handle) => {
                let outcome = tokio::select! {
                    outcome = handle.outcome() => outcome,
                    () = self.clock.sleep(UNDER_WAY) => return None,
                };
                if let RunOutcome::Paused { why: PauseReason::Suspected, fault } = outcome {
                    warn!(%run, %fault, "the run is paused: it may be what ended the process; `orchestrator resume {run}` goes on with it");
                }
                None
            }
            Err(error @ (engine::Error::Unready(_) | engine::Error::State(_))) => {
                if first {
                    warn!(%run, %error, "the run can't be gone on with now, and is tried again");
                }
                Some(run)
            }
            // It was ended or gone on with meanwhile, or the process is ending.
            Err(engine::Error::Closed { .. } | engine::Error::NotFound(_) | engine::Error::Stopping) => None,
            Err(error) => {
                warn!(%run, %error, "the run can't be gone on with; `orchestrator resume {run}` tries it again");
                None
            }
        }
    }

    /// Names those that stay paused because they may have ended the process before.
    async fn name_suspects(&self) -> Result<(), engine::Error> {
        let paused =
            ListFilter { statuses: vec![RunStatus::Paused], max: usize::MAX, ..ListFilter::default() };
        for line in self.engine.list(&paused).await? {
            if line.summary.why == Some(PauseReason::Suspected) {
                let run = line.run;
                warn!(%run, "the run stays paused: it may be what ended the process; `orchestrator resume {run}` goes on with it");
            }
        }
        Ok(())
    }

    async fn all(&mut self) -> Result<(), engine::Error> {
        self.name_suspects().await?;
        let mut left = self.engine.unfinished().await?;
        if !left.is_empty() {
            info!(runs = left.len(), "going on with the runs that the last process left");
        }
        let mut first = true;
        loop {
            left = self.bring_back(left, first).await;
            if left.is_empty() {
                return Ok(());
            }
            first = false;
            tokio::select! {
                () = self.clock.sleep(AGAIN_AFTER) => {}
                changed = self.config.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    }
}

#[async_trait]
impl Service for Recovery {
    fn name(&self) -> &'static str {
        "recovery"
    }

    async fn run(mut self: Box<Self>, mut stop: watch::Receiver<bool>) -> Result<(), Fault> {
        tokio::select! {
            brought = self.all() => brought.map_err(|error| error.to_fault()),
            _ = stop.wait_for(|now| *now) => Ok(()),
        }
    }
}
