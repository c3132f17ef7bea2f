//! The lines of `DIR`, as IIS writes them: `01-02-26  03:04PM  <DIR>  name`.

use super::{Entry, with_year};
use crate::model::{ByteCount, FileKind, Timestamp};

pub(super) fn parse(line: &str) -> Option<Entry<'_>> {
    let (date, rest) = line.split_once(' ')?;
    let (clock, rest) = rest.trim_start().split_once(' ')?;
    // "03:04 PM" with a blank.
    let rest = rest.trim_start();
    let (half, rest) = match rest.split_once(' ') {
        Some((word @ ("AM" | "PM" | "am" | "pm"), rest)) => (word, rest.trim_start()),
        _ => ("", rest),
    };
    let modified = instant(date, clock, half)?;
    let (what, name) = rest.split_once(' ')?;
    let (kind, size, name) = match what {
        // Behind <DIR> the names stand in a column of their own; a name may begin with blanks only
        // in theory.
        "<DIR>" => (FileKind::Dir, None, name.trim_start()),
        "<JUNCTION>" | "<SYMLINK>" | "<SYMLINKD>" => {
            let name = name.trim_start();
            (FileKind::Link, None, name.split_once(" [").map_or(name, |(name, _)| name))
        }
        number => {
            let digits = number.replace([',', '.'], "");
            (FileKind::File, Some(ByteCount(digits.parse().ok()?)), name)
        }
    };
    (!name.is_empty()).then_some(Entry { name, kind, size, modified: Some(modified) })
}

/// `01-02-26`, `01-02-2026`, `2026-01-02`, with `03:04PM`, `03:04` or `15:04`.
fn instant(date: &str, clock: &str, half: &str) -> Option<Timestamp> {
    let mut numbers = date.split(['-', '/', '.']);
    let (a, b, c) = (numbers.next()?, numbers.next()?, numbers.next()?);
    if numbers.next().is_some() {
        return None;
    }
    let (year, month, day) = if a.len() == 4 { (a, b, c) } else { (c, a, b) };
    let year: i16 = match (year.len(), year.parse::<i16>().ok()?) {
        (2, short @ 70..) => 1900 + short,
        (2, short) => 2000 + short,
        (4, long) => long,
        _ => return None,
    };
    let (hour, minute) = clock.split_once(':')?;
    let minute_digits = minute.get(..2)?;
    let half = if half.is_empty() { minute.get(2..)? } else { half };
    let hour: i8 = hour.parse().ok()?;
    let hour = match half.to_ascii_uppercase().as_str() {
        "PM" if hour < 12 => hour + 12,
        "AM" if hour == 12 => 0,
        "AM" | "PM" | "" => hour,
        _ => return None,
    };
    with_year(year, month.parse().ok()?, day.parse().ok()?, hour, minute_digits.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::ftp::time;

    #[test]
    fn lines_of_iis_are_read() {
        let folder = parse("01-02-26  03:04PM       <DIR>          my folder").unwrap();
        assert_eq!((folder.name, folder.kind), ("my folder", FileKind::Dir));
        assert_eq!(folder.modified, time::parse("20260102150400"));
        let file = parse("12-31-2025  12:00AM              1,234 a  b.txt").unwrap();
        assert_eq!((file.name, file.size), ("a  b.txt", Some(ByteCount(1234))));
        assert_eq!(file.modified, time::parse("20251231000000"));
        let file = parse("2026-01-02  15:04                   10 x").unwrap();
        assert_eq!(file.modified, time::parse("20260102150400"));
        let link = parse("01-02-26  03:04 PM    <JUNCTION>     link [C:\\target]").unwrap();
        assert_eq!((link.name, link.kind), ("link", FileKind::Link));
    }

    #[test]
    fn other_lines_are_not() {
        for line in
            ["", "01-02-26", "99-99-26  03:04PM 1 x", "01-02-26  03:04XM 1 x", "01-02-26  03:04PM y x"]
        {
            assert_eq!(parse(line), None, "{line:?}");
        }
    }
}
