//! Telling listeners what a run does.

use std::time::Duration;

use tokio::sync::{broadcast, mpsc};

use crate::model::{ByteCount, Direction, Fault, RunEvent, TransferId};
use crate::transfer::Watch;

/// How many events a slow listener may be behind before it loses some: at ten a second for each of
/// 32 transfers, almost a second. The room is reserved for each run, about 100 KiB.
const EVENTS_MAX: usize = 256;

/// Where a run tells what it does. Nobody has to listen.
#[derive(Clone, Debug)]
pub struct Events {
    sender: broadcast::Sender<RunEvent>,
    /// Loses nothing: for replays, whose events are bounded by their journals.
    listener: Option<mpsc::UnboundedSender<RunEvent>>,
}

impl Events {
    /// A sender for any number of listeners, each of which loses events when it is slow, and perhaps one
    /// that loses none.
    #[must_use]
    pub fn new(listener: Option<mpsc::UnboundedSender<RunEvent>>) -> Self {
        Self { sender: broadcast::Sender::new(EVENTS_MAX), listener }
    }

    /// Tells those who listen.
    pub fn send(&self, event: RunEvent) {
        // Sending fails when nobody listens, which is as good.
        if let Some(listener) = &self.listener {
            let _ = listener.send(event.clone());
        }
        let _ = self.sender.send(event);
    }

    /// Listens from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<RunEvent> {
        self.sender.subscribe()
    }
}

impl Default for Events {
    fn default() -> Self {
        Self::new(None)
    }
}

/// Turns what a transfer tells into events of its run.
pub(super) struct TransferWatch<'a> {
    /// Where to.
    pub(super) events: Events,
    /// Which transfer.
    pub(super) transfer: TransferId,
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
