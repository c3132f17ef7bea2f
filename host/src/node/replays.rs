//! Looking at what a run did: replays, and runs that travel in files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::node::{of_engine, of_journal, read_component};
use super::{Error, Node, Options, Reply, view};
use crate::clock::{Clock, SystemClock};
use crate::engine::{ListFilter, ReplayOptions};
use crate::journal::{self, MemoryStore, Store, Written};
use crate::model::{RunId, StepSeq};

impl Node {
    /// A process without a state, over the runs of a file that `export` wrote; and which they are.
    ///
    /// # Errors
    /// `state.damaged` for a file that is no export, or of another version, or cut.
    pub async fn of_export(options: Options, file: &Path) -> Result<(Self, Vec<RunId>), Error> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let runs = journal::import_runs(&store, &clock, file).await.map_err(of_journal)?;
        let never = watch::channel(None).1;
        Ok((Self::over(store, never, Written::default(), options).await?, runs))
    }

    pub(super) async fn replay(
        &self,
        run: RunId,
        workflow: Option<PathBuf>,
        until: Option<StepSeq>,
        replies: &mpsc::Sender<Reply>,
    ) -> Result<Reply, Error> {
        let component = match &workflow {
            Some(path) => Some(read_component(path, self.component_bytes_max).await?),
            None => None,
        };
        let (listener, mut events) = mpsc::unbounded_channel();
        let how = ReplayOptions { workflow: component, until, listener: Some(listener) };
        let telling = async {
            while let Some(event) = events.recv().await {
                // A reader who has gone is no reason to stop: the end is told to nobody then.
                let _ = replies.send(Reply::Event { event }).await;
            }
        };
        let (replayed, ()) = tokio::join!(self.engine.replay(&run, how), telling);
        let replayed = replayed.map_err(|error| of_engine(error, workflow.as_deref()))?;
        Ok(Reply::Replayed { run, replay: view::replay(replayed) })
    }

    pub(super) async fn import(&self, file: &Path) -> Result<Reply, Error> {
        let runs = journal::import_runs(&self.store, &self.clock, file).await.map_err(of_journal)?;
        let all = ListFilter { max: usize::MAX, ..ListFilter::default() };
        let lines = self.engine.list(&all).await.map_err(|error| of_engine(error, None))?;
        let taken = lines.into_iter().filter(|line| runs.contains(&line.run));
        Ok(Reply::Runs { runs: taken.map(view::line).collect() })
    }
}
