//! What a run does in the background while its guest goes on or waits: the transfers of batches.
//!
//! ```text
//! guest ── submit ──▶ Queue ◀── take ── worker (one task for each transfer at a time)
//!   ▲                   │ ▲                │
//!   └── next ◀─ ready ──┘ └──── finish ────┘
//! ```
//! No worker begins before the guest has passed the end of what was recorded: until then it isn't
//! known which outcomes the guest has already been given.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::ftp::Queue;

/// The background of one run. All clones are one.
#[derive(Clone)]
pub(super) struct Workers {
    inner: Arc<Inner>,
}

struct Inner {
    live: watch::Sender<bool>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tasks: JoinSet<()>,
    queues: Vec<Weak<Queue>>,
}

/// A handle that starts work and keeps nothing alive: work that held on to its own run would never be
/// dropped with it.
pub(super) struct Spawner {
    inner: Weak<Inner>,
}

impl Spawner {
    /// See [`Workers::spawn`]. Nothing begins once the run is gone.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(inner) = self.inner.upgrade() {
            Workers { inner }.spawn(work);
        }
    }
}

impl Workers {
    pub(super) fn spawner(&self) -> Spawner {
        Spawner { inner: Arc::downgrade(&self.inner) }
    }

    pub(super) fn new() -> Self {
        Self { inner: Arc::new(Inner { live: watch::Sender::new(false), state: Mutex::default() }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The guest has passed the end of what was recorded.
    pub(super) fn go(&self) {
        self.inner.live.send_if_modified(|live| !std::mem::replace(live, true));
    }

    /// Ends with the run.
    pub(super) fn watch(&self, queue: &Arc<Queue>) {
        let mut state = self.state();
        state.queues.retain(|queue| queue.strong_count() > 0);
        state.queues.push(Arc::downgrade(queue));
    }

    /// Runs `work` once the run is live.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut live = self.inner.live.subscribe();
        let mut state = self.state();
        // Those that have ended are let go of.
        while state.tasks.try_join_next().is_some() {}
        state.tasks.spawn(async move {
            if live.wait_for(|live| *live).await.is_ok() {
                work.await;
            }
        });
    }

    /// Waits for the transfers that are under way; nothing new begins. What should end at once was
    /// told so by its token.
    pub(super) async fn wind_down(&self) {
        let (mut tasks, queues) = {
            let mut state = self.state();
            (std::mem::take(&mut state.tasks), std::mem::take(&mut state.queues))
        };
        for queue in queues.iter().filter_map(Weak::upgrade) {
            queue.abandon();
        }
        if *self.inner.live.borrow() {
            while tasks.join_next().await.is_some() {}
        }
        // In a run that never became live, dropping them ends those that wait for that.
    }
}
