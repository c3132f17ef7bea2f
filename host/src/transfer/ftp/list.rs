//! The lines of LIST, which no standard describes: one parser for each dialect, the first that
//! understands a line wins. A line that none understands is told, never left out.

mod dos;
mod eplf;
mod ibm;
mod unix;
mod vms;

use jiff::civil;

use super::time;
use crate::model::{ByteCount, FileKind, Timestamp};

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Entry(Entry<'a>),
    /// A heading or a sum: nothing that stands for a file.
    Nothing,
}

/// A file or folder as a line tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    pub(super) kind: FileKind,
    pub(super) size: Option<ByteCount>,
    /// In the server's clock, read as UTC; only to the minute or the day.
    pub(super) modified: Option<Timestamp>,
}

/// Reads one line; `None` when no dialect understands it. `now` dates the times without a year.
pub(super) fn parse(line: &str, now: Timestamp) -> Option<Line<'_>> {
    if is_heading(line) {
        return Some(Line::Nothing);
    }
    eplf::parse(line)
        .or_else(|| unix::parse(line, now))
        .or_else(|| dos::parse(line))
        .or_else(|| vms::parse(line))
        .or_else(|| ibm::parse(line))
        .map(Line::Entry)
}

/// `total 123`, also in other languages and with a unit, and the headings of VMS and z/OS.
fn is_heading(line: &str) -> bool {
    const SUMS: &[&str] = &["total", "insgesamt", "totale", "totaal", "итого", "合計", "总计", "總計"];
    const HEADINGS: &[&str] = &["Directory ", "Total of ", "Volume Unit ", " Name     VV.MM "];
    if HEADINGS.iter().any(|heading| line.starts_with(heading)) {
        return true;
    }
    let (word, rest) = line.split_once([' ', ':']).unwrap_or((line, ""));
    let number = rest.trim_start_matches([' ', ':']);
    SUMS.contains(&word.to_lowercase().as_str())
        && (number.is_empty() || number.starts_with(|c: char| c.is_ascii_digit()))
}

/// The number of a month by its English name, or by that of a few other languages (the first three
/// letters, dots left out).
fn month(name: &str) -> Option<i8> {
    const NAMES: [&[&str]; 12] = [
        &["jan", "ene", "gen", "janv", "янв", "sty"],
        &["feb", "fév", "févr", "fev", "фев", "lut"],
        &["mar", "mär", "mrz", "mars", "maa", "мар", "mrt"],
        &["apr", "avr", "abr", "апр", "kwi"],
        &["may", "mai", "maj", "mei", "mag", "май", "мая"],
        &["jun", "juin", "giu", "июн", "cze"],
        &["jul", "juil", "lug", "июл", "lip"],
        &["aug", "aoû", "août", "ago", "авг", "sie"],
        &["sep", "sept", "set", "сен", "wrz"],
        &["oct", "okt", "ott", "out", "окт", "paź"],
        &["nov", "ноя", "lis"],
        &["dec", "déc", "dez", "dic", "дек", "gru"],
    ];
    let lower = name.trim_end_matches('.').to_lowercase();
    if let Some(digits) = lower.strip_suffix('月') {
        return digits.parse().ok().filter(|number| (1..=12).contains(number));
    }
    let exact = NAMES.iter().position(|names| names.contains(&lower.as_str()));
    let number = exact.or_else(|| {
        let short: String = lower.chars().take(3).collect();
        NAMES.iter().position(|names| names.contains(&short.as_str()))
    })?;
    i8::try_from(number + 1).ok()
}

/// The instant of a date without a year: the last one that isn't more than a day ahead of `now`.
fn without_year(month: i8, day: i8, hour: i8, minute: i8, now: Timestamp) -> Option<Timestamp> {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    let this_year = jiff::Timestamp::from_millisecond(i64::try_from(now.0).ok()?)
        .ok()?
        .to_zoned(jiff::tz::TimeZone::UTC)
        .year();
    // Up to eight years back: a 29 February (F45).
    (0..=8).find_map(|back| {
        let at = civil::DateTime::new(this_year + 1 - back, month, day, hour, minute, 0, 0).ok()?;
        time::of_civil(at).filter(|at| at.0 <= now.0 + DAY_MS)
    })
}

/// The instant of a date with a year.
fn with_year(year: i16, month: i8, day: i8, hour: i8, minute: i8) -> Option<Timestamp> {
    time::of_civil(civil::DateTime::new(year, month, day, hour, minute, 0, 0).ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn headings_stand_for_nothing() {
        for line in ["total 12", "insgesamt 4,0K", "合計 8", "Total of 4 files, 237/276 blocks.", "total"] {
            assert_eq!(parse(line, Timestamp(0)), Some(Line::Nothing), "{line}");
        }
        assert_eq!(parse("total nonsense", Timestamp(0)), None);
    }

    proptest! {
        #[test]
        fn no_line_is_too_odd(line in "\\PC*") {
            parse(&line, Timestamp(1_700_000_000_000));
        }

        #[test]
        fn no_likely_line_is_too_odd(line in "[-dlbc+ rwx0-9:;/.,*<>AMPDIRjanfeb\t\u{e9}月]{0,60}") {
            parse(&line, Timestamp(1_700_000_000_000));
        }

        #[test]
        fn names_of_the_common_form_read_back(
            name in "[^/\\s\\p{Cc}][^/\\p{Cc}]{0,40}",
            size in any::<u64>(),
        ) {
            let line = format!("-rw-r--r--    1 owner group {size} Jan 02 2024 {name}");
            let read = parse(&line, Timestamp(1_700_000_000_000));
            let Some(Line::Entry(entry)) = read else { panic!("not read: {line}") };
            prop_assert_eq!(entry.name, name);
            prop_assert_eq!(entry.size, Some(ByteCount(size)));
        }
    }
}
