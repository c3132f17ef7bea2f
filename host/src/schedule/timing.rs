//! When a schedule fires: its expression or its one instant, with start, end and what is left out.

use std::collections::{BTreeSet, VecDeque};

use jiff::civil;
use jiff::tz::{AmbiguousOffset, TimeZone};
use serde::{Deserialize, Serialize};

use super::expression::{Expression, Invalid};
use crate::model::Timestamp;

/// So many nominal times in a row may be left out before it counts as for ever.
const LEFT_OUT_MAX: usize = 100_000;

/// The most dates that are left out by name.
const DATES_MAX: usize = 1_000;

/// What a schedule fires by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// Again and again, by an expression.
    Cron(String),
    /// Once.
    At(Timestamp),
}

/// When a schedule fires, as it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// By what.
    pub when: When,
    /// The IANA name of the zone whose clocks count.
    pub zone: String,
    /// Nothing fires before.
    pub start: Option<Timestamp>,
    /// Nothing fires at or after.
    pub end: Option<Timestamp>,
    /// Local dates on which nothing fires, as `2026-12-25`.
    pub exclude_dates: Vec<String>,
    /// An expression whose wall times are left out; one of five fields takes out whole minutes.
    pub exclude_cron: Option<String>,
}

impl Timing {
    /// The same with nothing but an expression or an instant.
    #[must_use]
    pub fn new(when: When, zone: impl Into<String>) -> Self {
        Self {
            when,
            zone: zone.into(),
            start: None,
            end: None,
            exclude_dates: Vec::new(),
            exclude_cron: None,
        }
    }
}

/// A [`Timing`] that was read and can be asked.
#[derive(Clone, Debug)]
pub struct Rule {
    what: What,
    zone: TimeZone,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    dates: BTreeSet<civil::Date>,
    exclude: Option<Expression>,
}

#[derive(Clone, Debug)]
enum What {
    Expression(Box<Expression>),
    Once(Timestamp),
}

/// The latest of the nominal times in a span.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latest {
    /// They, in order.
    pub times: Vec<Timestamp>,
    /// Whether there are earlier ones in the span.
    pub more: bool,
}

impl Rule {
    /// Reads a timing.
    ///
    /// # Errors
    /// What can't be read: expression, zone, a date.
    pub fn new(timing: &Timing) -> Result<Self, Invalid> {
        let what = match &timing.when {
            When::Cron(text) => What::Expression(Box::new(Expression::parse(text)?)),
            When::At(at) => What::Once(*at),
        };
        let exclude = timing.exclude_cron.as_deref().map(Expression::parse).transpose()?;
        if exclude.as_ref().is_some_and(Expression::is_elapsed) {
            return Err(wrong(
                "an interval of elapsed time can't be excluded: it fits no wall clock",
                "write the wall times that don't count, as `* * 24-26 12 *`",
            ));
        }
        if timing.exclude_dates.len() > DATES_MAX {
            return Err(wrong(
                format!("{} dates are excluded; {DATES_MAX} may be", timing.exclude_dates.len()),
                "exclude regular ones by an expression",
            ));
        }
        let dates = timing.exclude_dates.iter().map(|text| date(text)).collect::<Result<_, _>>()?;
        Ok(Self { what, zone: zone(&timing.zone)?, start: timing.start, end: timing.end, dates, exclude })
    }

    /// The first nominal time after `after`, which isn't counted itself.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        // The start itself may be a nominal time.
        let begin = self.start.map_or(after, |start| after.max(Timestamp(start.0.saturating_sub(1))));
        let mut at = begin;
        for _ in 0..LEFT_OUT_MAX {
            at = match &self.what {
                What::Once(once) => Some(*once).filter(|once| *once > at)?,
                What::Expression(expression) => of_instant(expression.next(&self.zone, instant(at)?)?)?,
            };
            if self.end.is_some_and(|end| at >= end) {
                return None;
            }
            match self.left_out(at)? {
                None => return Some(at),
                Some(until) => at = until,
            }
        }
        None
    }

    /// The latest `max` nominal times after `after` up to `until`, which is counted.
    ///
    /// The span is looked through from its end, so that a long downtime of a schedule that fires every
    /// second costs no more than a short one.
    #[must_use]
    pub fn latest(&self, after: Timestamp, until: Timestamp, max: usize) -> Latest {
        let mut span = 60_000_u64;
        loop {
            let from = Timestamp(until.0.saturating_sub(span)).max(after);
            let mut latest = Latest::default();
            let mut times = VecDeque::new();
            let mut next = self.next(from).filter(|_| from < until);
            while let Some(at) = next.filter(|at| *at <= until) {
                times.push_back(at);
                if times.len() > max {
                    times.pop_front();
                    latest.more = true;
                }
                next = self.next(at);
            }
            if latest.more || from == after || from >= until {
                latest.times = times.into();
                return latest;
            }
            span = span.saturating_mul(4);
        }
    }

    /// The zone whose clocks count.
    #[must_use]
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// When it fires, in words: expression and zone.
    #[must_use]
    pub fn in_words(&self) -> String {
        let zone = self.zone.iana_name().unwrap_or("UTC");
        let mut words = match &self.what {
            What::Expression(expression) => expression.in_words(),
            What::Once(at) => format!("once, at {}", self.local(*at)),
        };
        words.push_str(&format!(" ({zone})"));
        if let Some(exclude) = &self.exclude {
            words.push_str(&format!(", but not {}", exclude.excluded_in_words()));
        }
        match self.dates.len() {
            0 => {}
            1 => words.push_str(", but not on one date"),
            count => words.push_str(&format!(", but not on {count} dates")),
        }
        words
    }

    /// An instant by the clocks of the zone, as RFC 3339 with its offset.
    #[must_use]
    pub fn local(&self, at: Timestamp) -> String {
        local(at, &self.zone)
    }

    /// Where this nominal time is left out: until when all is, at least.
    #[allow(clippy::option_option, reason = "an instant that no calendar has is neither left out nor not")]
    fn left_out(&self, at: Timestamp) -> Option<Option<Timestamp>> {
        if self.dates.is_empty() && self.exclude.is_none() {
            return Some(None);
        }
        let wall = instant(at)?.to_zoned(self.zone.clone());
        if self.dates.contains(&wall.date()) {
            let tomorrow = wall.tomorrow().ok()?.start_of_day().ok()?;
            return Some(Some(Timestamp(of_instant(tomorrow.timestamp())?.0 - 1)));
        }
        let excluded = self.exclude.as_ref().is_some_and(|exclude| exclude.fits(wall.datetime()));
        Some(excluded.then_some(at))
    }
}

/// An instant by the clocks of a zone, as RFC 3339 with its offset.
#[must_use]
pub fn local(at: Timestamp, zone: &TimeZone) -> String {
    instant(at).map_or_else(
        || at.0.to_string(),
        |at| at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
    )
}

/// A zone by its IANA name.
///
/// # Errors
/// There is none of that name.
pub fn zone(name: &str) -> Result<TimeZone, Invalid> {
    TimeZone::get(name).map_err(|_| {
        wrong(
            format!("there is no time zone `{}`", name.escape_debug()),
            "write an IANA name, as `Europe/Berlin` or `Asia/Shanghai`, or `UTC`",
        )
    })
}

/// An instant as people write it: RFC 3339 with an offset, or a local time of `zone` without. A local time
/// that the clocks leave out is the first instant after the gap, one that they repeat is the first.
///
/// # Errors
/// It is neither.
pub fn parse_instant(text: &str, zone: &TimeZone) -> Result<Timestamp, Invalid> {
    let text = text.trim();
    let meant = match text.parse::<jiff::Timestamp>() {
        Ok(instant) => Some(instant),
        Err(_) => text.parse::<civil::DateTime>().ok().and_then(|wall| of_wall(wall, zone)),
    };
    meant.and_then(of_instant).ok_or_else(|| {
        wrong(
            format!("`{}` is no instant", text.escape_debug()),
            "write it as `2026-12-01T02:00` (by the clocks of the zone) or `2026-12-01T02:00:00Z`",
        )
    })
}

/// The first instant at which the clocks of a zone show this time or a later one.
pub(super) fn of_wall(wall: civil::DateTime, zone: &TimeZone) -> Option<jiff::Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(wall);
    match ambiguous.offset() {
        AmbiguousOffset::Gap { after, .. } => {
            // By the clocks that go ahead, a time of the gap lies before the change.
            let before = after.to_timestamp(wall).ok()?;
            zone.following(before).next().map(|change| change.timestamp())
        }
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => ambiguous.earlier().ok(),
    }
}

fn date(text: &str) -> Result<civil::Date, Invalid> {
    text.parse()
        .map_err(|_| wrong(format!("`{}` is no date", text.escape_debug()), "write it as `2026-12-25`"))
}

pub(super) fn instant(at: Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(i64::try_from(at.0).ok()?).ok()
}

pub(super) fn of_instant(at: jiff::Timestamp) -> Option<Timestamp> {
    u64::try_from(at.as_millisecond()).ok().map(Timestamp)
}

fn wrong(message: impl Into<String>, hint: impl Into<String>) -> Invalid {
    Invalid { message: message.into(), hint: Some(hint.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        of_instant(text.parse().unwrap()).unwrap()
    }

    fn daily(change: impl FnOnce(&mut Timing)) -> Rule {
        let mut timing = Timing::new(When::Cron("0 2 * * *".to_owned()), "Europe/Berlin");
        change(&mut timing);
        Rule::new(&timing).unwrap()
    }

    fn times(rule: &Rule, from: &str, count: usize) -> Vec<String> {
        let first = rule.next(at(from));
        std::iter::successors(first, |last| rule.next(*last)).take(count).map(|at| rule.local(at)).collect()
    }

    #[test]
    fn dates_and_expressions_are_left_out() {
        let rule = daily(|timing| {
            timing.exclude_dates = vec!["2026-12-25".to_owned()];
            timing.exclude_cron = Some("* * * * sat,sun".to_owned());
        });
        assert_eq!(
            times(&rule, "2026-12-23T12:00:00Z", 3),
            ["2026-12-24T02:00:00+01:00", "2026-12-28T02:00:00+01:00", "2026-12-29T02:00:00+01:00"]
        );
        let first_friday = Timing {
            exclude_cron: Some("* * 8-31 * *".to_owned()),
            ..Timing::new(When::Cron("0 2 * * 5".to_owned()), "UTC")
        };
        assert_eq!(
            times(&Rule::new(&first_friday).unwrap(), "2026-11-10T00:00:00Z", 2),
            ["2026-12-04T02:00:00+00:00", "2027-01-01T02:00:00+00:00"]
        );
        let never = daily(|timing| timing.exclude_cron = Some("* * * * *".to_owned()));
        assert_eq!(never.next(at("2026-01-01T00:00:00Z")), None);
    }

    #[test]
    fn it_begins_and_ends() {
        let rule = daily(|timing| {
            timing.start = Some(at("2026-03-01T01:00:00Z"));
            timing.end = Some(at("2026-03-03T01:00:00Z"));
        });
        assert_eq!(
            times(&rule, "2026-01-01T00:00:00Z", 9),
            ["2026-03-01T02:00:00+01:00", "2026-03-02T02:00:00+01:00"]
        );
        let once = Rule::new(&Timing::new(When::At(at("2026-12-01T01:00:00Z")), "Europe/Berlin")).unwrap();
        assert_eq!(times(&once, "2026-01-01T00:00:00Z", 9), ["2026-12-01T02:00:00+01:00"]);
        assert_eq!(once.in_words(), "once, at 2026-12-01T02:00:00+01:00 (Europe/Berlin)");
    }

    #[test]
    fn the_latest_are_found_from_the_end() {
        let second = Rule::new(&Timing::new(When::Cron("* * * * * *".to_owned()), "UTC")).unwrap();
        let (from, to) = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
        let begun = std::time::Instant::now();
        let latest = second.latest(from, to, 3);
        assert_eq!((latest.times.last(), latest.times.len(), latest.more), (Some(&to), 3, true));
        assert!(begun.elapsed().as_millis() < 500, "{:?}", begun.elapsed());
        let all = second.latest(Timestamp(to.0 - 2_500), to, 10);
        assert_eq!(
            all,
            Latest { times: vec![Timestamp(to.0 - 2_000), Timestamp(to.0 - 1_000), to], more: false }
        );
        assert_eq!(second.latest(to, to, 10), Latest::default());
        assert_eq!(second.latest(to, from, 10), Latest::default(), "a span that ends before it begins");
        let daily = daily(|_| {});
        assert_eq!(daily.latest(from, to, 1_000).times.len(), 365);
    }

    #[test]
    fn instants_are_local_or_have_an_offset() {
        let berlin = zone("Europe/Berlin").unwrap();
        let parse = |text| parse_instant(text, &berlin).map(|at| local(at, &berlin)).ok();
        assert_eq!(parse("2026-12-01T02:00").as_deref(), Some("2026-12-01T02:00:00+01:00"));
        assert_eq!(parse("2026-12-01T02:00:00Z").as_deref(), Some("2026-12-01T03:00:00+01:00"));
        assert_eq!(parse("2026-03-29T02:30").as_deref(), Some("2026-03-29T03:00:00+02:00"));
        assert_eq!(parse("2026-10-25T02:30").as_deref(), Some("2026-10-25T02:30:00+02:00"));
        assert_eq!(parse("2026-12-01").as_deref(), Some("2026-12-01T00:00:00+01:00"));
        assert_eq!(parse("tomorrow"), None);
        assert!(zone("Mars/Olympus").is_err());
    }
}
