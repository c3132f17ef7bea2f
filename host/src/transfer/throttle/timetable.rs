//! What a limit says at an instant.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::model::{RateLimit, RateWindow, Timestamp};

const DAY_MINUTES: u16 = 24 * 60;
const MINUTE_MS: u64 = 60_000;

/// The units per second that `limit` allows at `now`; `None` for any number.
pub(super) fn rate_at(limit: &RateLimit, now: Timestamp) -> Option<u64> {
    let table = match limit {
        RateLimit::Fixed(rate) => return Some((*rate).max(1)),
        RateLimit::Timetable(table) => table,
    };
    // The configuration takes no zone that isn't known.
    let zone = TimeZone::get(&table.zone).unwrap_or(TimeZone::UTC);
    let instant = i64::try_from(now.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())?;
    let civil = instant.to_zoned(zone).datetime();
    let minute = u16::try_from(civil.hour()).unwrap_or(0) * 60 + u16::try_from(civil.minute()).unwrap_or(0);
    let today = usize::try_from(civil.weekday().to_monday_zero_offset()).unwrap_or(0);
    table.windows.iter().find(|window| holds(window, today, minute)).map(|window| window.limit.max(1))
}

/// Until when what [`rate_at`] gave at `now` holds for certain; `None` for ever. Windows begin and end
/// with a minute, and so do those of a clock that is set, or that daylight saving moves.
pub(super) fn holds_for(limit: &RateLimit, now: Timestamp) -> Option<Duration> {
    match limit {
        RateLimit::Fixed(_) => None,
        RateLimit::Timetable(_) => Some(Duration::from_millis(MINUTE_MS - now.0 % MINUTE_MS)),
    }
}

/// Whether `minute` of the day `today` (0 is Monday) lies in the window.
fn holds(window: &RateWindow, today: usize, minute: u16) -> bool {
    let begins_on = |day: usize| window.days.get(day % 7).copied().unwrap_or(false);
    if window.from < window.to.min(DAY_MINUTES) {
        return begins_on(today) && (window.from..window.to).contains(&minute);
    }
    (begins_on(today) && minute >= window.from) || (begins_on(today + 6) && minute < window.to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timetable;

    const EVERY_DAY: [bool; 7] = [true; 7];
    const WEEKDAYS: [bool; 7] = [true, true, true, true, true, false, false];

    fn table(zone: &str, windows: &[(u16, u16, [bool; 7], u64)]) -> RateLimit {
        let window = |&(from, to, days, limit): &_| RateWindow { from, to, days, limit };
        RateLimit::Timetable(Timetable {
            zone: zone.to_owned(),
            windows: windows.iter().map(window).collect(),
        })
    }

    fn at(limit: &RateLimit, civil: &str) -> Option<u64> {
        let instant: jiff::Timestamp = civil.parse().unwrap();
        rate_at(limit, Timestamp(u64::try_from(instant.as_millisecond()).unwrap()))
    }

    #[test]
    fn a_window_holds_from_its_first_minute_to_its_last() {
        let day = table("UTC", &[(8 * 60, 18 * 60, WEEKDAYS, 7)]);
        // 2026-11-23 is a Monday.
        assert_eq!(at(&day, "2026-11-23T07:59:59.999Z"), None);
        assert_eq!(at(&day, "2026-11-23T08:00:00Z"), Some(7));
        assert_eq!(at(&day, "2026-11-23T17:59:59.999Z"), Some(7));
        assert_eq!(at(&day, "2026-11-23T18:00:00Z"), None);
        assert_eq!(at(&day, "2026-11-22T12:00:00Z"), None, "a Sunday");
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
        let night = table("UTC", &[(22 * 60, 6 * 60, WEEKDAYS, 9)]);
        assert_eq!(at(&night, "2026-11-27T23:00:00Z"), Some(9), "Friday night");
        assert_eq!(at(&night, "2026-11-28T05:59:00Z"), Some(9), "still Friday's");
        assert_eq!(at(&night, "2026-11-28T06:00:00Z"), None);
        assert_eq!(at(&night, "2026-11-28T23:00:00Z"), None, "Saturday night");
        assert_eq!(at(&night, "2026-11-23T05:00:00Z"), None, "Sunday's would be, and there is none");
        let whole = table("UTC", &[(0, 0, EVERY_DAY, 1)]);
        assert_eq!(at(&whole, "2026-11-23T13:00:00Z"), Some(1));
    }

    #[test]
    fn the_first_window_counts_and_the_clocks_are_those_of_the_zone() {
        let both = table("Europe/Berlin", &[(8 * 60, 18 * 60, EVERY_DAY, 1), (0, 24 * 60, EVERY_DAY, 2)]);
        assert_eq!(at(&both, "2026-07-01T06:30:00Z"), Some(1), "08:30 in summer");
        assert_eq!(at(&both, "2026-12-01T06:30:00Z"), Some(2), "07:30 in winter");
        assert_eq!(at(&both, "2026-12-01T07:30:00Z"), Some(1));
    }
}
