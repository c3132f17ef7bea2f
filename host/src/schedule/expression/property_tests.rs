//! What holds for any expression, zone and instant.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::Expression;
use super::parse::Kind;

const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Africa/Casablanca",
    "America/Sao_Paulo",
    "Pacific/Chatham",
];

fn item(min: u8, max: u8) -> impl Strategy<Value = String> {
    let number = min..=max;
    prop_oneof![
        3 => Just("*".to_owned()),
        3 => number.clone().prop_map(|n| n.to_string()),
        1 => (1..=max).prop_map(|step| format!("*/{step}")),
        1 => (number.clone(), 1..=max).prop_map(|(from, step)| format!("{from}/{step}")),
        1 => (number.clone(), number.clone()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => proptest::collection::vec(number, 1..4).prop_map(|list| {
            list.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        }),
    ]
}

fn expression() -> impl Strategy<Value = String> {
    let second = prop_oneof![2 => Just(String::new()), 1 => item(0, 59).prop_map(|field| field + " ")];
    (second, item(0, 59), item(0, 23), item(1, 31), item(1, 12), item(0, 7)).prop_map(
        |(second, minute, hour, day, month, weekday)| {
            format!("{second}{minute} {hour} {day} {month} {weekday}")
        },
    )
}

/// The instant exists and its wall time fits; or it is the first one after a gap, for a fixed time.
fn may_fire(expression: &Expression, zone: &TimeZone, at: Timestamp) -> bool {
    if expression.fits(zone.to_datetime(at)) {
        return true;
    }
    let Kind::Fields(fields) = &expression.kind else { return false };
    let before = at - jiff::SignedDuration::from_secs(1);
    let jump = zone.to_offset(at).seconds() - zone.to_offset(before).seconds();
    !fields.is_interval() && jump > 0
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn firings_go_forward_and_fit(text in expression(), zone in 0..ZONES.len(), from in 946_684_800_i64..2_524_608_000) {
        let zone = TimeZone::get(ZONES[zone]).unwrap();
        let Ok(expression) = Expression::parse(&text) else {
            // Only a day that its months don't have is refused.
            return Ok(());
        };
        let mut at = Timestamp::from_second(from).unwrap();
        for _ in 0..20 {
            let Some(next) = expression.next(&zone, at) else { break };
            prop_assert!(next > at, "{text}: {at} and then {next}");
            prop_assert!(may_fire(&expression, &zone, next), "{text}: {next} doesn't fit");
            // Nothing lies between: from any instant in between, the same follows.
            let middle = at + (next.duration_since(at) / 2);
            prop_assert_eq!(expression.next(&zone, middle), Some(next), "{} from {}", text, middle);
            at = next;
        }
    }

    #[test]
    fn every_minute_of_a_year_is_right(text in expression(), zone in 0..ZONES.len(), day in 0_i64..365) {
        // The walk against the plainest rule that there is: look at each second of six hours.
        let zone = TimeZone::get(ZONES[zone]).unwrap();
        let Ok(expression) = Expression::parse(&text) else { return Ok(()) };
        let Kind::Fields(fields) = &expression.kind else { return Ok(()) };
        prop_assume!(fields.is_interval());
        let begin = 1_767_225_600 + day * 86_400;
        let mut at = Timestamp::from_second(begin).unwrap();
        for second in (begin + 1)..(begin + 6 * 3600) {
            let now = Timestamp::from_second(second).unwrap();
            if second % 60 != 0 && !fields.has_seconds {
                continue;
            }
            if expression.fits(zone.to_datetime(now)) {
                prop_assert_eq!(expression.next(&zone, at), Some(now), "{} after {}", text, at);
                at = now;
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[-*/,0-9a-zA-Z@?#+ ]{0,40}|\\PC{0,40}") {
        if let Ok(expression) = Expression::parse(&text) {
            let _ = expression.in_words();
            let _ = expression.next(&TimeZone::UTC, Timestamp::UNIX_EPOCH);
        }
    }
}
