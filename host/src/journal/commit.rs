//! Group commit: one thread owns the store's writing side.
//!
//! ```text
//! run ─┐                      ┌─ stage each ──> one batch ──> flush ──> fsync ─┐
//! run ─┼─> bounded queue ─────┤                                                ├─> answers
//! run ─┘   (what has come)    └─ one that is refused is left out ──────────────┘
//! ```
//! Whatever waits in the queue when a commit ends goes into the next one. So a lone append costs one
//! fsync, and many runs share it.

use std::fmt;
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, oneshot, watch};

use super::error::Error;

/// Requests that may wait: a thousand live runs with one each. Beyond it, callers wait to be taken in.
const QUEUE_MAX: usize = 1024;

/// Requests of one commit: so many that the fsync no longer counts, so few that nobody waits long.
const GROUP_MAX: usize = 256;

/// The writing side of a store.
pub(super) trait Ledger: Send + 'static {
    /// Makes durable what requests have staged.
    ///
    /// # Errors
    /// After one, the store takes no more writes.
    fn commit(&mut self) -> Result<(), Error>;
}

/// A request: stages something, and gives what answers its caller once that is durable.
type Request<L> = Box<dyn FnOnce(&mut L) -> Staged + Send>;

/// A request that was staged.
struct Staged {
    answer: Box<dyn FnOnce(Result<(), Error>) + Send>,
    /// The store couldn't be read while it was staged, so there may be half of it.
    broken: Option<Error>,
}

/// Hands requests to the commit thread, which ends when this is dropped.
pub(super) struct Committer<L> {
    queue: Option<mpsc::Sender<Request<L>>>,
    failed: watch::Receiver<Option<Error>>,
    thread: Option<JoinHandle<()>>,
}

impl<L> fmt::Debug for Committer<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Committer").field("failed", &*self.failed.borrow()).finish_non_exhaustive()
    }
}

impl<L: Ledger> Committer<L> {
    /// Starts the commit thread.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the system gives no thread.
    pub(super) fn start(ledger: L) -> Result<Self, Error> {
        let (queue, requests) = mpsc::channel(QUEUE_MAX);
        let (fail, failed) = watch::channel(None);
        let thread = thread::Builder::new()
            .name("journal-commit".to_owned())
            .spawn(move || serve(ledger, requests, &fail))
            .map_err(|error| Error::Unavailable { reason: format!("no thread for commits: {error}") })?;
        Ok(Self { queue: Some(queue), failed, thread: Some(thread) })
    }

    /// Stages a request and waits until it is durable. Once it is taken into the queue, it takes place
    /// also when the caller is dropped.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        stage: impl FnOnce(&mut L) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let request: Request<L> = Box::new(move |ledger| {
            let staged = stage(ledger);
            let broken = match &staged {
                Err(
                    error @ (Error::Damaged { .. } | Error::Unreadable { .. } | Error::Unwritable { .. }),
                ) => Some(error.clone()),
                _ => None,
            };
            // Nobody waits any more if the caller was dropped.
            let answer = move |committed: Result<(), Error>| drop(answer.send(committed.and(staged)));
            Staged { answer: Box::new(answer), broken }
        });
        let ended = || self.failure().unwrap_or(Error::Unavailable { reason: "it was closed".to_owned() });
        let queue = self.queue.as_ref().ok_or_else(ended)?;
        queue.send(request).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }

    /// Why the store takes no more writes, once it doesn't.
    pub(super) fn failed(&self) -> watch::Receiver<Option<Error>> {
        self.failed.clone()
    }

    fn failure(&self) -> Option<Error> {
        self.failed.borrow().clone()
    }
}

impl<L> Drop for Committer<L> {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // It can only have panicked; its callers have learned that from their answers.
            let _ = thread.join();
        }
    }
}

fn serve<L: Ledger>(
    mut ledger: L,
    mut requests: mpsc::Receiver<Request<L>>,
    fail: &watch::Sender<Option<Error>>,
) {
    let _guard = PanicGuard(fail);
    let mut answers = Vec::with_capacity(GROUP_MAX);
    while let Some(first) = requests.blocking_recv() {
        let mut next = Some(first);
        let mut broken = None;
        while let Some(request) = next {
            let staged = request(&mut ledger);
            answers.push(staged.answer);
            broken = broken.or(staged.broken);
            if broken.is_some() || answers.len() == GROUP_MAX {
                break;
            }
            next = requests.try_recv().ok();
        }
        let committed = match broken {
            Some(error) => Err(error),
            None => ledger.commit(),
        };
        if let Err(error) = &committed {
            fail.send_replace(Some(error.clone()));
        }
        for answer in answers.drain(..) {
            answer(committed.clone());
        }
        if committed.is_err() {
            // What is queued is dropped with the queue: its callers find the reason in `failed`.
            return;
        }
    }
}

/// sled panics where others give an error; whoever waits has to learn of it.
struct PanicGuard<'a>(&'a watch::Sender<Option<Error>>);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let doing = "writing the store".to_owned();
            let reason = "the store panicked".to_owned();
            self.0.send_replace(Some(Error::Unwritable { doing, reason, no_space: false }));
        }
    }
}
