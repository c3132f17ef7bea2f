//! The lines of LIST, which no standard describes: one parser for each dialect, the first that
//! understands a line wins. A line that none understands is told, never left out.

mod dos;
mod eplf;
mod unix;

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
    eplf::parse(line).or_else(|| unix::parse(line, now)).or_else(|| dos::parse(line)).map(Line::Entry)
}

/// `total 123`, also in other languages and with a unit.
fn is_heading(line: &str) -> bool {
    const WORDS: &[&str] = &["total", "insgesamt", "totale", "totaal", "итого", "合計", "总计", "總計"];
    let (word, rest) = line.split_once([' ', ':']).unwrap_or((line, ""));
    let number = rest.trim_start_matches([' ', ':']);
    WORDS.contains(&word.to_lowercase().as_str())
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
