//! The lines of `DIR`, as IIS writes them: `01-02-26  03:04PM  <DIR>  name`.

use super::read::Entry;
use super::when::When;
use crate::model::{ByteCount, FileKind};

pub(super) fn parse(line: &str) -> Option<Entry<'_>> {
    let (date, rest) = line.split_once(' ')?;
    let (clock, rest) = rest.trim_start_matches(' ').split_once(' ')?;
    // "03:04 PM" with a blank.
    let rest = rest.trim_start_matches(' ');
    let (half, rest) = match rest.split_once(' ') {
        Some((word @ ("AM" | "PM" | "am" | "pm" | "a.m." | "p.m."), rest)) => {
            (word, rest.trim_start_matches(' '))
        }
        _ => ("", rest),
    };
    let modified = instant(date, clock, half)?;
    let (what, name) = rest.split_once(' ')?;
    let (kind, size, name) = match what {
        // Behind <DIR> the names stand in a column of their own; a name may begin with blanks only
        // in theory.
        "<DIR>" => (FileKind::Dir, None, name.trim_start_matches(' ')),
        "<JUNCTION>" | "<SYMLINK>" | "<SYMLINKD>" => {
            let name = name.trim_start_matches(' ');
            (FileKind::Link, None, name.rsplit_once(" [").map_or(name, |(name, _)| name))
        }
        number => (FileKind::File, Some(ByteCount(grouped(number)?)), name),
    };
    (!name.is_empty()).then_some(Entry { name, kind, size, modified: Some(modified) })
}

/// A number with or without marks between its thousands: `1,234`, `1.234`, `1'234`, or with a blank
/// that doesn't break the line.
fn grouped(number: &str) -> Option<u64> {
    let is_mark = |c: char| matches!(c, ',' | '.' | '\'' | '’' | '\u{a0}' | '\u{202f}');
    let mut groups = number.split(is_mark);
    let mut digits = groups.next()?.to_owned();
    for group in groups {
        if group.len() != 3 {
            return None;
        }
        digits.push_str(group);
    }
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// `01-02-26`, `01-02-2026`, `2026-01-02`, with `03:04PM`, `03:04` or `15:04`. The month comes first,
/// as IIS always has it; behind points, and where there is no such month, the day does.
fn instant(date: &str, clock: &str, half: &str) -> Option<When> {
    let mut numbers = date.split(['-', '/', '.']);
    let (a, b, c) = (numbers.next()?, numbers.next()?, numbers.next()?);
    if numbers.next().is_some() {
        return None;
    }
    let small = |text: &str| text.parse::<i8>().ok().filter(|_| text.len() <= 2);
    let (year, month, day) = if a.len() == 4 {
        (a, small(b)?, small(c)?)
    } else {
        let (first, second) = (small(a)?, small(b)?);
        if date.contains('.') || first > 12 { (c, second, first) } else { (c, first, second) }
    };
    let year: i16 = match (year.len(), year.parse::<i16>().ok()?) {
        (2, short @ 70..) => 1900 + short,
        (2, short) => 2000 + short,
        (4, long) => long,
        _ => return None,
    };
    let (hour, rest) = clock.split_once(':')?;
    let minute = rest.get(..2)?;
    // Seconds are left out.
    let rest = rest.get(2..)?;
    let rest = rest.strip_prefix(':').map_or(Some(rest), |seconds| seconds.get(2..))?;
    let half = if half.is_empty() { rest } else { half };
    let hour: i8 = hour.parse().ok()?;
    let hour = match half.replace('.', "").to_ascii_uppercase().as_str() {
        "PM" | "P" if hour < 12 => hour + 12,
        "AM" | "A" if hour == 12 => 0,
        "AM" | "PM" | "A" | "P" | "" => hour,
        _ => return None,
    };
    When::minute(year, month, day, hour, minute.parse().ok()?)
}
