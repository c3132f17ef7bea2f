//! Many transfers at once.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Receipt;
use crate::{Result, host};

/// How many transfers [`Batch::run_all`] hands over at a time, and how many it keeps undelivered: enough to
/// keep 64 sessions busy between two deliveries, few enough for little memory.
const SLICE: usize = 256;
const UNDELIVERED_MAX: usize = 1_024;

/// How many outcomes are asked for at a time.
const PAGE: u32 = 256;

/// Which way a file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From the server into a granted folder.
    Download,
    /// From a granted folder to the server.
    Upload,
}

/// One file for a batch to move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Which way.
    pub direction: Direction,
    /// The path on the site.
    pub remote: String,
    /// The path in a granted folder.
    pub local: String,
}

impl Transfer {
    /// From `remote` on the site to `local` in a granted folder.
    #[must_use]
    pub fn download(remote: impl Into<String>, local: impl Into<String>) -> Self {
        Self { direction: Direction::Download, remote: remote.into(), local: local.into() }
    }

    /// From `local` in a granted folder to `remote` on the site.
    #[must_use]
    pub fn upload(local: impl Into<String>, remote: impl Into<String>) -> Self {
        Self { direction: Direction::Upload, remote: remote.into(), local: local.into() }
    }
}

/// How one transfer of a batch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its number in the batch, from 0.
    pub id: u32,
    /// What was asked for.
    pub transfer: Transfer,
    /// What it proves, or why it failed.
    pub receipt: Result<Receipt>,
}

/// What [`Batch::next_within`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// At least one outcome.
    Outcomes(Vec<Outcome>),
    /// None came within the timeout.
    TimedOut,
    /// Every transfer that was submitted has been delivered.
    Finished,
}

/// Many transfers at once, with one site and one set of options. As an iterator it gives outcomes as they
/// come, until every transfer that was submitted is delivered; more may be submitted meanwhile. The order
/// is recorded: a resumed run sees the same one.
pub struct Batch {
    handle: host::Batch,
    /// What was submitted and not delivered yet.
    undelivered: HashMap<u32, Transfer>,
    /// Outcomes that the host has given and the iterator not yet.
    ready: VecDeque<Outcome>,
}

impl Batch {
    pub(crate) fn new(handle: host::Batch) -> Self {
        Self { handle, undelivered: HashMap::new(), ready: VecDeque::new() }
    }

    /// Adds transfers, at most 10,000 in one call; gives the number of the first, the others follow it.
    ///
    /// # Errors
    /// `call.invalid`, `ftp.bad-name`, `file.bad-name`, `grant.refused`; nothing is added then.
    pub fn submit(&mut self, transfers: impl IntoIterator<Item = Transfer>) -> Result<u32> {
        let transfers: Vec<_> = transfers.into_iter().collect();
        let first = self.handle.submit(&transfers)?;
        self.undelivered.extend((first..).zip(transfers));
        Ok(first)
    }

    /// Moves all of `transfers`, however many, while only about a thousand are in memory; `each` is called
    /// with every outcome. The first error of either ends it.
    ///
    /// # Errors
    /// What `transfers`, [`Batch::submit`] or `each` gave.
    pub fn run_all(
        &mut self,
        transfers: impl IntoIterator<Item = Result<Transfer>>,
        mut each: impl FnMut(Outcome) -> Result<()>,
    ) -> Result<()> {
        let mut transfers = transfers.into_iter().fuse();
        loop {
            while self.undelivered.len() + SLICE <= UNDELIVERED_MAX {
                let slice = transfers.by_ref().take(SLICE).collect::<Result<Vec<_>>>()?;
                if slice.is_empty() {
                    break;
                }
                self.submit(slice)?;
            }
            match self.next_many(PAGE) {
                outcomes if outcomes.is_empty() => return Ok(()),
                outcomes => outcomes.into_iter().try_for_each(&mut each)?,
            }
        }
    }

    /// Waits until an outcome is there, then gives those that are, at most `max` (1 to 1,000). Nothing
    /// when every transfer has been delivered.
    #[must_use = "an outcome is delivered once"]
    pub fn next_many(&mut self, max: u32) -> Vec<Outcome> {
        match self.deliver(max, None) {
            Delivery::Outcomes(outcomes) => outcomes,
            Delivery::TimedOut | Delivery::Finished => Vec::new(),
        }
    }

    /// The same, but waits no longer than `timeout`.
    #[must_use = "an outcome is delivered once"]
    pub fn next_within(&mut self, max: u32, timeout: Duration) -> Delivery {
        self.deliver(max, Some(timeout))
    }

    /// With [`Commit::Manual`](super::Commit::Manual): these outcomes, which were delivered, count.
    ///
    /// # Errors
    /// `call.invalid` for one that wasn't delivered.
    pub fn commit(&mut self, ids: &[u32]) -> Result<()> {
        self.handle.commit(ids)
    }

    /// Takes no more transfers, and ends those that haven't begun with `run.cancelled`. Those under way are
    /// finished and delivered.
    pub fn close(&mut self) {
        self.handle.close();
    }

    fn deliver(&mut self, max: u32, timeout: Option<Duration>) -> Delivery {
        if !self.ready.is_empty() {
            let count = self.ready.len().min(usize::try_from(max.max(1)).unwrap_or(usize::MAX));
            return Delivery::Outcomes(self.ready.drain(..count).collect());
        }
        let undelivered = &mut self.undelivered;
        let named = |(id, receipt)| {
            let transfer = undelivered.remove(&id).expect("the host delivers each transfer once");
            Outcome { id, transfer, receipt }
        };
        match self.handle.next(max, timeout) {
            host::Delivery::Outcomes(outcomes) => {
                Delivery::Outcomes(outcomes.into_iter().map(named).collect())
            }
            host::Delivery::TimedOut => Delivery::TimedOut,
            host::Delivery::Finished => Delivery::Finished,
        }
    }
}

impl Iterator for Batch {
    type Item = Outcome;

    fn next(&mut self) -> Option<Outcome> {
        if self.ready.is_empty() {
            self.ready = self.next_many(PAGE).into();
        }
        self.ready.pop_front()
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").field("undelivered", &self.undelivered.len()).finish_non_exhaustive()
    }
}
