//! The same instants as another implementation finds, zone by zone, expression by expression, month by
//! month. Where ours means something else on purpose, that is one of [`Deviation`], and both sides are
//! checked.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::Expression;

const ZONES: [&str; 12] = [
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Pacific/Chatham",
    "Africa/Cairo",
];

/// Expressions that both mean alike.
const ALIKE: [&str; 18] = [
    "* * * * *",
    "*/15 * * * *",
    "*/7 * * * *",
    "0 * * * *",
    "30 */2 * * *",
    "0 2 * * *",
    "30 2 * * *",
    "30 1 * * *",
    "0 3 * * *",
    "0 0 * * 0",
    "0 0 * * 7",
    "15 2 * * mon-fri",
    "0 12 13 * 5",
    "0 0 1 1,7 *",
    "0 0 29 2 *",
    "*/20 1-3 * * *",
    "10 2 1-7 * sun",
    "5 30 2 * * *",
];

/// What is read otherwise here, on purpose; see the module's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deviation {
    /// Lists and ranges of minutes and hours are fixed times; croner takes them for intervals. It shows
    /// only on days on which clocks are changed.
    ListsAreFixed,
    /// A day field that begins with `*` doesn't restrict, also with a step; croner's only as `*` alone.
    StarWithStep,
    /// `a/n` is an interval from `a` on; croner refuses it.
    OpenStep,
    /// Seconds that are counted through don't make an interval of a fixed minute.
    SecondsOfFixedMinute,
}

const OTHERWISE: [(&str, Deviation); 7] = [
    ("0,30 2 * * *", Deviation::ListsAreFixed),
    ("0 1-3 * * *", Deviation::ListsAreFixed),
    ("30 1,2,3 * * *", Deviation::ListsAreFixed),
    ("0 2 */2 * 1", Deviation::StarWithStep),
    ("0 2 1 * */2", Deviation::StarWithStep),
    ("10/15 * * * *", Deviation::OpenStep),
    ("*/20 30 2 * * *", Deviation::SecondsOfFixedMinute),
];

/// So many instants of a case are compared from the month's beginning, and from three hours before its
/// change of clocks: more minutes of an ordinary day say nothing new.
const COMPARED_MAX: usize = 250;

fn ours(text: &str, zone: &TimeZone, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
    let expression = Expression::parse(text).unwrap();
    let next = |at: &Timestamp| expression.next(zone, *at).filter(|next| *next < to);
    std::iter::successors(next(&from), next).take(COMPARED_MAX).collect()
}

/// croner's, which refuses what it doesn't know.
fn theirs(text: &str, zone: &TimeZone, from: Timestamp, to: Timestamp) -> Option<Vec<Timestamp>> {
    let cron: croner::Cron = text.parse().ok()?;
    let next = |at: &Zoned| {
        let found = cron.find_next_occurrence(at, false).ok()?;
        (found.timestamp() < to).then_some(found)
    };
    let first = from.to_zoned(zone.clone());
    Some(std::iter::successors(next(&first), next).take(COMPARED_MAX).map(|at| at.timestamp()).collect())
}

/// The twelve months of 2026, in which each of the zones that change their clocks does it twice.
fn months(zone: &TimeZone) -> Vec<(Timestamp, Timestamp)> {
    let begin = |month: i8| {
        let (year, month) = if month > 12 { (2027, 1) } else { (2026, month) };
        zone.to_timestamp(jiff::civil::date(year, month, 1).at(0, 0, 0, 0)).unwrap()
    };
    (1..=12).map(|month| (begin(month), begin(month + 1))).collect()
}

/// When the clocks of the zone are changed in that month.
fn change(zone: &TimeZone, (from, to): (Timestamp, Timestamp)) -> Option<Timestamp> {
    zone.following(from).next().map(|change| change.timestamp()).filter(|at| *at < to)
}

/// From where the instants of a month are compared.
fn begins(zone: &TimeZone, month: (Timestamp, Timestamp)) -> impl Iterator<Item = Timestamp> {
    let before = change(zone, month).map(|at| at - jiff::SignedDuration::from_hours(3));
    std::iter::once(month.0).chain(before)
}

#[test]
fn croner_finds_the_same() {
    let mut cases = 0;
    for name in ZONES {
        let zone = TimeZone::get(name).unwrap();
        for text in ALIKE {
            for month in months(&zone) {
                for from in begins(&zone, month) {
                    let expected = theirs(text, &zone, from, month.1).unwrap();
                    assert_eq!(ours(text, &zone, from, month.1), expected, "`{text}` in {name} from {from}");
                }
                cases += 1;
            }
        }
    }
    assert!(cases > 1_000, "{cases} cases");
}

#[test]
fn what_differs_is_named() {
    let mut seen = Vec::new();
    for name in ZONES {
        let zone = TimeZone::get(name).unwrap();
        for (text, deviation) in OTHERWISE {
            for month in months(&zone) {
                let differs = begins(&zone, month).any(|from| match theirs(text, &zone, from, month.1) {
                    None => deviation == Deviation::OpenStep,
                    Some(expected) => expected != ours(text, &zone, from, month.1),
                });
                if differs {
                    seen.push(deviation);
                }
                let only_with_the_clocks =
                    matches!(deviation, Deviation::ListsAreFixed | Deviation::SecondsOfFixedMinute);
                assert!(
                    !differs || !only_with_the_clocks || change(&zone, month).is_some(),
                    "`{text}` in {name} from {}: {deviation:?} shows where no clock is changed",
                    month.0
                );
            }
        }
    }
    for (text, deviation) in OTHERWISE {
        assert!(seen.contains(&deviation), "`{text}`: {deviation:?} is no deviation any more");
    }
}
