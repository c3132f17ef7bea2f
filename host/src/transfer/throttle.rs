//! A limit on bytes per second.

use std::time::Duration;

/// A token bucket that holds a quarter of a second's bytes: a burst is never longer than that, and
/// what isn't used is lost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Throttle {
    /// Bytes per second; `None` for no limit.
    rate: Option<u64>,
    /// When the bytes that have passed so far will have been paid for.
    paid_at: Duration,
}

/// How much may pass at once.
const BURST: Duration = Duration::from_millis(250);

impl Throttle {
    /// A limit of `rate` bytes per second; none for `None`. 0 counts as 1: a limit slows, it doesn't
    /// stop.
    pub(super) fn new(rate: Option<u64>) -> Self {
        Self { rate: rate.map(|rate| rate.max(1)), paid_at: Duration::ZERO }
    }

    /// Takes note of `bytes` that have passed at `now`, and gives when the next may, if later.
    pub(super) fn pass(&mut self, bytes: usize, now: Duration) -> Option<Duration> {
        let rate = self.rate?;
        let nanos = u128::try_from(bytes).unwrap_or(0) * 1_000_000_000 / u128::from(rate);
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.paid_at = self.paid_at.max(now.saturating_sub(BURST)).saturating_add(cost);
        (self.paid_at > now).then_some(self.paid_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_holds_over_time_with_one_burst() {
        let mut throttle = Throttle::new(Some(1_000_000));
        let (mut now, mut passed) = (Duration::from_secs(100), 0u64);
        while now < Duration::from_secs(110) {
            passed += 100_000;
            now = throttle.pass(100_000, now).unwrap_or(now);
        }
        assert!((10_000_000..=10_350_000).contains(&passed), "{passed}");
        assert_eq!(Throttle::new(None).pass(usize::MAX, now), None);
    }
}
