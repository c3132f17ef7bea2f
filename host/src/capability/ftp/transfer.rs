//! Moving one file: for a site's own calls and for batches.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::table::Table;
use crate::capability::ctx::judge;
use crate::capability::events::{Events, TransferWatch};
use crate::capability::grants::Reach;
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
}

impl Mover {
    /// Moves one file. The inner result is for the guest.
    pub(super) async fn move_file(
        &self,
        site: &str,
        transfer: &Transfer,
        options: &TransferOptions,
        id: TransferId,
        slot: Arc<Slot>,
        stop: &Stop,
    ) -> Result<Result<Receipt, Fault>, Halt> {
        let outcome = match self.attempt(site, transfer, options, id, slot, stop).await {
            Ok(receipt) => Ok(receipt),
            Err((site, fault)) => Err(settle(fault, site.as_deref(), options)?),
        };
        self.events.send(RunEvent::TransferFinished { transfer: id, outcome: outcome.clone() });
        Ok(outcome)
    }

    async fn attempt(
        &self,
        site: &str,
        transfer: &Transfer,
        options: &TransferOptions,
        id: TransferId,
        slot: Arc<Slot>,
        stop: &Stop,
    ) -> Result<Receipt, (Option<Arc<Site>>, Fault)> {
        let site = self.reach.site(site).map_err(|fault| (None, fault))?;
        let told = |fault| (Some(Arc::clone(&site)), fault);
        let local = self.reach.file(&transfer.local).await.map_err(told)?;
        let watch = TransferWatch {
            events: self.events.clone(),
            transfer: id,
            direction: transfer.direction,
            name: transfer.remote.to_string(),
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
    let policy = options.retry.as_ref().or(site.map(|site| &site.retry));
    exhausted(judge(fault)?, policy.map(|policy| policy.on_exhausted))
}

/// A transient fault that comes through has used up its attempts; the policy says what then.
pub(super) fn exhausted(fault: Fault, policy: Option<Exhausted>) -> Result<Fault, Halt> {
    if fault.is_transient() && policy == Some(Exhausted::Pause) {
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
