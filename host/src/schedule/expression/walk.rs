//! From civil times to instants.
//!
//! A civil time is held as the seconds that it would have in UTC, so that stepping from one to the next
//! knows nothing of zones. Only then is it looked at in its zone:
//!
//! ```text
//! fixed      civil ──▶ the first instant at which the zone's clocks show this or more
//! interval   between two changes of the clocks the offset stands still: civil − offset, as long as
//!            that lies before the next change; else go on from there with the new offset
//! ```
//! Both only ever go forward.

use chrono::{DateTime, Utc};
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

use super::parse::{Expression, Fields, Kind};
use crate::schedule::timing::of_wall;

impl Expression {
    /// The first instant after `after`, which isn't counted, at which it fires by the clocks of `zone`;
    /// a whole second. `None` after the year 2100, where the `cron` crate ends.
    #[must_use]
    pub fn next(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        // A fraction is cut off: the next whole second is the same.
        let after = after.as_millisecond().div_euclid(1000);
        let next = match &self.kind {
            Kind::Every(period) => after.div_euclid(*period).checked_add(1)?.checked_mul(*period)?,
            Kind::Fields(fields) if fields.is_interval() => next_interval(fields, zone, after)?,
            Kind::Fields(fields) => next_fixed(fields, zone, after)?,
        };
        instant(next)
    }

    /// Whether a wall time fits. One that was written with five fields fits all of a minute.
    ///
    /// Elapsed time fits no wall time.
    #[must_use]
    pub fn fits(&self, time: civil::DateTime) -> bool {
        let Kind::Fields(fields) = &self.kind else { return false };
        let of = |number: i8| u8::try_from(number).unwrap_or(u8::MAX);
        let day = fields.day.has(of(time.day()));
        let weekday = fields.weekday.has(of(time.weekday().to_sunday_zero_offset()));
        let date = if fields.either_day() { day || weekday } else { day && weekday };
        let second = !fields.has_seconds || fields.second.has(of(time.second()));
        date && second
            && fields.month.has(of(time.month()))
            && fields.hour.has(of(time.hour()))
            && fields.minute.has(of(time.minute()))
    }
}

fn next_fixed(fields: &Fields, zone: &TimeZone, after: i64) -> Option<i64> {
    let mut time = after + offset_at(zone, after)?;
    loop {
        time = next_civil(fields, time)?;
        let at = first_instant(zone, time)?;
        // In the second pass of a repeated hour, what is left of it on the clock has been.
        if at > after {
            return Some(at);
        }
    }
}

fn next_interval(fields: &Fields, zone: &TimeZone, after: i64) -> Option<i64> {
    // `from` isn't counted; the offset is the one that holds from `since` on.
    let (mut from, mut since) = (after, after);
    loop {
        let offset = offset_at(zone, since)?;
        let change = next_change(zone, since);
        let at = next_civil(fields, from + offset)? - offset;
        match change {
            Some(change) if at >= change => (from, since) = (change - 1, change),
            _ => return Some(at),
        }
    }
}

/// The civil time that follows.
fn next_civil(fields: &Fields, after: i64) -> Option<i64> {
    let after = DateTime::<Utc>::from_timestamp(after, 0)?;
    fields.walks.iter().filter_map(|walk| walk.after(&after).next()).map(|next| next.timestamp()).min()
}

/// The first instant at which the clocks of a zone show `time` or more.
fn first_instant(zone: &TimeZone, time: i64) -> Option<i64> {
    of_wall(TimeZone::UTC.to_datetime(instant(time)?), zone).map(|at| at.as_second())
}

/// When the clocks of a zone are changed next.
fn next_change(zone: &TimeZone, after: i64) -> Option<i64> {
    zone.following(instant(after)?).next().map(|change| change.timestamp().as_second())
}

fn offset_at(zone: &TimeZone, at: i64) -> Option<i64> {
    Some(i64::from(zone.to_offset(instant(at)?).seconds()))
}

fn instant(second: i64) -> Option<Timestamp> {
    Timestamp::from_second(second).ok()
}
