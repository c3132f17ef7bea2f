//! How often and when a failed attempt is repeated. Pure: randomness is passed in.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How chance spreads the waits of many callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Jitter {
    /// Waits are exactly the computed delay.
    None,
    /// Uniform between zero and the delay.
    Full,
    /// Half the delay, and a random part of the other half.
    Equal,
    /// Between the initial delay and three times the wait before.
    Decorrelated,
}

/// What follows when the attempts are used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Exhausted {
    /// The call gives the last fault to the workflow.
    Fail,
    /// The run is paused, for somebody to look.
    Pause,
}

/// Exponential backoff with jitter and a cap, bounded by attempts and by time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// How often at most, the first try included; `None` for no limit.
    pub max_attempts: Option<u32>,
    /// How long at most from the first try, in milliseconds; `None` for no limit.
    pub max_elapsed_ms: Option<u64>,
    /// The delay after the first failure, in milliseconds.
    pub initial_delay_ms: u64,
    /// By how much each delay grows: 200 doubles it. Less than 100 counts as 100.
    pub multiplier_percent: u32,
    /// The longest delay, in milliseconds.
    pub max_delay_ms: u64,
    /// How chance spreads the waits.
    pub jitter: Jitter,
    /// Codes that are final whatever their class.
    pub non_retryable: Vec<String>,
    /// What follows when the attempts are used up.
    pub on_exhausted: Exhausted,
}

impl Default for RetryPolicy {
    /// 5 attempts; 1, 2, 4, 8 s with full jitter, at most 60 s.
    fn default() -> Self {
        Self {
            max_attempts: Some(5),
            max_elapsed_ms: None,
            initial_delay_ms: 1_000,
            multiplier_percent: 200,
            max_delay_ms: 60_000,
            jitter: Jitter::Full,
            non_retryable: Vec::new(),
            on_exhausted: Exhausted::Fail,
        }
    }
}

impl RetryPolicy {
    /// The wait after the `failed`-th failed attempt (from 1), or `None` when the attempts are used
    /// up. `unit` is uniform in 0..=u32::MAX; `previous` is the wait before this one.
    #[must_use]
    pub fn delay(&self, failed: u32, elapsed: Duration, previous: Duration, unit: u32) -> Option<Duration> {
        if self.max_attempts.is_some_and(|max| failed >= max) {
            return None;
        }
        let mut full = self.initial_delay_ms.min(self.max_delay_ms);
        for _ in 1..failed {
            let grown = u128::from(full) * u128::from(self.multiplier_percent.max(100)) / 100;
            let next = u64::try_from(grown).unwrap_or(u64::MAX).min(self.max_delay_ms);
            if next == full {
                break;
            }
            full = next;
        }
        let share =
            |of: u64| u64::try_from(u128::from(of) * u128::from(unit) / u128::from(u32::MAX)).unwrap_or(of);
        let wait = match self.jitter {
            Jitter::None => full,
            Jitter::Full => share(full),
            Jitter::Equal => full / 2 + share(full - full / 2),
            Jitter::Decorrelated => {
                let before = u64::try_from(previous.as_millis()).unwrap_or(u64::MAX);
                let top = before
                    .saturating_mul(3)
                    .clamp(self.initial_delay_ms, self.max_delay_ms.max(self.initial_delay_ms));
                (self.initial_delay_ms + share(top - self.initial_delay_ms)).min(self.max_delay_ms)
            }
        };
        let wait = Duration::from_millis(wait);
        match self.max_elapsed_ms {
            Some(max) if elapsed + wait > Duration::from_millis(max) => None,
            _ => Some(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(policy: &RetryPolicy, failed: u32, unit: u32) -> Option<u64> {
        policy.delay(failed, Duration::ZERO, Duration::ZERO, unit).map(|d| d.as_millis() as u64)
    }

    #[test]
    fn delays_double_up_to_the_cap_and_end() {
        let policy = RetryPolicy { max_attempts: Some(9), jitter: Jitter::None, ..RetryPolicy::default() };
        let waits: Vec<_> = (1..=9).map(|n| at(&policy, n, 0)).collect();
        assert_eq!(
            waits,
            [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]
                .map(Some)
                .into_iter()
                .chain([None])
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn full_jitter_spans_zero_to_the_delay() {
        let policy = RetryPolicy::default();
        assert_eq!(at(&policy, 3, 0), Some(0));
        assert_eq!(at(&policy, 3, u32::MAX), Some(4000));
    }

    #[test]
    fn elapsed_time_ends_it_too() {
        let policy =
            RetryPolicy { max_elapsed_ms: Some(5_000), jitter: Jitter::None, ..RetryPolicy::default() };
        assert_eq!(policy.delay(3, Duration::from_secs(2), Duration::ZERO, 0), None);
        assert!(policy.delay(3, Duration::from_secs(1), Duration::ZERO, 0).is_some());
    }

    #[test]
    fn huge_numbers_do_not_overflow() {
        let policy = RetryPolicy {
            max_attempts: None,
            initial_delay_ms: u64::MAX / 2,
            max_delay_ms: u64::MAX,
            multiplier_percent: u32::MAX,
            ..RetryPolicy::default()
        };
        assert!(at(&policy, u32::MAX, u32::MAX).is_some());
    }
}
