//! Looks after sessions that lie unused: asks them how they are, and ends those that nobody wants.
//!
//! It works only for sites with a `heartbeat`, as a task that ends when there is nothing to look after,
//! and with the pool: it holds the pool only while it works.

use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use super::book::ShelfId;
use super::lease::{Lease, Place};
use super::{Inner, close_all};

/// The shortest pause between two rounds.
const PAUSE_MIN: Duration = Duration::from_millis(10);

impl Inner {
    /// Has the shelf's sessions looked after, if its site wants that and nobody does yet.
    pub(super) fn keep(inner: &Arc<Self>, shelf: ShelfId) {
        {
            let mut book = inner.book();
            let wanted = book.shelf(shelf).limits.heartbeat.is_some();
            if !wanted || std::mem::replace(&mut book.kept, true) {
                return;
            }
        }
        let task = tokio::spawn(look_after(Arc::downgrade(inner)));
        *inner.keeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
    }

    /// Asks those that are due, and gives the time until the next ones are.
    async fn round(inner: &Arc<Self>) -> Option<Duration> {
        let now = inner.clock.monotonic();
        let (mut leases, mut expired) = (Vec::new(), Vec::new());
        {
            let mut book = inner.book();
            for (id, shelf) in book.shelves().iter_mut().enumerate() {
                if shelf.limits.heartbeat.is_none() {
                    continue;
                }
                expired.extend(shelf.expire(now));
                leases.extend(shelf.due(now).into_iter().map(|idle| Lease {
                    session: idle.session,
                    place: Place { inner: inner.clone(), shelf: id },
                    born: idle.born,
                    since: Some(idle.since),
                    member: None,
                }));
            }
        }
        let asking = leases.into_iter().map(|mut lease| async {
            if lease.probe().await {
                lease.give_back();
            } else {
                let Place { inner, shelf } = &lease.place;
                let member = {
                    let mut book = inner.book();
                    let shelf = book.shelf(*shelf);
                    shelf.counts.failures += 1;
                    shelf.member.clone()
                };
                if let Some(member) = member {
                    member.missed();
                }
            }
        });
        futures::future::join(futures::future::join_all(asking), close_all(expired)).await;
        let mut book = inner.book();
        let now = inner.clock.monotonic();
        let next = book.shelves().iter().filter_map(|shelf| shelf.next_due(now)).min();
        book.kept = next.is_some();
        next
    }
}

async fn look_after(pool: Weak<Inner>) {
    loop {
        let Some(inner) = pool.upgrade() else { return };
        let Some(wait) = Inner::round(&inner).await else { return };
        let clock = inner.clock.clone();
        drop(inner);
        clock.sleep(wait.max(PAUSE_MIN)).await;
    }
}
