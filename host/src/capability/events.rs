//! Telling listeners what a run does.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;

use crate::model::{ByteCount, Direction, Fault, Listener, RunEvent, RunId, TransferId};
use crate::transfer::Watch;

/// How many events a slow listener may be behind before it loses some: at ten a second for each of
/// 32 transfers, almost a second. The room is reserved for each run, about 100 KiB.
const EVENTS_MAX: usize = 256;

/// Where a run tells what it does. Nobody has to listen.
#[derive(Clone)]
pub struct Events {
    sender: broadcast::Sender<RunEvent>,
    all: Option<Arc<OfAll>>,
}

/// Who hears everything, and what it has to know of this run.
struct OfAll {
    listener: Arc<dyn Listener>,
    run: RunId,
    workflow: String,
}

impl Events {
    /// A sender for any number of listeners, each of which loses events when it is slow.
    #[must_use]
    pub fn new() -> Self {
        Self { sender: broadcast::Sender::new(EVENTS_MAX), all: None }
    }

    /// A sender for a run, of which `listener` hears everything: it loses none, however slow it is.
    #[must_use]
    pub fn heard_by(listener: Arc<dyn Listener>, run: RunId, workflow: String) -> Self {
        Self { all: Some(Arc::new(OfAll { listener, run, workflow })), ..Self::new() }
    }

    /// Tells those who listen.
    pub fn send(&self, event: RunEvent) {
        if let Some(all) = &self.all {
            all.listener.hear(&all.run, &all.workflow, &event);
        }
        // It fails when nobody listens, which is as good.
        let _ = self.sender.send(event);
    }

    /// Listens from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<RunEvent> {
        self.sender.subscribe()
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("listeners", &self.sender.receiver_count()).finish_non_exhaustive()
    }
}

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}

/// Turns what a transfer tells into events of its run.
pub(super) struct TransferWatch<'a> {
    /// Where to.
    pub(super) events: Events,
    /// Which transfer.
    pub(super) transfer: TransferId,
    /// With which site.
    pub(super) site: String,
    /// Which way.
    pub(super) direction: Direction,
    /// The name that people see.
    pub(super) name: String,
    /// Called when it needs its session no more.
    pub(super) landed: &'a (dyn Fn() + Sync),
}

impl Watch for TransferWatch<'_> {
    fn started(&self, total: Option<ByteCount>, from: ByteCount) {
        self.events.send(RunEvent::TransferStarted {
            transfer: self.transfer,
            site: self.site.clone(),
            direction: self.direction,
            name: self.name.clone(),
            total,
            from,
        });
    }

    fn progress(&self, done: ByteCount, total: Option<ByteCount>) {
        self.events.send(RunEvent::TransferProgress { transfer: self.transfer, done, total });
    }

    fn retry(&self, attempt: u32, fault: &Fault, wait: Duration) {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.events.send(RunEvent::TransferRetry {
            transfer: self.transfer,
            attempt,
            fault: fault.clone(),
            wait_ms,
        });
    }

    fn landed(&self) {
        (self.landed)();
    }
}
