//! Listings and histories: reading runs without driving them.

use super::{Engine, Error};
use crate::journal::{self, Entry, RunHead, RunState, Summary};
use crate::model::{RunId, RunStatus};

/// How many heads are read at a time.
const PAGE: usize = 256;

/// Which runs a listing shows.
#[derive(Clone, Debug)]
pub struct ListFilter {
    /// Only runs that stand so; all, if empty.
    pub statuses: Vec<RunStatus>,
    /// Only runs of the workflow of this name.
    pub workflow: Option<String>,
    /// Only runs older than this one.
    pub before: Option<RunId>,
    /// How many at most.
    pub max: usize,
}

impl Default for ListFilter {
    fn default() -> Self {
        Self { statuses: Vec::new(), workflow: None, before: None, max: 100 }
    }
}

/// A run in a listing.
#[derive(Clone, Debug)]
pub struct RunLine {
    /// Which run.
    pub run: RunId,
    /// What is kept of it for listings.
    pub summary: Summary,
    /// Whether this process drives it.
    pub live: bool,
}

/// A run as a whole.
#[derive(Clone, Debug)]
pub struct RunDetail {
    /// Its head.
    pub head: RunHead,
    /// How it stands after its journal.
    pub state: RunState,
    /// Its input: JSON text.
    pub input: String,
    /// Its result, if it is done: JSON text.
    pub output: Option<String>,
    /// Whether this process drives it.
    pub live: bool,
}

impl Engine {
    /// Runs, newest first. Reads no journal.
    ///
    /// # Errors
    /// [`Error::State`].
    pub async fn list(&self, filter: &ListFilter) -> Result<Vec<RunLine>, Error> {
        let mut lines = Vec::new();
        let mut before = filter.before.clone();
        loop {
            let heads = self.store().heads(before.as_ref(), PAGE).await?;
            let whole = heads.len() < PAGE;
            before = heads.last().map(|head| head.run.clone());
            for head in heads {
                let summary = Summary::decode(&head.summary)?;
                let stands = filter.statuses.is_empty() || filter.statuses.contains(&summary.status);
                let named = filter.workflow.as_ref().is_none_or(|name| *name == summary.workflow);
                if stands && named {
                    let live = self.is_live(&head.run);
                    lines.push(RunLine { run: head.run, summary, live });
                    if lines.len() >= filter.max {
                        return Ok(lines);
                    }
                }
            }
            if whole {
                return Ok(lines);
            }
        }
    }

    /// How a run stands, from its journal.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::State`].
    pub async fn show(&self, run: &RunId) -> Result<RunDetail, Error> {
        let store = self.store();
        let head = store.head(run).await?.ok_or_else(|| Error::NotFound(run.clone()))?;
        let state = journal::fold(store, &head).await?;
        let input = text(journal::load(store.as_ref(), state.created.input.clone()).await?);
        let output = match &state.ending {
            Some(journal::Ending::Done { output }) => {
                Some(text(journal::load(store.as_ref(), output.clone()).await?))
            }
            _ => None,
        };
        Ok(RunDetail { live: self.is_live(run), head, state, input, output })
    }

    /// At most `max` entries of a run's journal from number `from` on, with their numbers.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::State`].
    pub async fn history(&self, run: &RunId, from: u64, max: usize) -> Result<Vec<(u64, Entry)>, Error> {
        Ok(journal::history(self.store(), run, from, max).await?)
    }
}

fn text(bytes: bytes::Bytes) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}
