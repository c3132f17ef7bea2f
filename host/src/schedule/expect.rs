//! When a run is expected to have succeeded: a time of day, on days on which there was a firing.

use jiff::civil::Time;

use super::timing::{Rule, instant, of_instant};
use crate::model::Timestamp;

/// A span at whose end a run must have succeeded, if a firing lay in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// The end of the span before, which isn't counted.
    pub(super) after: Timestamp,
    /// By then.
    pub(super) by: Timestamp,
}

/// The first span that ends after `after`.
pub(super) fn next(rule: &Rule, time: Time, after: Timestamp) -> Option<Span> {
    let today = instant(after)?.to_zoned(rule.zone().clone()).date();
    let mut day = today.yesterday().ok()?;
    let mut before = at(rule, time, day)?;
    loop {
        day = day.tomorrow().ok()?;
        let by = at(rule, time, day)?;
        if by > after {
            return Some(Span { after: before, by });
        }
        before = by;
    }
}

impl Span {
    /// Whether a run is expected: a firing lay in the span, after the schedule was there.
    pub(super) fn is_expected(self, rule: &Rule, since: Timestamp) -> bool {
        rule.next(self.after.max(since)).is_some_and(|nominal| nominal <= self.by)
    }
}

/// That time of a day; the first instant after it where the clocks leave it out.
fn at(rule: &Rule, time: Time, day: jiff::civil::Date) -> Option<Timestamp> {
    let wall = day.to_datetime(time);
    super::timing::of_wall(wall, rule.zone()).and_then(of_instant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Timing, When, parse_instant};

    #[test]
    fn a_run_is_expected_on_days_with_a_firing() {
        let timing = Timing::new(When::Cron("0 2 * * mon-fri".to_owned()), "Europe/Berlin");
        let rule = Rule::new(&timing).unwrap();
        let at = |text| parse_instant(text, rule.zone()).unwrap();
        let six = jiff::civil::time(6, 0, 0, 0);
        // 2026-11-20 is a Friday.
        let mut now = at("2026-11-20T01:00");
        let mut spans = Vec::new();
        for _ in 0..4 {
            let span = next(&rule, six, now).unwrap();
            spans.push((rule.local(span.by), span.is_expected(&rule, Timestamp(0))));
            now = span.by;
        }
        let expected = [
            ("2026-11-20T06:00:00+01:00", true),
            ("2026-11-21T06:00:00+01:00", false),
            ("2026-11-22T06:00:00+01:00", false),
            ("2026-11-23T06:00:00+01:00", true),
        ];
        assert_eq!(spans, expected.map(|(by, is)| (by.to_owned(), is)));
        let friday = next(&rule, six, at("2026-11-20T01:00")).unwrap();
        assert!(!friday.is_expected(&rule, at("2026-11-20T03:00")), "it was added after that firing");
    }

    #[test]
    fn a_late_schedule_of_the_evening_is_expected_the_next_morning() {
        let timing = Timing::new(When::Cron("0 22 * * fri".to_owned()), "UTC");
        let rule = Rule::new(&timing).unwrap();
        let at = |text| parse_instant(text, rule.zone()).unwrap();
        let span = next(&rule, jiff::civil::time(6, 0, 0, 0), at("2026-11-20T22:30")).unwrap();
        assert_eq!(rule.local(span.by), "2026-11-21T06:00:00+00:00");
        assert!(span.is_expected(&rule, Timestamp(0)));
    }
}
