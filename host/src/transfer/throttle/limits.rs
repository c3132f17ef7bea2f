//! All limits of a process, and what holds for one transfer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::bucket::{Bucket, Moment, Ticket};
use crate::clock::Clock;
use crate::model::{RateLimit, Site};

/// The most bytes that pass at once where nothing is limited, and the fewest where much is.
const STEP_MAX: usize = 256 * 1024;
const STEP_MIN: usize = 1024;

/// Of a second: what passes at once under a limit. Less would cost turns for nothing; more would have
/// the other side wait so long for its next turn that it takes the connection for dead.
const STEP_PART: u64 = 8;

/// Buckets by the name of what they limit. A limit that is configured anew gets a bucket of its own.
#[derive(Debug, Default)]
pub(in crate::transfer) struct Buckets {
    by_name: Mutex<HashMap<(String, RateLimit), Arc<Bucket>>>,
}

impl Buckets {
    /// The one bucket of this name and limit.
    pub(in crate::transfer) fn of(&self, name: &str, limit: &RateLimit) -> Arc<Bucket> {
        let mut all = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (name.to_owned(), limit.clone());
        Arc::clone(all.entry(key).or_insert_with(|| Arc::new(Bucket::new(limit.clone()))))
    }
}

/// The limits on bytes of a process.
#[derive(Debug)]
pub(in crate::transfer) struct Limits {
    total: Option<Arc<Bucket>>,
    sites: Buckets,
}

impl Limits {
    /// `total` is for all transfers together.
    pub(in crate::transfer) fn new(total: Option<&RateLimit>) -> Self {
        Self { total: total.map(|limit| Arc::new(Bucket::new(limit.clone()))), sites: Buckets::default() }
    }

    /// All limits that hold for a transfer with `site`; `shared` is one more that it shares with some
    /// others, and `own` that of the transfer alone, in bytes per second.
    pub(in crate::transfer) fn of(
        &self,
        site: &Site,
        shared: Option<&Arc<Bucket>>,
        own: Option<u64>,
    ) -> Throttle {
        let site = site.limits.rate.as_ref().map(|limit| self.sites.of(&site.name, limit));
        let own = own.map(|rate| Arc::new(Bucket::new(RateLimit::Fixed(rate))));
        let all = [self.total.clone(), site, shared.cloned(), own];
        Throttle { dues: all.into_iter().flatten().map(|bucket| (bucket, None)).collect() }
    }
}

/// The limits of one transfer, and its place in the line of each.
#[derive(Debug)]
pub(in crate::transfer) struct Throttle {
    dues: Vec<(Arc<Bucket>, Option<Ticket>)>,
}

impl Throttle {
    /// Takes note of bytes that have passed, and gives when to ask [`Throttle::blocked`] whether the next
    /// may; `None` for at once.
    pub(in crate::transfer) fn pass(&mut self, bytes: usize, clock: &dyn Clock) -> Option<Duration> {
        if self.dues.is_empty() {
            return None;
        }
        let now = Moment::of(clock);
        for (bucket, ticket) in &mut self.dues {
            *ticket = Some(bucket.take(u64::try_from(bytes).unwrap_or(u64::MAX), now));
        }
        self.blocked(clock)
    }

    /// When to ask again, by the monotonic clock; `None` when the next bytes may pass.
    pub(in crate::transfer) fn blocked(&self, clock: &dyn Clock) -> Option<Duration> {
        if self.dues.is_empty() {
            return None;
        }
        let now = Moment::of(clock);
        self.dues.iter().filter_map(|(bucket, ticket)| bucket.due((*ticket)?, now)).max()
    }

    /// How many bytes may pass at once: what the lowest limit pays in a fraction of a second.
    pub(in crate::transfer) fn step(&self, clock: &dyn Clock) -> usize {
        if self.dues.is_empty() {
            return STEP_MAX;
        }
        let now = Moment::of(clock);
        let lowest = self.dues.iter().filter_map(|(bucket, _)| bucket.rate(now)).min();
        let step = lowest.map_or(STEP_MAX, |rate| usize::try_from(rate / STEP_PART).unwrap_or(STEP_MAX));
        step.clamp(STEP_MIN, STEP_MAX)
    }
}
