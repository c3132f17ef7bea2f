//! What is made up for after a downtime: while no process looked, or the clock was set forward.

use super::definition::{Definition, Missed};
use super::timing::{Latest, Rule};
use crate::model::Timestamp;

/// A firing that is late by no more than this is on time: the process was busy, not away.
pub(super) const ON_TIME_MS: u64 = 10_000;

/// Missed firings are counted up to this; beyond it, they are "more".
const COUNTED_MAX: usize = 1_000;

/// What is to be done about the nominal times of a downtime.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Those that are not made up for: the last of them, how many, and whether there are more.
    pub(super) missed: Option<(Timestamp, u64, bool)>,
    /// Those that are, in order.
    pub(super) caught_up: Vec<Timestamp>,
    /// Up to then, all is decided.
    pub(super) until: Timestamp,
}

/// Plans what is done about nominal times after `after` that should have fired by `now`. Those that are on
/// time are left for later.
pub(super) fn plan(definition: &Definition, rule: &Rule, after: Timestamp, now: Timestamp) -> Plan {
    let due_until = Timestamp(now.0.saturating_sub(definition.offset_ms()));
    // What is on time fires by itself.
    let until = Timestamp(due_until.0.saturating_sub(ON_TIME_MS));
    if until <= after {
        return Plan { until: after, ..Plan::default() };
    }
    let window = Timestamp(until.0.saturating_sub(definition.catch_up.window_ms)).max(after);
    let on_time = rule.next(until).is_some_and(|next| next <= due_until);
    let most = match definition.catch_up.which {
        Missed::None => 0,
        // One that is on time is the last one.
        Missed::Last if on_time => 0,
        Missed::Last => 1,
        Missed::All => usize::try_from(definition.catch_up.max).unwrap_or(usize::MAX),
    };
    let caught_up = if most == 0 { Vec::new() } else { rule.latest(window, until, most).times };
    let before = caught_up.first().map_or(until, |first| Timestamp(first.0 - 1));
    let Latest { times, more } = rule.latest(after, before, COUNTED_MAX);
    let count = u64::try_from(times.len()).unwrap_or(u64::MAX);
    let missed = times.last().map(|last| (*last, count, more));
    Plan { missed, caught_up, until }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{CatchUp, Timing, When};

    const HOUR: u64 = 3_600_000;
    /// 2026-11-23T00:00Z
    const DAY: u64 = 1_795_392_000_000;

    fn hourly(which: Missed, window_ms: u64, max: u32) -> Definition {
        let timing = Timing::new(When::Cron("0 * * * *".to_owned()), "UTC");
        Definition { catch_up: CatchUp { which, window_ms, max }, ..Definition::new("s", "w", timing) }
    }

    fn planned(definition: &Definition, after: u64, now: u64) -> (Option<(u64, u64)>, Vec<u64>) {
        let rule = definition.check().unwrap();
        let plan = plan(definition, &rule, Timestamp(DAY + after), Timestamp(DAY + now));
        let hour = |at: Timestamp| (at.0 - DAY) / HOUR;
        (
            plan.missed.map(|(last, count, _)| (hour(last), count)),
            plan.caught_up.into_iter().map(hour).collect(),
        )
    }

    #[test]
    fn by_default_the_last_one_of_a_day_is_made_up_for() {
        let last = hourly(Missed::Last, 24 * HOUR, 100);
        assert_eq!(planned(&last, 0, 5 * HOUR + HOUR / 2), (Some((4, 4)), vec![5]));
        assert_eq!(planned(&last, 0, HOUR + HOUR / 2), (None, vec![1]));
        assert_eq!(planned(&last, 0, HOUR / 2), (None, vec![]));
        // The one of five o'clock is on time, so it is the last one.
        assert_eq!(planned(&last, 0, 5 * HOUR + 3_000), (Some((4, 4)), vec![]));
    }

    #[test]
    fn none_and_all_and_their_bounds() {
        let none = hourly(Missed::None, 24 * HOUR, 100);
        assert_eq!(planned(&none, 0, 5 * HOUR + HOUR / 2), (Some((5, 5)), vec![]));
        let all = hourly(Missed::All, 24 * HOUR, 100);
        assert_eq!(planned(&all, 0, 5 * HOUR + HOUR / 2), (None, vec![1, 2, 3, 4, 5]));
        let window = hourly(Missed::All, 2 * HOUR, 100);
        assert_eq!(planned(&window, 0, 5 * HOUR + HOUR / 2), (Some((3, 3)), vec![4, 5]));
        let cap = hourly(Missed::All, 24 * HOUR, 3);
        assert_eq!(planned(&cap, 0, 5 * HOUR + HOUR / 2), (Some((2, 2)), vec![3, 4, 5]));
        let outside = hourly(Missed::Last, HOUR / 4, 100);
        assert_eq!(planned(&outside, 0, 5 * HOUR + HOUR / 2), (Some((5, 5)), vec![]));
    }

    #[test]
    fn a_year_is_counted_up_to_a_bound() {
        let all = hourly(Missed::All, 24 * HOUR, 100);
        let rule = all.check().unwrap();
        let now = Timestamp(DAY + 365 * 24 * HOUR + HOUR / 2);
        let plan = plan(&all, &rule, Timestamp(DAY), now);
        let (_, count, more) = plan.missed.unwrap();
        assert_eq!((count, more, plan.caught_up.len()), (1_000, true, 24));
    }

    #[test]
    fn jitter_counts_as_part_of_being_due() {
        let jittery = Definition { jitter_ms: HOUR, ..hourly(Missed::Last, 24 * HOUR, 100) };
        let offset = jittery.offset_ms();
        assert!(offset > ON_TIME_MS);
        assert_eq!(planned(&jittery, 0, HOUR + offset), (None, vec![]), "on time");
        assert_eq!(planned(&jittery, 0, HOUR + offset + ON_TIME_MS + 1), (None, vec![1]));
    }
}
