//! Moving one file: for a site's own calls and for batches.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::table::Table;
use crate::capability::bindings::ftp::{Failure, Receipt as WitReceipt};
use crate::capability::convert::{failure, receipt_to_wit};
use crate::capability::ctx::{Ctx, Fail, judge};
use crate::capability::events::{Events, TransferWatch};
use crate::capability::grants::Reach;
use crate::clock::Clock;
use crate::journal::{Halt, Recovery, Slot};
use crate::model::{
    Direction, Exhausted, Fault, FaultCode, ItemId, LocalPath, PauseReason, Receipt, RemotePath, RunEvent,
    RunId, Site, TransferId, TransferOptions,
};
use crate::transfer::{Errand, PartName, SiteFile, Stop};

/// Which transfer a step's only one is.
const ONLY: ItemId = ItemId(0);

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

/// A file to copy to another site, as it is recorded and fingerprinted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Copy {
    pub(super) source_site: String,
    pub(super) source: RemotePath,
    pub(super) target: RemotePath,
}

/// What is moved between a site and something else.
#[derive(Clone, Copy)]
pub(super) enum What<'a> {
    Transfer(&'a Transfer),
    Copy(&'a self::Copy),
}

impl<'a> What<'a> {
    fn direction(self) -> Direction {
        match self {
            Self::Transfer(transfer) => transfer.direction,
            Self::Copy(_) => Direction::Copy,
        }
    }

    /// Where it is on the site.
    fn remote(self) -> &'a RemotePath {
        match self {
            Self::Transfer(transfer) => &transfer.remote,
            Self::Copy(copy) => &copy.target,
        }
    }
}

/// One of the files.
pub(super) struct Moving<'a> {
    /// For a copy, that of the target.
    pub(super) site: &'a str,
    pub(super) what: What<'a>,
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
        let (site, direction) = (moving.site.to_owned(), moving.what.direction());
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
        let Moving { site, what, options, id, asked: _, slot, stop, landed } = moving;
        let site = self.reach.site(site).map_err(|fault| (None, fault))?;
        let told = |fault| (Some(Arc::clone(&site)), fault);
        let (direction, remote) = (what.direction(), what.remote());
        let watch = TransferWatch {
            events: self.events.clone(),
            transfer: id,
            site: site.name.clone(),
            direction,
            name: remote.to_string(),
            landed,
        };
        let errand = Errand {
            site: Arc::clone(&site),
            remote: remote.clone(),
            options: options.clone(),
            part: PartName { run: self.run.clone(), step: id.step, item: id.item },
            log: Arc::new(Table::new(slot)),
            watch: &watch,
            stop: stop.clone(),
        };
        let transfers = self.reach.transfers();
        let moved = match what {
            What::Transfer(transfer) => {
                let job = errand.with(self.reach.file(&transfer.local).await.map_err(told)?);
                match transfer.direction {
                    Direction::Download => transfers.download(job).await,
                    Direction::Upload => transfers.upload(job).await,
                    Direction::Copy => Err(Fault::new(FaultCode::HostBug, "a copy to a folder")),
                }
            }
            What::Copy(copy) => {
                let site = self.reach.site(&copy.source_site).map_err(told)?;
                transfers.copy(errand, SiteFile { site, path: copy.source.clone() }).await
            }
        };
        moved.map_err(told)
    }
}

impl Ctx {
    /// The step that moves one file, `args` being what is recorded of it. Its own log, and for what goes to
    /// a site that site's server, tell how far it came, so it needs no evidence; it ends by its token, so
    /// that what has come is committed.
    pub(super) async fn move_one(
        &mut self,
        kind: &'static str,
        args: &impl Serialize,
        site: &str,
        what: What<'_>,
        options: &TransferOptions,
    ) -> wasmtime::Result<Result<WitReceipt, Failure>> {
        let (mover, asked) = (self.mover(), self.clock.monotonic());
        let moved: Result<Receipt, Fault> = self
            .step(kind, args, Recovery::Rerun, async |step, stop| {
                let moving = Moving {
                    site,
                    what,
                    options,
                    id: TransferId { step: step.seq(), item: ONLY },
                    asked,
                    slot: step.slot(ONLY).await,
                    stop,
                    landed: &|| {},
                };
                mover.move_file(moving).await?.map_err(Fail::Fault)
            })
            .await?;
        Ok(moved.map(receipt_to_wit).map_err(failure))
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
