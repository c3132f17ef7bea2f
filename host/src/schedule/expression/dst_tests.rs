//! The days on which clocks are changed, zone by zone.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Expression;

/// The first `count` instants after `from`, as local times with their offsets.
pub(super) fn firings(text: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
    let zone = TimeZone::get(zone).unwrap();
    let expression = Expression::parse(text).unwrap();
    let mut at: Timestamp = from.parse().unwrap();
    let mut found = Vec::new();
    for _ in 0..count {
        let Some(next) = expression.next(&zone, at) else { break };
        assert!(next > at, "{text} goes back from {at} to {next}");
        at = next;
        found.push(at.to_zoned(zone.clone()).strftime("%m-%dT%H:%M%:z").to_string());
    }
    found
}

macro_rules! days {
    ($($name:ident: $expression:literal in $zone:literal from $from:literal gives [$($at:literal),* $(,)?];)*) => {
        $(#[test]
        fn $name() {
            let expected = [$($at),*];
            assert_eq!(firings($expression, $zone, $from, expected.len()), expected);
        })*
    };
}

days! {
    // Berlin 2026: 02:00 becomes 03:00 on 29 March, 03:00 becomes 02:00 on 25 October.
    berlin_spring_fixed: "30 2 * * *" in "Europe/Berlin" from "2026-03-27T23:00:00Z"
        gives ["03-28T02:30+01:00", "03-29T03:00+02:00", "03-30T02:30+02:00"];
    berlin_spring_two_fixed_in_the_gap_are_one: "0,30 2 * * *" in "Europe/Berlin" from "2026-03-28T02:00:00Z"
        gives ["03-29T03:00+02:00", "03-30T02:00+02:00", "03-30T02:30+02:00"];
    berlin_spring_one_after_the_gap_is_the_same: "0 2,3 * * *" in "Europe/Berlin" from "2026-03-28T23:00:00Z"
        gives ["03-29T03:00+02:00", "03-30T02:00+02:00", "03-30T03:00+02:00"];
    berlin_spring_interval: "*/30 * * * *" in "Europe/Berlin" from "2026-03-29T00:00:00Z"
        gives ["03-29T01:30+01:00", "03-29T03:00+02:00", "03-29T03:30+02:00"];
    berlin_spring_hours: "15 * * * *" in "Europe/Berlin" from "2026-03-29T00:00:00Z"
        gives ["03-29T01:15+01:00", "03-29T03:15+02:00"];
    berlin_spring_interval_of_one_hour: "*/30 2 * * *" in "Europe/Berlin" from "2026-03-28T02:00:00Z"
        gives ["03-30T02:00+02:00", "03-30T02:30+02:00"];
    berlin_autumn_fixed: "30 2 * * *" in "Europe/Berlin" from "2026-10-23T23:00:00Z"
        gives ["10-24T02:30+02:00", "10-25T02:30+02:00", "10-26T02:30+01:00"];
    berlin_autumn_list: "0,30 2 * * *" in "Europe/Berlin" from "2026-10-24T23:00:00Z"
        gives ["10-25T02:00+02:00", "10-25T02:30+02:00", "10-26T02:00+01:00"];
    berlin_autumn_fixed_from_the_second_pass: "30 2 * * *" in "Europe/Berlin" from "2026-10-25T01:10:00Z"
        gives ["10-26T02:30+01:00"];
    berlin_autumn_interval: "*/30 * * * *" in "Europe/Berlin" from "2026-10-24T23:45:00Z"
        gives ["10-25T02:00+02:00", "10-25T02:30+02:00", "10-25T02:00+01:00", "10-25T02:30+01:00",
               "10-25T03:00+01:00"];
    berlin_autumn_minute_of_every_hour: "10 * * * *" in "Europe/Berlin" from "2026-10-24T23:30:00Z"
        gives ["10-25T02:10+02:00", "10-25T02:10+01:00", "10-25T03:10+01:00"];
    berlin_autumn_started_at: "50/5 2 * * *" in "Europe/Berlin" from "2026-10-24T23:30:00Z"
        gives ["10-25T02:50+02:00", "10-25T02:55+02:00", "10-25T02:50+01:00", "10-25T02:55+01:00"];
    berlin_autumn_after: "0 3 * * *" in "Europe/Berlin" from "2026-10-25T00:30:00Z"
        gives ["10-25T03:00+01:00"];
    // New York 2026: 8 March and 1 November, at 02:00.
    new_york_spring: "15 2 * * *" in "America/New_York" from "2026-03-07T12:00:00Z"
        gives ["03-08T03:00-04:00", "03-09T02:15-04:00"];
    new_york_spring_midnight: "0 0 * * *" in "America/New_York" from "2026-03-07T12:00:00Z"
        gives ["03-08T00:00-05:00", "03-09T00:00-04:00"];
    new_york_autumn: "30 1 * * *" in "America/New_York" from "2026-10-31T12:00:00Z"
        gives ["11-01T01:30-04:00", "11-02T01:30-05:00"];
    new_york_autumn_interval: "*/20 1 * * *" in "America/New_York" from "2026-10-31T12:00:00Z"
        gives ["11-01T01:00-04:00", "11-01T01:20-04:00", "11-01T01:40-04:00", "11-01T01:00-05:00",
               "11-01T01:20-05:00", "11-01T01:40-05:00", "11-02T01:00-05:00"];
    // Lord Howe moves by half an hour: 02:00 becomes 01:30 on 5 April, 02:00 becomes 02:30 on 4 October.
    lord_howe_autumn: "45 1 * * *" in "Australia/Lord_Howe" from "2026-04-04T00:00:00Z"
        gives ["04-05T01:45+11:00", "04-06T01:45+10:30"];
    lord_howe_autumn_interval: "*/15 1 * * *" in "Australia/Lord_Howe" from "2026-04-04T13:00:00Z"
        gives ["04-05T01:00+11:00", "04-05T01:15+11:00", "04-05T01:30+11:00", "04-05T01:45+11:00",
               "04-05T01:30+10:30", "04-05T01:45+10:30", "04-06T01:00+10:30"];
    lord_howe_spring: "15 2 * * *" in "Australia/Lord_Howe" from "2026-10-03T00:00:00Z"
        gives ["10-04T02:30+11:00", "10-05T02:15+11:00"];
    lord_howe_spring_interval: "*/15 2 * * *" in "Australia/Lord_Howe" from "2026-10-03T14:00:00Z"
        gives ["10-04T02:30+11:00", "10-04T02:45+11:00", "10-05T02:00+11:00"];
    // Kolkata never changes its clocks, and is half an hour apart from the others.
    kolkata: "0 2 * * *" in "Asia/Kolkata" from "2026-03-28T20:30:00Z"
        gives ["03-30T02:00+05:30", "03-31T02:00+05:30"];
    kolkata_interval: "0 */6 * * *" in "Asia/Kolkata" from "2026-10-24T18:30:00Z"
        gives ["10-25T06:00+05:30", "10-25T12:00+05:30", "10-25T18:00+05:30", "10-26T00:00+05:30"];
    // Samoa left out 30 December 2011 whole.
    apia_left_out_a_day: "0 2 * * *" in "Pacific/Apia" from "2011-12-29T12:30:00Z"
        gives ["12-31T00:00+14:00", "12-31T02:00+14:00"];
    elapsed_time_knows_no_clocks: "@every 30m" in "Europe/Berlin" from "2026-03-29T00:29:59.999Z"
        gives ["03-29T01:30+01:00", "03-29T03:00+02:00", "03-29T03:30+02:00"];
}

#[test]
fn the_walk_ends_with_the_crates_last_year() {
    assert!(firings("0 0 1 1 *", "UTC", "2100-06-01T00:00:00Z", 1).is_empty());
    assert_eq!(
        firings("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", 1),
        Vec::<String>::new(),
        "2100 has none"
    );
}

#[test]
fn the_time_that_it_is_asked_from_is_not_counted() {
    assert_eq!(firings("0 2 * * *", "UTC", "2026-01-01T02:00:00Z", 1), ["01-02T02:00+00:00"]);
    assert_eq!(firings("0 2 * * *", "UTC", "2026-01-01T01:59:59.999Z", 1), ["01-01T02:00+00:00"]);
    assert_eq!(firings("@every 15m", "UTC", "2026-01-01T02:00:00Z", 1), ["01-01T02:15+00:00"]);
}

#[test]
fn wall_times_are_told_apart_for_exclusions() {
    let fits = |text: &str, time: &str| Expression::parse(text).unwrap().fits(time.parse().unwrap());
    assert!(fits("* * 24-26 12 *", "2026-12-25T02:30:17"), "five fields take the whole minute");
    assert!(!fits("0 * * 24-26 12 *", "2026-12-25T02:30:17"));
    assert!(!fits("* * 24-26 12 *", "2026-12-27T02:30:00"));
    assert!(fits("* * 13 * 5", "2026-11-13T00:00:00") && fits("* * 13 * 5", "2026-11-20T00:00:00"));
    assert!(fits("* * * * 0", "2026-11-22T12:00:00") && fits("* * * * 7", "2026-11-22T12:00:00"));
    assert!(!fits("@every 1s", "2026-11-22T12:00:00"));
}
