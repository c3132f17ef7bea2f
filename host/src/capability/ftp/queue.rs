//! A batch's transfers: waiting, under way, ready to be delivered, delivered.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::table::Table;
use super::transfer::{Mover, Moving, Transfer};
use crate::capability::ctx::cancelled;
use crate::capability::signals::Entered;
use crate::capability::workers::Spawner;
use crate::journal::{Halt, Slot};
use crate::model::{Fault, FaultCode, ItemId, PauseReason, Receipt, StepSeq, TransferId, TransferOptions};
use crate::transfer::StopKind;

/// How many transfers may wait for the disk besides those that move: so many share what it takes to make
/// small files durable.
const LANDED_MAX: usize = 64;

/// How a transfer of a batch ended, for the guest.
pub(super) type Outcome = (u32, Result<Receipt, Fault>);

/// A batch's transfers.
pub(crate) struct Queue {
    /// The step that opened the batch; its tables are those of the transfers.
    pub(super) batch: StepSeq,
    pub(super) site: String,
    pub(super) options: TransferOptions,
    pub(super) parallel: usize,
    pub(super) mover: Mover,
    entered: Entered,
    spawner: Spawner,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// Neither begun in this process nor delivered, in order.
    waiting: BTreeMap<u32, Item>,
    under_way: BTreeSet<u32>,
    ready: VecDeque<Outcome>,
    /// Worker tasks that have not ended.
    workers: usize,
    /// Those of them whose transfer needs its session no more: they don't count as moving files.
    landed: usize,
    /// Only transfers that have begun, in this process or an earlier one, go on.
    closed: bool,
    /// Nothing begins any more.
    abandoned: bool,
    /// Why a worker stopped the run.
    halt: Option<Halt>,
    /// Why the run pauses once nothing else can be done: a transfer's attempts are used up.
    pause: Option<Halt>,
    /// How many transfers in a row have used up their attempts on a server that doesn't answer.
    used_up: usize,
}

struct Item {
    transfer: Transfer,
    slot: Arc<Slot>,
    /// When it was asked for, by the clock's monotonic time.
    asked: Duration,
}

/// What the guest can be given now.
pub(super) enum Next {
    /// These, at least one.
    Outcomes(Vec<Outcome>),
    /// All were delivered.
    Finished,
    /// Something is under way.
    Wait,
}

impl State {
    /// Whether so many transfers have found nobody to answer, one after another, that the next one would,
    /// too: as many as move at a time. A server that is gone must not be asked for each of a thousand
    /// files, and files that are locked for ever, as many as they are, must not hold up the others.
    fn gives_up(&self, parallel: usize) -> bool {
        self.used_up >= parallel
    }

    /// Workers that move files, or are about to.
    fn moving(&self) -> usize {
        self.workers - self.landed
    }
}

impl Queue {
    pub(super) fn new(
        batch: StepSeq,
        site: String,
        options: TransferOptions,
        parallel: usize,
        mover: Mover,
        entered: Entered,
        spawner: Spawner,
    ) -> Self {
        Self {
            batch,
            site,
            options,
            parallel,
            mover,
            entered,
            spawner,
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are neither delivered nor taken back.
    pub(super) fn undelivered(&self) -> usize {
        let state = self.state();
        state.waiting.len() + state.under_way.len() + state.ready.len()
    }

    /// Adds transfers and says how many more workers they are worth.
    pub(super) fn add(&self, first: u32, transfers: Vec<(Transfer, Arc<Slot>)>) -> usize {
        let asked = self.mover.clock.monotonic();
        let mut state = self.state();
        for (id, (transfer, slot)) in (first..).zip(transfers) {
            state.waiting.insert(id, Item { transfer, slot, asked });
        }
        let wanted = state.waiting.len().min(self.parallel).saturating_sub(state.moving());
        state.workers += wanted;
        wanted
    }

    /// The guest was given these in an earlier process: they never begin in this one.
    pub(super) fn replayed(&self, ids: impl Iterator<Item = u32>) {
        let mut state = self.state();
        for id in ids {
            state.waiting.remove(&id);
        }
    }

    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_waiters();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// The run ends: what is under way finishes or is stopped by its token, nothing begins.
    pub(crate) fn abandon(&self) {
        let mut state = self.state();
        state.abandoned = true;
        state.waiting.clear();
    }

    /// What the guest can be given now, at most `max` outcomes.
    pub(super) fn next(&self, max: usize) -> Result<Next, Halt> {
        let mut state = self.state();
        if !state.ready.is_empty() {
            let count = state.ready.len().min(max);
            return Ok(Next::Outcomes(state.ready.drain(..count).collect()));
        }
        if let Some(halt) = &state.halt {
            return Err(halt.clone());
        }
        if self.entered.stop().kind() == Some(StopKind::Interrupt) {
            return Err(Halt::Interrupted);
        }
        let begins = !state.waiting.is_empty() && !state.gives_up(self.parallel);
        if begins || !state.under_way.is_empty() {
            return Ok(Next::Wait);
        }
        match &state.pause {
            Some(pause) => Err(pause.clone()),
            None => Ok(Next::Finished),
        }
    }

    /// Until something changes. To be made before looking, so that no change is missed.
    pub(super) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }

    /// Waits until the process is ending. A cancel ends the transfers one by one instead.
    pub(super) async fn interrupted(&self) {
        if self.entered.stop().stopped().await == StopKind::Cancel {
            std::future::pending::<()>().await;
        }
    }

    /// Moves files until none waits.
    pub(super) async fn work(self: Arc<Self>) {
        while let Some((id, item)) = self.take() {
            let outcome = self.one(id, item).await;
            self.finish(id, outcome);
        }
    }

    fn take(&self) -> Option<(u32, Item)> {
        let mut state = self.state();
        let stopped = self.entered.stop().kind() == Some(StopKind::Interrupt);
        // While this one's transfer was made durable, another worker took its place.
        let replaced = state.moving() > self.parallel;
        if replaced || stopped || state.abandoned || state.halt.is_some() || state.gives_up(self.parallel) {
            state.workers -= 1;
            drop(state);
            self.changed.notify_waiters();
            return None;
        }
        match state.waiting.pop_first() {
            Some((id, item)) => {
                state.under_way.insert(id);
                Some((id, item))
            }
            None => {
                state.workers -= 1;
                None
            }
        }
    }

    /// A transfer needs its session no more: the next one may begin meanwhile. False when so many are
    /// in that state that it has to wait.
    fn land(self: &Arc<Self>) -> bool {
        let mut state = self.state();
        if state.landed >= LANDED_MAX {
            return false;
        }
        state.landed += 1;
        let more = !state.waiting.is_empty() && state.moving() < self.parallel;
        state.workers += usize::from(more);
        drop(state);
        if more {
            self.spawner.spawn(Arc::clone(self).work());
        }
        true
    }

    async fn one(self: &Arc<Self>, id: u32, item: Item) -> Result<Result<Receipt, Fault>, Halt> {
        let stop = self.entered.stop();
        let ended = self.is_closed() || stop.kind() == Some(StopKind::Cancel);
        // One that has begun is gone on with even then: it takes its part away, or finishes.
        if ended && !Table::new(Arc::clone(&item.slot)).has_begun().await.unwrap_or(true) {
            return Ok(Err(cancelled()));
        }
        let has_landed = AtomicBool::new(false);
        let landed = || {
            // Once only: an attempt that fails after it is followed by another.
            if !has_landed.load(Ordering::Relaxed) && self.land() {
                has_landed.store(true, Ordering::Relaxed);
            }
        };
        let moving = Moving {
            site: &self.site,
            transfer: &item.transfer,
            options: &self.options,
            id: TransferId { step: self.batch, item: ItemId(id) },
            asked: item.asked,
            slot: item.slot,
            stop,
            landed: &landed,
        };
        let outcome = self.mover.move_file(moving).await;
        if has_landed.into_inner() {
            self.state().landed -= 1;
        }
        outcome
    }

    fn finish(&self, id: u32, outcome: Result<Result<Receipt, Fault>, Halt>) {
        let mut state = self.state();
        state.under_way.remove(&id);
        match outcome {
            Ok(outcome) => {
                state.used_up = 0;
                state.ready.push_back((id, outcome));
            }
            // It isn't delivered: the resumed run goes on with it.
            Err(Halt::Pause(PauseReason::Exhausted, fault)) => {
                let answered = fault.reply.is_some() && fault.code != FaultCode::FtpTooMany;
                state.used_up = if answered { 0 } else { state.used_up + 1 };
                state.pause.get_or_insert(Halt::Pause(PauseReason::Exhausted, fault));
            }
            Err(halt) => state.halt = Some(halt),
        }
        drop(state);
        self.changed.notify_waiters();
    }
}
