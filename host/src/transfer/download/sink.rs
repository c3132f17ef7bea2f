//! Where the bytes of a download go: hashed and written on a thread of their own, so that neither
//! waits for the network nor the network for them. The thread begins once it has something to do that
//! can't wait: so a small file is hashed and written in one go when all of it is there.
//!
//! ```text
//!  session ──Bytes──▶ receive ──channel──▶ sink thread: hash, pwrite
//!                        │  ◀────mark─────┘ (hash states at an offset)
//!                        └─▶ commit: fdatasync on another thread, then the log
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::model::{Fault, FaultCode};
use crate::transfer::hash::{HashState, Hasher, hash_chunks};
use crate::transfer::local::{PartFile, ended_early};

/// How many buffers may wait for the thread: 1 MiB when they are full. More would only help a disk that
/// stops for long, and thirty transfers at once must not fill the memory.
const QUEUE_BUFFERS: usize = 4;

/// Hash states at an offset up to which everything was handed to the operating system.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// The state at the offset.
    pub(super) state: HashState,
    /// The states at the ends of the chunks that were completed since the last mark.
    pub(super) chunks: Vec<HashState>,
}

enum Order {
    Write(Bytes),
    Mark(oneshot::Sender<Mark>),
}

/// The near end of the thread.
pub(super) struct Sink {
    orders: mpsc::Sender<Order>,
    thread: Mutex<Thread>,
    part: Arc<PartFile>,
}

enum Thread {
    /// What it will begin with.
    Waiting(mpsc::Receiver<Order>, Box<Hasher>),
    Running(JoinHandle<Result<(Hasher, Mark), Fault>>),
    /// In between, or its end was waited for.
    Gone,
}

impl Sink {
    /// Appends to `part` what follows the bytes that `hasher` has seen.
    pub(super) fn new(part: Arc<PartFile>, hasher: Hasher) -> Self {
        let (orders, inbox) = mpsc::channel(QUEUE_BUFFERS);
        Self { orders, thread: Mutex::new(Thread::Waiting(inbox, Box::new(hasher))), part }
    }

    fn thread(&self) -> MutexGuard<'_, Thread> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the thread begin, where it hasn't.
    fn start(&self) {
        let mut thread = self.thread();
        *thread = match std::mem::replace(&mut *thread, Thread::Gone) {
            Thread::Waiting(inbox, hasher) => {
                let part = self.part.clone();
                Thread::Running(tokio::task::spawn_blocking(move || drain(inbox, &part, *hasher)))
            }
            begun => begun,
        };
    }

    /// The file behind it.
    pub(super) fn part(&self) -> &Arc<PartFile> {
        &self.part
    }

    /// Waits for room and hands bytes over. False when the thread has ended, as it does after a
    /// failed write; [`Sink::close`] then tells why. Dropping the future loses no bytes that `slot`
    /// still holds.
    pub(super) async fn take(&self, slot: &mut Option<Bytes>) -> bool {
        if self.orders.capacity() == 0 {
            self.start();
        }
        match self.orders.reserve().await {
            Ok(permit) => {
                if let Some(bytes) = slot.take() {
                    permit.send(Order::Write(bytes));
                }
                true
            }
            Err(_) => false,
        }
    }

    /// Asks for the states once all bytes handed over so far are written. `None` when the thread has
    /// ended.
    pub(super) async fn mark(orders: SinkOrders) -> Option<Mark> {
        let (reply, answer) = oneshot::channel();
        orders.0.send(Order::Mark(reply)).await.ok()?;
        answer.await.ok()
    }

    /// A handle for [`Sink::mark`] that doesn't borrow the sink.
    pub(super) fn orders(&self) -> SinkOrders {
        self.start();
        SinkOrders(self.orders.clone())
    }

    /// Ends the thread once all is written. Gives the hasher, and the states since the last mark.
    pub(super) async fn close(self) -> Result<(Hasher, Mark), Fault> {
        self.start();
        let thread = std::mem::replace(&mut *self.thread(), Thread::Gone);
        drop(self.orders);
        let Thread::Running(thread) = thread else {
            return Err(Fault::new(FaultCode::HostBug, "a sink was closed twice"));
        };
        match thread.await {
            Ok(result) => result,
            Err(error) => Err(ended_early("the writer", &error)),
        }
    }
}

/// See [`Sink::orders`].
pub(super) struct SinkOrders(mpsc::Sender<Order>);

fn drain(
    mut inbox: mpsc::Receiver<Order>,
    part: &PartFile,
    mut hasher: Hasher,
) -> Result<(Hasher, Mark), Fault> {
    let mut chunks = Vec::new();
    while let Some(order) = inbox.blocking_recv() {
        match order {
            Order::Write(bytes) => {
                part.write_at(&bytes, hasher.length())?;
                hash_chunks(&mut hasher, &bytes, |state| chunks.push(state));
            }
            Order::Mark(reply) => {
                let mark = Mark { state: hasher.state(), chunks: std::mem::take(&mut chunks) };
                // Whoever asked may have gone since: then the states are only given at the end.
                if let Err(mark) = reply.send(mark) {
                    chunks = mark.chunks;
                }
            }
        }
    }
    let mark = Mark { state: hasher.state(), chunks };
    Ok((hasher, mark))
}
