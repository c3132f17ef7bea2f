//! How often a caller may ask: a bucket of turns for each, so that one can't take the turns of others.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Turns that may be saved up, in seconds of them: a page asks for a handful of things at once.
const BURST_SECONDS: f64 = 2.0;

/// Callers that are remembered; tokens are few, so only addresses that have none reach it.
const CALLERS_MAX: usize = 4096;

/// The turns of all callers.
#[derive(Debug, Default)]
pub(super) struct Pace {
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    turns: f64,
    at: Duration,
}

impl Pace {
    /// Takes a turn of `caller`, who has `per_second` of them; else tells after how many seconds there is
    /// one again. `now` only goes forward.
    pub(super) fn take(&self, caller: &str, per_second: u32, now: Duration) -> Result<(), u64> {
        let rate = f64::from(per_second.max(1));
        let full = (rate * BURST_SECONDS).max(1.0);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= CALLERS_MAX && !buckets.contains_key(caller) {
            // Who hasn't come for so long has a full bucket again, which is what a new one has.
            buckets.retain(|_, bucket| now.saturating_sub(bucket.at).as_secs_f64() < BURST_SECONDS);
            if buckets.len() >= CALLERS_MAX {
                return Err(1);
            }
        }
        let bucket = buckets.entry(caller.to_owned()).or_insert(Bucket { turns: full, at: now });
        let passed = now.saturating_sub(bucket.at).as_secs_f64();
        bucket.turns = (bucket.turns + passed * rate).min(full);
        bucket.at = now;
        if bucket.turns < 1.0 {
            let wait = (1.0 - bucket.turns) / rate;
            return Err(Duration::from_secs_f64(wait).as_secs() + 1);
        }
        bucket.turns -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_its_own_turns_and_they_come_back() {
        let pace = Pace::default();
        let at = |millis| Duration::from_millis(millis);
        for _ in 0..10 {
            assert_eq!(pace.take("a", 5, at(0)), Ok(()));
        }
        assert_eq!(pace.take("a", 5, at(0)), Err(1));
        assert_eq!(pace.take("b", 5, at(0)), Ok(()));
        assert_eq!(pace.take("a", 5, at(200)), Ok(()));
        assert_eq!(pace.take("a", 5, at(200)), Err(1));
    }

    #[test]
    fn the_number_of_callers_is_bounded() {
        let pace = Pace::default();
        for n in 0..CALLERS_MAX {
            assert!(pace.take(&n.to_string(), 1, Duration::ZERO).is_ok());
        }
        assert!(pace.take("one more", 1, Duration::ZERO).is_err());
        assert!(pace.take("one more", 1, Duration::from_secs(3)).is_ok());
    }
}
