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
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

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

/// What a store has written since it was opened. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Written(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    commits: AtomicU64,
    writes: AtomicU64,
    nanos: AtomicU64,
}

impl Written {
    /// Commits, each of which is one sync of the disk; the writes that shared them; the time that they took.
    #[must_use]
    pub fn counts(&self) -> (u64, u64, Duration) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.0.commits), read(&self.0.writes), Duration::from_nanos(read(&self.0.nanos)))
    }

    fn add(&self, writes: usize, took: Duration) {
        self.0.commits.fetch_add(1, Ordering::Relaxed);
        self.0.writes.fetch_add(writes as u64, Ordering::Relaxed);
        self.0.nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// Hands requests to the commit thread, which ends when this is dropped.
pub(super) struct Committer<L> {
    queue: Option<mpsc::Sender<Request<L>>>,
    failed: watch::Receiver<Option<Error>>,
    written: Written,
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
        let written = Written::default();
        let counting = written.clone();
        let thread = thread::Builder::new()
            .name("journal-commit".to_owned())
            .spawn(move || serve(ledger, requests, &fail, &counting))
            .map_err(|error| Error::Unavailable { reason: format!("no thread for commits: {error}") })?;
        Ok(Self { queue: Some(queue), failed, written, thread: Some(thread) })
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
        let mut failed = self.failed.clone();
        tokio::select! {
            biased;
            answer = answered => answer.map_err(|_| ended())?,
            // A request that joins the queue in the moment in which the thread ends is dropped by nobody.
            () = async { drop(failed.wait_for(Option::is_some).await) } => Err(ended()),
        }
    }

    /// Why the store takes no more writes, once it doesn't.
    pub(super) fn failed(&self) -> watch::Receiver<Option<Error>> {
        self.failed.clone()
    }

    /// What it has written.
    pub(super) fn written(&self) -> Written {
        self.written.clone()
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
    written: &Written,
) {
    let mut answers = Vec::with_capacity(GROUP_MAX);
    // Dropped before the answers are: whoever finds that there is none finds the reason.
    let _guard = PanicGuard(fail);
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
            None => {
                let begun = Instant::now();
                let committed = ledger.commit();
                written.add(answers.len(), begun.elapsed());
                committed
            }
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    /// Counts; its commits take a while, and fail from a certain one on.
    #[derive(Default)]
    struct Counter {
        staged: u32,
        commits: Arc<AtomicU32>,
        fails_at: Option<u32>,
        panics: bool,
    }

    impl Ledger for Counter {
        fn commit(&mut self) -> Result<(), Error> {
            let commits = self.commits.fetch_add(1, Ordering::SeqCst) + 1;
            thread::sleep(Duration::from_millis(5));
            assert!(!self.panics, "the store gives up");
            match self.fails_at {
                Some(at) if commits >= at => {
                    Err(Error::unwritable("syncing db", &std::io::Error::other("EIO")))
                }
                _ => Ok(()),
            }
        }
    }

    fn stage(counter: &mut Counter) -> Result<u32, Error> {
        counter.staged += 1;
        Ok(counter.staged)
    }

    #[tokio::test]
    async fn requests_share_commits_and_one_that_is_refused_fails_alone() {
        let commits = Arc::new(AtomicU32::new(0));
        let ledger = Counter { commits: Arc::clone(&commits), ..Counter::default() };
        let committer = Arc::new(Committer::start(ledger).unwrap());
        let mut tasks = Vec::new();
        for n in 0..100 {
            let committer = Arc::clone(&committer);
            tasks.push(tokio::spawn(async move {
                match n {
                    50 => committer.run(|_| Err(Error::bug("refused"))).await,
                    _ => committer.run(stage).await,
                }
            }));
        }
        let mut answers = Vec::new();
        for (n, task) in tasks.into_iter().enumerate() {
            match task.await.unwrap() {
                Ok(answer) => answers.push(answer),
                Err(error) => assert!(n == 50 && matches!(error, Error::Bug { .. }), "{n}: {error}"),
            }
        }
        answers.sort_unstable();
        assert_eq!(answers, (1..=99).collect::<Vec<_>>());
        let commits = commits.load(Ordering::SeqCst);
        assert!(commits < 20, "{commits} commits for 100 requests");
        let (counted, writes, took) = committer.written().counts();
        assert_eq!((counted, writes), (u64::from(commits), 100));
        assert!(took >= Duration::from_millis(5) * commits, "{took:?}");
    }

    #[tokio::test]
    async fn nothing_is_retried_after_a_failed_commit() {
        let commits = Arc::new(AtomicU32::new(0));
        let ledger = Counter { commits: Arc::clone(&commits), fails_at: Some(2), ..Counter::default() };
        let committer = Committer::start(ledger).unwrap();
        assert_eq!(committer.run(stage).await.unwrap(), 1);
        let failed = committer.failed();
        assert!(failed.borrow().is_none());
        for _ in 0..3 {
            let error = committer.run(stage).await.unwrap_err();
            assert!(error.is_fatal() && error.to_string() == "syncing db: EIO", "{error}");
        }
        assert_eq!(commits.load(Ordering::SeqCst), 2);
        assert!(failed.borrow().as_ref().is_some_and(Error::is_fatal));
    }

    #[tokio::test]
    async fn a_panic_of_the_store_is_told() {
        let committer = Committer::start(Counter { panics: true, ..Counter::default() }).unwrap();
        for _ in 0..2 {
            assert!(committer.run(stage).await.unwrap_err().is_fatal());
        }
    }

    #[tokio::test]
    async fn a_request_takes_place_also_when_its_caller_is_dropped() {
        let committer = Committer::start(Counter::default()).unwrap();
        let dropped = tokio::time::timeout(Duration::ZERO, committer.run(stage)).await;
        assert!(dropped.is_err());
        assert_eq!(committer.run(stage).await.unwrap(), 2);
    }
}
