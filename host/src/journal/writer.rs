//! The one place from which a run's journal grows. Everything is judged by the fold before it is
//! written, so nothing is written that couldn't be read back.

use std::sync::Arc;

use bytes::Bytes;

use super::cursor::{self, Cursor, Kept};
use super::disk::{self, Wanted};
use super::entry::{Entry, Fact, Stored};
use super::error::Error;
use super::inbox::{self, Sent, Signal};
use super::state::RunState;
use super::store::{Append, BlobId, Claim, NewFiring, NewRun, RunHead, Store, ValueWrite, Write};
use super::summary::{REFRESH_MS, Summary};
use crate::clock::Clock;
use crate::model::Timestamp;

/// Room in an entry for what stands beside a result: kind, arguments (1 KiB), label, names.
const ENTRY_OVERHEAD: usize = 4 << 10;

/// Appends to one run's journal.
#[derive(Debug)]
pub(super) struct Writer {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    claim: Claim,
    state: RunState,
    /// The number of the first entry that is kept.
    first_seq: u64,
    /// Length of the entries that are kept, in bytes.
    bytes: u64,
    /// Notes that ride on the next commit.
    pending: Vec<Entry>,
    pending_bytes: u64,
    summary_at: Timestamp,
    /// A commit failed after the state had taken it in: what the store holds isn't known.
    broken: bool,
}

/// What becomes durable together with facts.
#[derive(Debug, Default)]
pub(super) struct Along {
    /// Changes to the run's table.
    pub(super) writes: Vec<Write>,
    /// Changes to values outside of runs.
    pub(super) values: Vec<ValueWrite>,
    /// Blobs that the facts name.
    pub(super) blobs: Vec<BlobId>,
    /// The run came further.
    pub(super) progress: bool,
}

impl Writer {
    /// Begins a run, as the run of a firing if it is one.
    pub(super) async fn create(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        created: super::entry::RunCreated,
        firing: Option<NewFiring>,
    ) -> Result<Self, Error> {
        let mut blobs = vec![created.component];
        blobs.extend(blob_of(&created.input));
        let run = created.run.clone();
        let entry = Entry { at: created.began_at, fact: Fact::RunCreated(Box::new(created)) };
        let encoded = disk::encode(&entry)?;
        let bytes = encoded.len() as u64;
        let state = RunState::begin(1, entry)?;
        let summary = Summary::of(&state).encode()?;
        let claim = store.submit(NewRun { run, entries: vec![encoded], summary, blobs, firing }).await?;
        Ok(Self::new(store, clock, claim, state, 1, bytes))
    }

    /// Folds the journal of a run that was just claimed. Gives what it read, where that isn't much.
    pub(super) async fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        claim: Claim,
        head: &RunHead,
    ) -> Result<(Self, Option<Kept>), Error> {
        let mut cursor = cursor::whole(&store, head).wanting(Wanted::Fold).keeping();
        let state = fold_from(&mut cursor, head).await?;
        Ok((Self::new(store, clock, claim, state, head.first_seq, head.bytes), cursor.into_kept()))
    }

    fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        claim: Claim,
        state: RunState,
        first_seq: u64,
        bytes: u64,
    ) -> Self {
        Self {
            summary_at: state.last_at,
            store,
            clock,
            claim,
            state,
            first_seq,
            bytes,
            pending: Vec::new(),
            pending_bytes: 0,
            broken: false,
        }
    }

    /// How the run stands, with all that was committed.
    pub(super) fn state(&self) -> &RunState {
        &self.state
    }

    pub(super) fn claim(&self) -> &Claim {
        &self.claim
    }

    pub(super) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Entries and bytes of the journal, with what is pending.
    pub(super) fn usage(&self) -> (u64, u64) {
        let entries = self.state.last_seq + 1 - self.first_seq + self.pending.len() as u64;
        (entries, self.bytes + self.pending_bytes)
    }

    /// Bytes of log lines, with those that are pending.
    pub(super) fn log_bytes(&self) -> u64 {
        self.state.log_bytes + self.pending_bytes
    }

    /// The time of an entry that is made now. It never goes back within a journal, whatever the
    /// machine's clock does.
    pub(super) fn time(&self) -> Timestamp {
        self.clock.now().max(self.state.last_at)
    }

    /// Keeps bytes where they belong: in the entry, or in a blob of their own.
    pub(super) async fn keep(&self, bytes: Bytes) -> Result<Stored, Error> {
        if bytes.len() + ENTRY_OVERHEAD <= self.store.limits().entry_bytes_max {
            return Ok(Stored::Inline(bytes));
        }
        let length = bytes.len() as u64;
        let id = self.store.put_blob(bytes).await?;
        Ok(Stored::Blob { id, bytes: length })
    }

    /// Takes a note, which rides on the next commit; commits by itself when there are many.
    pub(super) async fn note(&mut self, fact: Fact, bytes: u64) -> Result<(), Error> {
        /// Pending notes are lost in a crash and made again by the replay, so this bounds memory only.
        const PENDING_MAX: usize = 256;
        let at = self.time();
        self.pending.push(Entry { at, fact });
        self.pending_bytes += bytes;
        if self.pending.len() >= PENDING_MAX {
            self.commit(Vec::new(), Along::default()).await?;
        }
        Ok(())
    }

    /// Commits the pending notes and these facts; durable when it returns. Gives their time.
    pub(super) async fn commit(&mut self, facts: Vec<Fact>, along: Along) -> Result<Timestamp, Error> {
        let at = self.time();
        let mut entries = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;
        // Notes give way to the facts that pause or end a run that has written too much.
        let beyond_limits = facts.iter().any(|fact| !is_bounded(fact));
        if beyond_limits {
            let limits = self.store.limits();
            if self.usage().0 + entries.len() as u64 >= limits.entries_max {
                entries.clear();
            }
        }
        entries.extend(facts.into_iter().map(|fact| Entry { at, fact }));

        let mut append = Append::new(self.claim.clone(), self.state.last_seq);
        for entry in &entries {
            append.entries.push(disk::encode(entry)?);
        }
        append.writes = along.writes;
        append.values = along.values;
        append.blobs = along.blobs;
        append.progress = along.progress;
        append.beyond_limits = beyond_limits;
        self.check_limits(&append)?;
        self.append(append, &entries, at).await?;
        Ok(at)
    }

    /// Makes sure that a step which begins now can be recorded, so that no effect takes place whose
    /// end then can't be written.
    ///
    /// # Errors
    /// [`Error::HistoryLimit`].
    pub(super) fn check_room(&self) -> Result<(), Error> {
        /// Its start, its end, and an attempt or two.
        const ENTRIES: u64 = 4;
        let limits = self.store.limits();
        let (entries, bytes) = self.usage();
        let (entries, bytes) = (entries + ENTRIES, bytes + limits.entry_bytes_max as u64);
        if entries > limits.entries_max || bytes > limits.run_bytes_max {
            return Err(Error::HistoryLimit {
                run: self.claim.run.clone(),
                entries,
                entries_max: limits.entries_max,
                bytes,
                bytes_max: limits.run_bytes_max,
            });
        }
        Ok(())
    }

    /// Has a signal wait for the run: no entry of its journal, so nothing of its state changes.
    pub(super) async fn signal(&mut self, signal: &Signal) -> Result<Sent, Error> {
        if self.state.status.is_closed() {
            return Err(Error::Closed { run: self.claim.run.clone() });
        }
        inbox::send(&self.store, &self.claim, self.state.last_seq, signal, self.time()).await
    }

    /// Ends this journal and begins the next one of the same run, at `at`.
    pub(super) async fn restart(&mut self, at: Timestamp, fact: Fact, along: Along) -> Result<(), Error> {
        self.pending.clear();
        self.pending_bytes = 0;
        let entry = Entry { at, fact };
        let mut append = Append::new(self.claim.clone(), self.state.last_seq);
        append.entries.push(disk::encode(&entry)?);
        append.writes = along.writes;
        append.blobs = along.blobs;
        append.progress = true;
        append.restart = true;
        let state = RunState::begin(self.state.last_seq + 1, entry)?;
        append.summary = Some(Summary::of(&state).encode()?);
        self.first_seq = state.last_seq;
        self.bytes = append.entries.iter().map(|entry| entry.len() as u64).sum();
        self.state = state;
        self.send(append).await
    }

    async fn append(&mut self, mut append: Append, entries: &[Entry], at: Timestamp) -> Result<(), Error> {
        let stands = |state: &RunState| (state.status, state.pause.as_ref().map(|(why, _)| *why));
        let stood = stands(&self.state);
        let bytes: u64 = append.entries.iter().map(|entry| entry.len() as u64).sum();
        for entry in entries {
            if let Err(error) = self.state.apply(entry) {
                self.broken = true;
                return Err(Error::bug(error.to_string()));
            }
        }
        if stands(&self.state) != stood || at.0 >= self.summary_at.0 + REFRESH_MS {
            append.summary = Some(Summary::of(&self.state).encode()?);
            self.summary_at = at;
        }
        self.bytes += bytes;
        self.send(append).await
    }

    /// The state has taken the entries in before they are sent. So when a caller is dropped while it
    /// waits, the next append expects them to be there; if they aren't, the store refuses it.
    async fn send(&mut self, append: Append) -> Result<(), Error> {
        if self.broken {
            return Err(Error::Unavailable { reason: "an earlier write of this run failed".to_owned() });
        }
        let sent = self.store.append(append).await;
        self.broken = sent.is_err();
        sent.map(|_| ())
    }

    /// Refuses what the store would refuse while the state is still unchanged, so that the run can
    /// be paused properly.
    fn check_limits(&self, append: &Append) -> Result<(), Error> {
        if append.beyond_limits {
            return Ok(());
        }
        let head = RunHead {
            run: self.claim.run.clone(),
            epoch: self.claim.epoch,
            claimed: true,
            unclean_ends: 0,
            first_seq: self.first_seq,
            last_seq: self.state.last_seq,
            bytes: self.bytes,
            summary: Bytes::new(),
        };
        self.store.limits().check_entries(&head, &append.entries, false)
    }
}

/// Whether a fact is one of those that a run could make without end.
fn is_bounded(fact: &Fact) -> bool {
    fact.step().is_some() || matches!(fact, Fact::StatusSet { .. } | Fact::Logged { .. })
}

/// The blob that holds these bytes, if one does.
pub(super) fn blob_of(stored: &Stored) -> Option<BlobId> {
    match stored {
        Stored::Blob { id, .. } => Some(*id),
        Stored::Inline(_) => None,
    }
}

/// How a run stands, read from its journal.
///
/// # Errors
/// [`Error::Damaged`] at the first entry that can't be read or can't follow.
pub async fn fold(store: &Arc<dyn Store>, head: &RunHead) -> Result<RunState, Error> {
    fold_from(&mut cursor::whole(store, head).wanting(Wanted::Fold), head).await
}

async fn fold_from(cursor: &mut Cursor, head: &RunHead) -> Result<RunState, Error> {
    let seq = cursor.seq();
    let first = cursor
        .next()
        .await?
        .ok_or_else(|| Error::damaged(format!("the journal of run {} is empty", head.run)))?;
    let mut state = RunState::begin(seq, first)?;
    if state.created.run != head.run {
        return Err(Error::damaged(format!(
            "the journal of run {} is of run {}",
            head.run, state.created.run
        )));
    }
    while let Some(entry) = cursor.next().await? {
        state.apply(&entry)?;
    }
    Ok(state)
}

/// The bytes of something stored.
///
/// # Errors
/// Those of [`Store::blob`]; [`Error::Damaged`] where the blob is missing.
pub async fn load(store: &dyn Store, stored: Stored) -> Result<Bytes, Error> {
    match stored {
        Stored::Inline(bytes) => Ok(bytes),
        Stored::Blob { id, .. } => {
            store.blob(id).await?.ok_or_else(|| Error::damaged(format!("blob {id} is missing")))
        }
    }
}
