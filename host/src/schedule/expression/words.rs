//! An expression as a sentence, so that whoever typed it sees what was understood.

use super::field::{Field, Unit};
use super::parse::{Expression, Fields, Kind};

/// So many times of day are named one by one; more of them are said field by field.
const TIMES_NAMED_MAX: usize = 8;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

impl Expression {
    /// When it fires, in words: `at 02:00 on Monday to Friday`.
    #[must_use]
    pub fn in_words(&self) -> String {
        match &self.kind {
            Kind::Every(seconds) => format!("every {}", period(*seconds)),
            Kind::Fields(fields) => {
                let parts = [Some(time(fields)), days(fields)];
                parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
            }
        }
    }

    /// What it leaves out, in words: whole days are said without their minutes.
    #[must_use]
    pub fn excluded_in_words(&self) -> String {
        match &self.kind {
            Kind::Fields(fields)
                if fields.minute.is_all()
                    && fields.hour.is_all()
                    && (fields.second.is_all() || !fields.has_seconds) =>
            {
                days(fields).unwrap_or_else(|| "at any time".to_owned())
            }
            _ => self.in_words(),
        }
    }
}

/// The days with their months.
fn days(fields: &Fields) -> Option<String> {
    match (date(fields), month(fields)) {
        (Some(date), Some(month)) if fields.either_day() => Some(format!("{date}, {month}")),
        (Some(date), Some(month)) => Some(format!("{date} {month}")),
        (date, month) => date.or(month),
    }
}

fn period(seconds: i64) -> String {
    let (mut left, mut parts) = (seconds, Vec::new());
    for (unit, length) in [("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)] {
        if left >= length {
            parts.push(counted(left / length, unit));
            left %= length;
        }
    }
    match parts.as_slice() {
        [one] => one.strip_prefix("1 ").unwrap_or(one).to_owned(),
        _ => parts.join(" "),
    }
}

fn counted(number: i64, unit: &str) -> String {
    if number == 1 { format!("1 {unit}") } else { format!("{number} {unit}s") }
}

/// The times of day.
fn time(fields: &Fields) -> String {
    let Fields { second, minute, hour, .. } = fields;
    if let Some(times) = named_times(fields) {
        return format!("at {times}");
    }
    let whole_minutes = second.single() == Some(0);
    let mut parts = Vec::new();
    if second.is_all() {
        parts.push("every second".to_owned());
    } else if !whole_minutes {
        parts.push(counted_through(second).unwrap_or_else(|| format!("at {}", numbers(second))));
    }
    if minute.is_all() {
        match (whole_minutes, hour.is_all()) {
            (true, _) => parts.push("every minute".to_owned()),
            // "every second" says it all; "at second 30" doesn't.
            (false, _) if !second.is_all() => parts.push("of every minute".to_owned()),
            (false, _) => {}
        }
    } else {
        let through = whole_minutes.then(|| counted_through(minute)).flatten();
        let before = if whole_minutes { "at" } else { "of" };
        parts.push(through.unwrap_or_else(|| format!("{before} {}", numbers(minute))));
    }
    if !hour.is_all() {
        parts.push(format!("of {}", numbers(hour)));
    } else if !minute.is_all() && (!whole_minutes || counted_through(minute).is_none()) {
        parts.push("of every hour".to_owned());
    }
    parts.join(" ")
}

/// `02:00 and 14:30`, where these are few and no interval.
fn named_times(fields: &Fields) -> Option<String> {
    let Fields { second, minute, hour, .. } = fields;
    let second = second.single()?;
    let count = minute.numbers().count() * hour.numbers().count();
    if fields.is_interval() || count > TIMES_NAMED_MAX {
        return None;
    }
    let seconds = if second == 0 { String::new() } else { format!(":{second:02}") };
    let times = hour.numbers().flat_map(|hour| {
        let seconds = seconds.clone();
        minute.numbers().map(move |minute| format!("{hour:02}:{minute:02}{seconds}"))
    });
    Some(listed(times.collect()))
}

/// `every 15 minutes`, where that is all that a step from the field's beginning says.
fn counted_through(field: &Field) -> Option<String> {
    let of = match field.unit {
        Unit::Second | Unit::Minute => 60,
        Unit::Hour => 24,
        Unit::Day | Unit::Month | Unit::Weekday => return None,
    };
    let even = field.interval && field.star && of % field.step == 0;
    even.then(|| format!("every {} {}s", field.step, field.unit.name()))
}

/// The days; none where every day fits.
fn date(fields: &Fields) -> Option<String> {
    let day = (!fields.day.is_all()).then(|| format!("on {} of the month", numbers(&fields.day)));
    let weekday = (!fields.weekday.is_all()).then(|| numbers(&fields.weekday));
    match (day, weekday) {
        // Times that are named are of some day; what is counted through goes on all day.
        (None, None) if fields.month.is_all() => {
            (named_times(fields).is_some()).then(|| "every day".to_owned())
        }
        (None, None) => Some("every day".to_owned()),
        (Some(day), None) => Some(day),
        (None, Some(weekday)) => Some(format!("on {weekday}")),
        (Some(day), Some(weekday)) if fields.either_day() => Some(format!("{day}, or on {weekday}")),
        (Some(day), Some(weekday)) => Some(format!("{day} where that is {weekday}")),
    }
}

fn month(fields: &Fields) -> Option<String> {
    (!fields.month.is_all()).then(|| format!("in {}", numbers(&fields.month)))
}

/// The numbers of a field with their names, runs of three and more as ranges.
fn numbers(field: &Field) -> String {
    let mut set: Vec<u8> = field.numbers().collect();
    if field.unit == Unit::Weekday && set.first() == Some(&0) && set.len() > 1 {
        // Sunday comes last, so that `6,0` is Saturday and Sunday, and `1-7` is one run.
        set.rotate_left(1);
    }
    let after = |number: u8| if field.unit == Unit::Weekday { (number + 1) % 7 } else { number + 1 };
    let mut parts = Vec::new();
    let mut rest = set.as_slice();
    while let Some(first) = rest.first() {
        let run = 1 + rest.windows(2).take_while(|pair| after(pair[0]) == pair[1]).count();
        if run >= 3 {
            parts.push(format!("{} to {}", named(field.unit, *first), named(field.unit, rest[run - 1])));
            rest = &rest[run..];
        } else {
            parts.push(named(field.unit, *first));
            rest = &rest[1..];
        }
    }
    let list = listed(parts);
    match field.unit {
        Unit::Month | Unit::Weekday => list,
        Unit::Second | Unit::Minute | Unit::Hour | Unit::Day => {
            let noun = if field.unit == Unit::Day { "day" } else { field.unit.name() };
            if set.len() == 1 { format!("{noun} {list}") } else { format!("{noun}s {list}") }
        }
    }
}

fn named(unit: Unit, number: u8) -> String {
    let place = usize::from(number);
    let name = match unit {
        Unit::Month => MONTHS.get(place.wrapping_sub(1)),
        Unit::Weekday => WEEKDAYS.get(place),
        Unit::Second | Unit::Minute | Unit::Hour | Unit::Day => None,
    };
    name.map_or_else(|| number.to_string(), |name| (*name).to_owned())
}

fn listed(parts: Vec<String>) -> String {
    match parts.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}
