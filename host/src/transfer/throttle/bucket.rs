//! A token bucket that many share.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::timetable::{holds_for, rate_at};
use crate::clock::Clock;
use crate::model::{RateLimit, Timestamp};

/// How long a burst may be: what isn't used for longer than this is lost.
const BURST: Duration = Duration::from_millis(250);

/// After so long nobody waits for what is still unpaid.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Billionths of a unit: what a rate of one per second pays in a nanosecond.
const UNIT: u128 = 1_000_000_000;

/// An instant by both clocks: limits run by the one, timetables by the other.
#[derive(Clone, Copy, Debug)]
pub(in crate::transfer) struct Moment {
    pub(super) monotonic: Duration,
    pub(super) wall: Timestamp,
}

impl Moment {
    /// Now.
    pub(in crate::transfer) fn of(clock: &dyn Clock) -> Self {
        Self { monotonic: clock.monotonic(), wall: clock.now() }
    }
}

/// A place in the line: all that was taken up to here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::transfer) struct Ticket(u128);

/// A limit on what passes per second: bytes, or commands.
///
/// It is one line. What is taken is added to its end, the rate pays from its front, and a ticket is
/// good once all before it is paid. So everybody who takes one piece after another gets a turn for
/// each, however many they are, and a change of the rate moves the whole line.
#[derive(Debug)]
pub(in crate::transfer) struct Bucket {
    limit: RateLimit,
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    /// All that was ever taken, and all that is paid of it. Paid may be ahead, by a burst.
    taken: u128,
    paid: u128,
    /// Up to when `paid` is reckoned; `None` before the first time.
    at: Option<Duration>,
    /// The rate in force, and until when it is; `None` for any number, and for ever.
    rate: Option<u64>,
    until: Option<Duration>,
}

impl Bucket {
    /// A bucket that holds a burst.
    pub(in crate::transfer) fn new(limit: RateLimit) -> Self {
        Self { limit, line: Mutex::default() }
    }

    /// Counts what has passed: the ticket is good once it is paid.
    pub(in crate::transfer) fn take(&self, units: u64, now: Moment) -> Ticket {
        let mut line = self.line(now);
        line.taken += u128::from(units) * UNIT;
        Ticket(line.taken)
    }

    /// Counts what is about to pass: the ticket is good once all before it is paid.
    pub(in crate::transfer) fn reserve(&self, units: u64, now: Moment) -> Ticket {
        let mut line = self.line(now);
        let ticket = Ticket(line.taken);
        line.taken += u128::from(units) * UNIT;
        ticket
    }

    /// When to look at the ticket again, by the monotonic clock; `None` when it is good.
    pub(in crate::transfer) fn due(&self, ticket: Ticket, now: Moment) -> Option<Duration> {
        let line = self.line(now);
        let missing = ticket.0.checked_sub(line.paid).filter(|missing| *missing > 0)?;
        let nanos = missing.div_ceil(u128::from(line.rate?));
        let wait = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let due = now.monotonic.saturating_add(wait);
        Some(line.until.map_or(due, |until| due.min(until)))
    }

    /// Waits until so many units may pass.
    pub(in crate::transfer) async fn turn(&self, units: u64, clock: &dyn Clock) {
        let ticket = self.reserve(units, Moment::of(clock));
        while let Some(due) = self.due(ticket, Moment::of(clock)) {
            clock.sleep(due.saturating_sub(clock.monotonic())).await;
        }
    }

    /// The rate at this moment; `None` for any number.
    pub(in crate::transfer) fn rate(&self, now: Moment) -> Option<u64> {
        self.line(now).rate
    }

    /// The line, reckoned up to now.
    fn line(&self, now: Moment) -> MutexGuard<'_, Line> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.advance(&self.limit, now);
        line
    }
}

impl Line {
    fn advance(&mut self, limit: &RateLimit, now: Moment) {
        let Some(mut at) = self.at else {
            self.look_up(limit, now.monotonic, now.wall);
            self.pay(BURST);
            self.at = Some(now.monotonic);
            return;
        };
        if now.monotonic.saturating_sub(at) > FORGOTTEN_AFTER {
            self.paid = self.paid.max(self.taken);
        }
        if self.paid >= self.taken && self.until.is_some_and(|until| until < now.monotonic) {
            // Nobody waits, and no more than a burst could have been saved up.
            at = at.max(now.monotonic.saturating_sub(BURST));
            self.look_up(limit, now.monotonic, now.wall);
        }
        while at < now.monotonic {
            let end = self.until.map_or(now.monotonic, |until| until.min(now.monotonic).max(at));
            self.pay(end - at);
            at = end;
            if self.until.is_some_and(|until| until <= at) {
                let ago = u64::try_from((now.monotonic - at).as_millis()).unwrap_or(u64::MAX);
                self.look_up(limit, at, Timestamp(now.wall.0.saturating_sub(ago)));
                self.pay(Duration::ZERO);
            }
        }
        self.at = Some(at);
    }

    /// Finds the rate that is in force at an instant.
    fn look_up(&mut self, limit: &RateLimit, monotonic: Duration, wall: Timestamp) {
        self.rate = rate_at(limit, wall);
        // Never nothing, whatever the clock says: the line has to move.
        self.until = holds_for(limit, wall).map(|time| monotonic + time.max(Duration::from_millis(1)));
    }

    /// Pays what the rate gives in so much time.
    fn pay(&mut self, time: Duration) {
        match self.rate {
            None => self.paid = self.paid.max(self.taken),
            Some(rate) => {
                let burst = self.taken + u128::from(rate) * BURST.as_nanos();
                self.paid = (self.paid + u128::from(rate) * time.as_nanos()).min(burst);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use proptest::prelude::*;

    use super::*;
    use crate::model::{RateWindow, Timetable};

    const START: u64 = 1_800_000_000_000;

    fn moment(monotonic: Duration) -> Moment {
        Moment { monotonic, wall: Timestamp(START + u64::try_from(monotonic.as_millis()).unwrap()) }
    }

    /// Lets takers take pieces of their own size, one after another, until `end`; gives how much each got.
    fn crowd(bucket: &Bucket, pieces: &[u64], end: Duration) -> Vec<u64> {
        let mut got = vec![0; pieces.len()];
        let mut tickets: Vec<Option<Ticket>> = vec![None; pieces.len()];
        let mut agenda: BinaryHeap<_> = (0..pieces.len()).map(|who| Reverse((Duration::ZERO, who))).collect();
        while let Some(Reverse((now, who))) = agenda.pop() {
            if now > end {
                continue;
            }
            let waits = tickets[who].and_then(|ticket| bucket.due(ticket, moment(now)));
            let next = waits.unwrap_or_else(|| {
                got[who] += pieces[who];
                let ticket = bucket.take(pieces[who], moment(now));
                tickets[who] = Some(ticket);
                bucket.due(ticket, moment(now)).unwrap_or(now + Duration::from_millis(1))
            });
            agenda.push(Reverse((next, who)));
        }
        got
    }

    #[test]
    fn the_rate_holds_over_time_with_one_burst() {
        let got = crowd(&Bucket::new(RateLimit::Fixed(1_000_000)), &[100_000], Duration::from_secs(10));
        assert!((10_000_000..=10_350_000).contains(&got[0]), "{got:?}");
    }

    #[test]
    fn all_under_one_limit_get_their_share() {
        let bucket = Bucket::new(RateLimit::Fixed(1_000_000));
        let got = crowd(&bucket, &[65_536; 32], Duration::from_secs(100));
        let (least, most) = (got.iter().min().unwrap(), got.iter().max().unwrap());
        assert!(most - least <= 65_536, "a turn each: {got:?}");
        let all: u64 = got.iter().sum();
        assert!((100_000_000..=100_250_000 + 32 * 65_536).contains(&all), "{all}");
    }

    #[test]
    fn the_slowest_limit_still_lets_pass() {
        let got = crowd(&Bucket::new(RateLimit::Fixed(0)), &[1, 1, 1], Duration::from_secs(30));
        assert_eq!(got.iter().sum::<u64>(), 33, "one a second, and the first of each: {got:?}");
    }

    /// A bucket with limits between whole hours, and moments of a day that begin so long before eight.
    fn from_eight(before: Duration, limits: &[(u16, u16, u64)]) -> (Bucket, impl Fn(u64) -> Moment) {
        let windows = limits
            .iter()
            .map(|&(from, to, limit)| RateWindow { from: from * 60, to: to * 60, days: [true; 7], limit })
            .collect();
        let bucket = Bucket::new(RateLimit::Timetable(Timetable { zone: "UTC".into(), windows }));
        // Midnight of a day, and eight hours.
        let eight = 20_000 * 86_400_000 + 8 * 3_600_000;
        let start = eight - u64::try_from(before.as_millis()).unwrap();
        (bucket, move |millis| Moment {
            monotonic: Duration::from_secs(1000) + Duration::from_millis(millis),
            wall: Timestamp(start + millis),
        })
    }

    #[test]
    fn a_timetable_changes_the_rate_of_those_who_wait() {
        let (bucket, at) = from_eight(Duration::from_secs(10), &[(0, 8, 20), (8, 24, 1000)]);
        let ticket = bucket.take(5_105, at(0));
        // 5 of the burst, 200 in the ten seconds before eight; the rest in 4.9 s after it.
        let look = bucket.due(ticket, at(0)).unwrap();
        assert_eq!(look, at(10_000).monotonic, "not in four minutes, as it would be at the first rate");
        assert_eq!(bucket.due(ticket, at(10_000)), Some(at(14_900).monotonic));
        assert_eq!(bucket.due(ticket, at(14_899)), Some(at(14_900).monotonic));
        assert_eq!(bucket.due(ticket, at(14_900)), None);
    }

    #[test]
    fn where_a_timetable_ends_nobody_waits_any_more() {
        let (bucket, at) = from_eight(Duration::from_secs(10), &[(0, 8, 1)]);
        let ticket = bucket.take(1_000_000, at(0));
        assert_eq!(bucket.due(ticket, at(0)), Some(at(10_000).monotonic));
        assert_eq!(bucket.due(ticket, at(10_000)), None);
        let more = bucket.take(u64::MAX, at(10_001));
        assert_eq!(bucket.due(more, at(10_001)), None);
        assert_eq!(bucket.rate(at(10_001)), None);
    }

    #[test]
    fn what_is_reserved_waits_for_what_came_before() {
        let bucket = Bucket::new(RateLimit::Fixed(2));
        let at = |millis| moment(Duration::from_millis(millis));
        let first = bucket.reserve(1, at(0));
        assert_eq!(bucket.due(first, at(0)), None, "the first goes at once");
        let second = bucket.reserve(3, at(0));
        assert_eq!(bucket.due(second, at(0)), Some(Duration::from_millis(250)), "half of it was saved up");
        assert_eq!(bucket.due(second, at(250)), None);
        let third = bucket.reserve(1, at(250));
        assert_eq!(bucket.due(third, at(250)), Some(Duration::from_millis(1750)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// In no stretch of time passes more than the rate, a burst, and one piece of each taker.
        #[test]
        fn never_more_than_the_rate(
            rate in 1_u64..5_000_000,
            pieces in proptest::collection::vec(1_u64..300_000, 1..12),
            seconds in 1_u64..5,
        ) {
            let got = crowd(&Bucket::new(RateLimit::Fixed(rate)), &pieces, Duration::from_secs(seconds));
            let all: u128 = got.iter().copied().map(u128::from).sum();
            let most = u128::from(rate) * u128::from(seconds) + u128::from(rate) / 4
                + u128::from(pieces.iter().sum::<u64>());
            prop_assert!(all <= most, "{all} > {most}");
            // And it is used up.
            prop_assert!(all + 1 >= (u128::from(rate) * u128::from(seconds)).min(
                // A taker takes at most once a millisecond here.
                u128::from(pieces.iter().sum::<u64>()) * u128::from(seconds) * 1000));
        }
    }
}
