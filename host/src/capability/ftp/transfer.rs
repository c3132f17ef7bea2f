//! Moving one file: for a site's own calls and for batches.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::table::Table;
use crate::capability::ctx::judge;
use crate::capability::events::{Events, TransferWatch};
use crate::capability::grants::Reach;
use crate::clock::Clock;
use crate::journal::{Halt, Slot};
use crate::model::{
    Direction, Exhausted, Fault, FaultCode, ItemId, LocalPath, PauseReason, Receipt, RemotePath, RunEvent,
    RunId, Site, StepSeq, TransferId, TransferOptions,
};
use crate::transfer::{Job, PartName, Stop};

/// A file to move, as it is recorded and fingerprinted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Transfer {
    pub(super) direction: Direction,
    pub(super) remote: RemotePath,
    pub(super) local: LocalPath,
}

/// Moves files for one run.
#[derive(Clone)]
pub(super) struct Mover {
    pub(super) run: RunId,
    pub(super) reach: Reach,
    pub(super) events: Events,
    pub(super) clock: Arc<dyn Clock>,
}

/// One of the files.
pub(super) struct Moving<'a> {
    pub(super) site: &'a str,
    pub(super) transfer: &'a Transfer,
    pub(super) options: &'a TransferOptions,
    pub(super) id: TransferId,
    /// When it was asked for, by the clock's monotonic time.
    pub(super) asked: Duration,
    /// Where it keeps its offsets.
    pub(super) slot: Arc<Slot>,
    pub(super) stop: &'a Stop,
    /// Called when it needs its session no more.
    pub(super) landed: &'a (dyn Fn() + Sync),
}

impl Mover {
    /// Moves one file. The inner result is for the guest.
    pub(super) async fn move_file(&self, moving: Moving<'_>) -> Result<Result<Receipt, Fault>, Halt> {
        let (id, options, asked) = (moving.id, moving.options, moving.asked);
        let (site, direction) = (moving.site.to_owned(), moving.transfer.direction);
        let outcome = match self.attempt(moving).await {
            Ok(receipt) => Ok(receipt),
            Err((site, fault)) => Err(settle(fault, site.as_deref(), options)?),
        };
        let latency = self.clock.monotonic().saturating_sub(asked);
        self.events.send(RunEvent::TransferFinished {
            transfer: id,
            site,
            direction,
            latency_ms: u64::try_from(latency.as_millis()).unwrap_or(u64::MAX),
            outcome: outcome.clone(),
        });
        Ok(outcome)
    }

    async fn attempt(&self, moving: Moving<'_>) -> Result<Receipt, (Option<Arc<Site>>, Fault)> {
        let Moving { site, transfer, options, id, asked: _, slot, stop, landed } = moving;
        let site = self.reach.site(site).map_err(|fault| (None, fault))?;
        let told = |fault| (Some(Arc::clone(&site)), fault);
        let local = self.reach.file(&transfer.local).await.map_err(told)?;
        let watch = TransferWatch {
            events: self.events.clone(),
            transfer: id,
            site: site.name.clone(),
            direction: transfer.direction,
            name: transfer.remote.to_string(),
            landed,
        };
        let job = Job {
            site: Arc::clone(&site),
            remote: transfer.remote.clone(),
            local,
            options: options.clone(),
            part: PartName { run: self.run.clone(), step: id.step, item: id.item },
            log: Arc::new(Table::new(slot)),
            watch: &watch,
            stop: stop.clone(),
        };
        let transfers = self.reach.transfers();
        let moved = match transfer.direction {
            Direction::Download => transfers.download(job).await,
            Direction::Upload => transfers.upload(job).await,
        };
        moved.map_err(told)
    }
}

/// A fault of a transfer for the guest, or what stops the guest instead of it.
fn settle(fault: Fault, site: Option<&Site>, options: &TransferOptions) -> Result<Fault, Halt> {
    let policy = match site {
        Some(site) => Some(options.retry_policy(&site.retry).on_exhausted),
        None => options.on_exhausted,
    };
    exhausted(judge(fault)?, policy)
}

/// A fault that comes through and may be mended has used up its attempts; the policy says what then.
pub(super) fn exhausted(fault: Fault, policy: Option<Exhausted>) -> Result<Fault, Halt> {
    if fault.may_be_mended() && policy == Some(Exhausted::Pause) {
        return Err(Halt::Pause(PauseReason::Exhausted, Box::new(fault)));
    }
    if matches!(fault.code, FaultCode::StateUnwritable | FaultCode::StateDamaged) {
        return Err(Halt::State(crate::journal::Error::Unavailable { reason: fault.message }));
    }
    Ok(fault)
}

/// Which transfer a step's only one is.
pub(super) fn only(step: StepSeq) -> TransferId {
    TransferId { step, item: ItemId(0) }
}
