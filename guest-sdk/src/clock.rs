//! Time as the run's journal tells it: the same in every replay.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Result, host};

/// An instant: milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

/// The time of the run's last step. It doesn't move between steps, and never goes back.
#[must_use]
pub fn now() -> Timestamp {
    host::now()
}

/// Waits; fractions of a millisecond are dropped. The timer is durable: a run that is killed and resumed
/// waits only for the rest.
///
/// # Errors
/// `run.cancelled` when the run is cancelled meanwhile.
pub fn sleep(duration: Duration) -> Result<()> {
    host::sleep(duration)
}

/// Waits until `at`; returns at once when that is past.
///
/// # Errors
/// As [`sleep`].
pub fn sleep_until(at: Timestamp) -> Result<()> {
    host::sleep_until(at)
}

impl Timestamp {
    /// The date in UTC: year, month (1 to 12), day (1 to 31).
    #[must_use]
    pub fn date(self) -> (u64, u8, u8) {
        // Days are counted from 0000-03-01, so that a leap day is the last of its year: 400 years
        // have 146,097 days, and months of 30.6 days on average begin in March.
        let days = self.0 / 86_400_000 + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        (year, u8::try_from(month).unwrap_or(12), u8::try_from(day).unwrap_or(31))
    }

    /// The time since `earlier`; zero when that is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, to the second: `2026-11-22T23:24:05Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        let second = self.0 / 1000 % 86_400;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
            second / 3600,
            second / 60 % 60,
            second % 60
        )
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }
}

/// Whole milliseconds, at most the largest number that the interface carries exactly.
pub(crate) fn millis(span: Duration) -> u64 {
    const MAX: u64 = (1 << 53) - 1;
    u64::try_from(span.as_millis()).unwrap_or(MAX).min(MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399_000, "2000-02-28T23:59:59Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (951_868_800_000, "2000-03-01T00:00:00Z"),
            (1_795_389_845_000, "2026-11-22T23:24:05Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Timestamp(millis).to_string(), text);
        }
    }

    #[test]
    fn spans_stay_in_bounds() {
        assert_eq!(Timestamp(5) - Duration::from_secs(1), Timestamp(0));
        assert_eq!(Timestamp(5) + Duration::from_secs(1), Timestamp(1005));
        assert_eq!(millis(Duration::MAX), (1 << 53) - 1);
    }
}
