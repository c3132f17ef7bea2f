//! Group commit for files: what many transfers want of the disk at one moment is done in one go on one
//! thread. They share what the disk takes to make things durable, and one wake-up serves them all.
//!
//! ```text
//!  transfers ── join ──▶ waiting ──▶ leader: takes all that wait, works, answers, and looks again
//! ```
//! Whoever finds nobody at work has a leader started; a lone transfer so waits for nobody.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::root::blocking;
use crate::model::{Fault, FaultCode};
use crate::transfer::StopKind;

/// What is done for all items at once: as many results, in the same order.
type Work<T, R> = fn(Vec<T>) -> Vec<Result<R, Fault>>;

/// One kind of work. All clones are one group.
pub(crate) struct Group<T, R> {
    inner: Arc<Inner<T, R>>,
}

struct Inner<T, R> {
    work: Work<T, R>,
    state: Mutex<State<T, R>>,
}

struct State<T, R> {
    waiting: Vec<(T, oneshot::Sender<Result<R, Fault>>)>,
    /// There is a leader, and it will look again.
    led: bool,
}

impl<T: Send + 'static, R: Send + 'static> Group<T, R> {
    /// A group that does `work`, on the blocking threads.
    pub(crate) fn new(work: Work<T, R>) -> Self {
        let state = Mutex::new(State { waiting: Vec::new(), led: false });
        Self { inner: Arc::new(Inner { work, state }) }
    }

    /// Has `item` done together with all that wait. It is done even when nobody waits for it any more.
    ///
    /// # Errors
    /// What the work gave for this item; `run.interrupted` when the process ended first.
    pub(crate) async fn join(&self, item: T) -> Result<R, Fault> {
        let (reply, answer) = oneshot::channel();
        let leads = {
            let mut state = self.inner.state();
            state.waiting.push((item, reply));
            !std::mem::replace(&mut state.led, true)
        };
        if leads {
            let leader = Leader { group: self.inner.clone(), ended: false };
            tokio::task::spawn_blocking(move || leader.lead());
        }
        answer.await.unwrap_or_else(|_| Err(StopKind::Interrupt.fault()))
    }

    /// Has `item` done by itself: for what takes so long that others shouldn't wait for it.
    ///
    /// # Errors
    /// As [`Group::join`].
    pub(crate) async fn alone(&self, item: T) -> Result<R, Fault> {
        let work = self.inner.work;
        let missing = || Fault::new(FaultCode::HostBug, "a group gave no result");
        blocking(move || work(vec![item]).pop().unwrap_or_else(|| Err(missing()))).await
    }
}

impl<T, R> Inner<T, R> {
    fn state(&self) -> MutexGuard<'_, State<T, R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one that works. Where it is dropped before its time (the process is ending, or the work
/// panicked), nobody waits in vain.
struct Leader<T, R> {
    group: Arc<Inner<T, R>>,
    /// Nothing waited when it last looked: from there on the group isn't its own any more.
    ended: bool,
}

impl<T, R> Leader<T, R> {
    fn lead(mut self) {
        loop {
            let waiting = {
                let mut state = self.group.state();
                state.led = !state.waiting.is_empty();
                std::mem::take(&mut state.waiting)
            };
            if waiting.is_empty() {
                self.ended = true;
                return;
            }
            let (items, replies): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
            for (result, reply) in (self.group.work)(items).into_iter().zip(replies) {
                // Whoever asked may have gone.
                let _ = reply.send(result);
            }
        }
    }
}

impl<T, R> Drop for Leader<T, R> {
    fn drop(&mut self) {
        if !self.ended {
            let mut state = self.group.state();
            state.led = false;
            state.waiting.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    static CALLS: AtomicUsize = AtomicUsize::new(0);

    fn doubled(items: Vec<u32>) -> Vec<Result<u32, Fault>> {
        CALLS.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(std::time::Duration::from_millis(5));
        let odd = |item: &u32| item % 2 == 1;
        let refuse = |item: u32| Fault::new(FaultCode::FileIo, item.to_string());
        items.into_iter().map(|item| if odd(&item) { Err(refuse(item)) } else { Ok(item * 2) }).collect()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn each_gets_its_own_result_and_they_share_the_work() {
        let group = Arc::new(Group::new(doubled));
        let tasks: Vec<_> = (0..100_u32)
            .map(|item| {
                let group = group.clone();
                tokio::spawn(async move { (item, group.join(item).await) })
            })
            .collect();
        for task in tasks {
            match task.await.unwrap() {
                (item, Ok(result)) => assert_eq!(result, item * 2),
                (item, Err(fault)) => assert_eq!(fault.message, item.to_string()),
            }
        }
        assert!(CALLS.load(Ordering::SeqCst) < 100, "nothing was shared");
        assert_eq!(group.alone(4).await.unwrap(), 8);
        assert!(!group.inner.state().led);
    }

    #[tokio::test]
    async fn a_panic_leaves_nobody_waiting_and_the_group_usable() {
        fn work(items: Vec<bool>) -> Vec<Result<(), Fault>> {
            assert!(!items.contains(&true), "as asked");
            items.iter().map(|_| Ok(())).collect()
        }
        let group = Group::new(work);
        assert_eq!(group.join(true).await.unwrap_err().code, FaultCode::RunInterrupted);
        while group.inner.state().led {
            tokio::task::yield_now().await;
        }
        group.join(false).await.unwrap();
    }
}
