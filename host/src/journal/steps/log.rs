//! The journal of a live run, as its guest has it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Mutex, watch};

use super::rehearsal::Rehearsal;
use crate::clock::Clock;
use crate::crash;
use crate::journal::control::Control;
use crate::journal::cursor::Cursor;
use crate::journal::deliveries::Deliveries;
use crate::journal::disk::Wanted;
use crate::journal::entry::{Fact, RunCreated, Stored};
use crate::journal::error::Error;
use crate::journal::slot::Slot;
use crate::journal::state::{Cancel, RunState};
use crate::journal::store::{BlobId, Claim, NewFiring, RunHead, Store};
use crate::journal::writer::{Along, Writer};
use crate::model::{ItemId, RunStatus, StepSeq, Timestamp};

/// The journal of one live run, from its front to its end and on. Used by one guest, so one call at a
/// time.
#[derive(Debug)]
pub struct StepLog {
    pub(super) store: Arc<dyn Store>,
    pub(super) claim: Claim,
    pub(super) writer: Arc<Mutex<Writer>>,
    pub(super) cursor: Cursor,
    pub(super) deliveries: Deliveries,
    /// The last step that ended, at the cursor.
    pub(super) step: StepSeq,
    /// What the guest is told to be the time.
    pub(super) now: Timestamp,
    pub(super) checkpoints: BTreeMap<String, Stored>,
    /// Notes since the last step: made by this guest, and recorded by earlier processes.
    pub(super) notes_made: u64,
    pub(super) notes_recorded: u64,
    pub(super) live: watch::Sender<bool>,
    /// No step was carried out since the journal was opened: the next one may have left tables.
    pub(super) first_live: bool,
    /// Nothing was recorded before this process, so nothing is resumed.
    pub(super) fresh: bool,
    pub(super) half_told: bool,
    /// Nothing is carried out and nothing written: the guest is stopped where the journal ends.
    pub(super) rehearsal: Option<Rehearsal>,
    /// A seed that a retry has put in the place of the run's own, until the guest's side takes it.
    pub(super) reseed: Option<[u8; 32]>,
    pub(super) scratch: Vec<u8>,
}

impl StepLog {
    /// Begins a run: its first entry is durable when this returns.
    ///
    /// # Errors
    /// Those of [`Store::submit`].
    pub async fn create(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        created: RunCreated,
    ) -> Result<Self, Error> {
        Self::create_for(store, clock, created, None).await
    }

    /// Begins the run of a firing: run and firing are durable together when this returns.
    ///
    /// # Errors
    /// Those of [`Store::submit`].
    pub async fn create_for(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        created: RunCreated,
        firing: Option<NewFiring>,
    ) -> Result<Self, Error> {
        crash::point("journal.create.before");
        let writer = Writer::create(store, clock, created, firing).await?;
        crash::point("journal.create.after");
        let mut log = Self::over(writer, 1);
        log.fresh = true;
        log.deliveries = Deliveries::empty(Arc::clone(&log.store), log.claim.run.clone());
        log.go_live().await?;
        Ok(log)
    }

    /// Opens the journal of a run that was just claimed, and gives how the run stands. A paused run
    /// stays paused until [`StepLog::unpause`].
    ///
    /// # Errors
    /// [`Error::Damaged`] at the first entry that can't be read or can't follow; [`Error::Closed`]
    /// where the run has ended.
    pub async fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        claim: Claim,
        head: &RunHead,
    ) -> Result<(Self, RunState), Error> {
        let (mut log, state) = Self::at_front(store, clock, claim, head).await?;
        if state.status.is_closed() {
            return Err(Error::Closed { run: head.run.clone() });
        }
        if state.status != RunStatus::Paused {
            log.settle().await?;
        }
        Ok((log, state))
    }

    /// The log of a run, before its first entry, and how the run stands.
    pub(super) async fn at_front(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        claim: Claim,
        head: &RunHead,
    ) -> Result<(Self, RunState), Error> {
        let (writer, kept) = Writer::open(store, clock, claim, head).await?;
        let state = writer.state().clone();
        let mut log = Self::over(writer, head.first_seq);
        log.cursor = log.cursor.with(kept);
        Ok((log, state))
    }

    /// Gives the run another component, from here on.
    ///
    /// # Errors
    /// Those of [`append`](crate::journal::Store::append).
    pub async fn repin(&mut self, component: BlobId) -> Result<(), Error> {
        let along = Along { blobs: vec![component], ..Along::default() };
        self.writer.lock().await.commit(vec![Fact::Repinned { component }], along).await.map(drop)
    }

    pub(super) fn over(writer: Writer, first_seq: u64) -> Self {
        let store = Arc::clone(writer.store());
        let claim = writer.claim().clone();
        let state = writer.state();
        Self {
            cursor: Cursor::new(Arc::clone(&store), claim.run.clone(), first_seq + 1, state.last_seq)
                .wanting(Wanted::Replay),
            deliveries: Deliveries::new(Arc::clone(&store), claim.run.clone()),
            step: state.created.after,
            now: state.first_at,
            checkpoints: state.created.checkpoints.iter().cloned().collect(),
            notes_made: 0,
            notes_recorded: 0,
            live: watch::Sender::new(false),
            first_live: true,
            fresh: false,
            half_told: false,
            rehearsal: None,
            reseed: None,
            scratch: Vec::new(),
            writer: Arc::new(Mutex::new(writer)),
            store,
            claim,
        }
    }

    /// Where the journal is kept.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Whether everything that was recorded has been given: from here on, effects are carried out.
    #[must_use]
    pub fn is_live(&self) -> bool {
        *self.live.borrow()
    }

    /// Becomes true when the log becomes live. Transfers of a batch wait for it.
    #[must_use]
    pub fn live(&self) -> watch::Receiver<bool> {
        self.live.subscribe()
    }

    /// What the guest is told to be the time: that of the last step that ended, delivery, or resume.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The last step that ended.
    #[must_use]
    pub fn last_step(&self) -> StepSeq {
        self.step
    }

    /// The seed from which random numbers come from here on, once, where a retry has changed it.
    pub fn take_reseed(&mut self) -> Option<[u8; 32]> {
        self.reseed.take()
    }

    /// The durable table of one item of a batch, for use in the background.
    #[must_use]
    pub fn table(&self, step: StepSeq, item: ItemId) -> Arc<Slot> {
        Arc::new(Slot::new(Arc::clone(&self.store), self.claim.clone(), step, item))
    }

    /// What others may ask of this live run.
    #[must_use]
    pub fn control(&self) -> Control {
        Control::new(Arc::clone(&self.writer))
    }

    /// A cancel that was asked for.
    pub async fn cancel(&self) -> Option<Cancel> {
        self.writer.lock().await.state().cancel
    }

    /// Entries and bytes of the journal when half of what a run may write is used up: once.
    pub async fn half_full(&mut self) -> Option<(u64, u64)> {
        let (entries, bytes) = self.writer.lock().await.usage();
        let limits = self.store.limits();
        let half = entries >= limits.entries_max / 2 || bytes >= limits.run_bytes_max / 2;
        let tell = half && !self.half_told;
        self.half_told |= half;
        tell.then_some((entries, bytes))
    }

    /// The bytes of something stored.
    ///
    /// # Errors
    /// Those of [`Store::blob`]; [`Error::Damaged`] where the blob is missing.
    pub async fn load(&self, stored: Stored) -> Result<Bytes, Error> {
        crate::journal::load(self.store.as_ref(), stored).await
    }
}
