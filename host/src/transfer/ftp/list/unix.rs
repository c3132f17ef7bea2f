//! The lines of `ls -l` and its many likenesses.
//!
//! The columns between the permissions and the date vary: the number of links may be missing (old
//! MacOS, Netware), owner or group too, and both may hold blanks. So the date is looked for first,
//! and the number before it is the size. The name is everything behind one blank after the date.

use super::read::{Entry, Word, ascii_words};
use super::when::{When, Zone, month};
use crate::model::{ByteCount, FileKind, Timestamp};

/// Where a date may begin, counted in words, the likeliest first: permissions, links, owner, group and
/// size come before it; fewer where a column is missing, more where a name of an owner has blanks. The
/// likeliest first, since an owner may be called `june`, and a file `2 Jan 2020`.
const DATE_AT: [usize; 12] = [5, 4, 3, 2, 6, 7, 8, 9, 10, 11, 12, 13];

pub(super) fn parse(line: &str, now: Timestamp) -> Option<Entry<'_>> {
    let letter = line.chars().next()?;
    let kind = match letter {
        '-' | 'f' | 'C' | 'm' | 'M' => FileKind::File,
        'd' => FileKind::Dir,
        'l' => FileKind::Link,
        'b' | 'c' | 'p' | 's' | 'D' | 'w' => FileKind::Other,
        _ => return None,
    };
    let words: Vec<_> = ascii_words(line).take(24).collect();
    let first = words.first()?.text(line);
    if !are_permissions(first) {
        return None;
    }
    let (size, modified, end) = DATE_AT.iter().find_map(|at| {
        let (modified, used) = date(line, words.get(*at..)?, now)?;
        let before = words[*at - 1].text(line);
        let size = match kind {
            FileKind::File | FileKind::Link => Some(before.parse::<u64>().ok()?),
            // Of a folder it means nothing, and a device has "major, minor" there.
            FileKind::Dir | FileKind::Other => None,
        };
        Some((size, modified, words[*at + used - 1].end))
    })?;
    let mut name = line.get(end..)?.strip_prefix(' ')?;
    if first.len() == 1 {
        // Netware puts its names into a column.
        name = name.trim_start_matches(' ');
    }
    let name = match kind {
        FileKind::Link => without_target(name, size),
        _ => name,
    };
    let size = size.filter(|_| kind == FileKind::File).map(ByteCount);
    (!name.is_empty()).then_some(Entry { name, kind, size, modified })
}

/// Of `name -> target` the name. Both may hold an arrow; the size of a link is the length of its
/// target, which tells where the right one is.
fn without_target(text: &str, size: Option<u64>) -> &str {
    let fits = |at: &(usize, &str)| u64::try_from(text.len() - at.0 - 4).ok() == size;
    let at = text.match_indices(" -> ").find(fits).or_else(|| text.match_indices(" -> ").next());
    at.map_or(text, |(at, _)| &text[..at])
}

/// `rwxr-xr-x` behind the type, with a `+`, `.` or `@` for ACLs; or `[RWCEAFMS]` of Netware.
fn are_permissions(word: &str) -> bool {
    let rest = word.get(1..).unwrap_or("");
    if rest.is_empty() || (rest.starts_with('[') && rest.ends_with(']')) {
        return true;
    }
    rest.len() >= 9 && rest.bytes().all(|byte| b"rwxsStTlLaAbcdefimp-+.@".contains(&byte))
}

/// A date at the beginning of `words`, and how many words it takes.
fn date(line: &str, words: &[Word], now: Timestamp) -> Option<(Option<When>, usize)> {
    let text = |at: usize| words.get(at).map(|word| word.text(line));
    let (first, second) = (text(0)?, text(1)?);
    // `2026-01-02 03:04` (--time-style=long-iso), and full-iso with seconds and a zone.
    if let Some((year, month, day)) = iso_day(first) {
        let (hour, minute) = clock(second)?;
        let at = When::minute(year, month, day, hour, minute);
        return Some(match text(2).and_then(|zone| ahead_minutes(second, zone)) {
            Some(minutes) => (at.and_then(|at| absolute(at, minutes)), 3),
            None => (at, 2),
        });
    }
    // `01-02 03:04` (--time-style=iso).
    if let Some((month, day)) = short_iso_day(first) {
        let (hour, minute) = clock(second)?;
        return Some((When::without_year(month, day, hour, minute, now), 2));
    }
    // `2020年 1月 2日`.
    if let (Some(year), Some(month), Some(day)) =
        (first.strip_suffix('年').and_then(year), month(second), text(2).and_then(day_of_month))
    {
        return Some((When::day(year, month, day), 3));
    }
    let third = text(2)?;
    // `Jan 2`, `2 Jan` and `1月 2日`.
    let (month, day) = match (month(first), month(second)) {
        (Some(month), _) => (month, day_of_month(second)?),
        (None, Some(month)) => (month, day_of_month(first)?),
        (None, None) => return None,
    };
    if let Some((hour, minute)) = clock(third) {
        // `Jan 2 03:04:05 2026`, as some servers write in full.
        if let Some(year) = text(3).and_then(year)
            && third.matches(':').count() == 2
        {
            return Some((When::minute(year, month, day, hour, minute), 4));
        }
        return Some((When::without_year(month, day, hour, minute, now), 3));
    }
    Some((When::day(year(third)?, month, day), 3))
}

fn iso_day(word: &str) -> Option<(i16, i8, i8)> {
    let mut parts = word.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if year.len() != 4 || parts.next().is_some() {
        return None;
    }
    Some((year.parse().ok()?, month.parse().ok()?, day.parse().ok()?))
}

fn short_iso_day(word: &str) -> Option<(i8, i8)> {
    let (month, day) = word.split_once('-')?;
    let two = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    (two(month) && two(day)).then(|| Some((month.parse().ok()?, day.parse().ok()?)))?
}

/// How many minutes `+0130` is ahead of UTC, where the clock before it has seconds.
fn ahead_minutes(clock: &str, zone: &str) -> Option<i64> {
    let digits = zone.strip_prefix(['+', '-'])?;
    if clock.matches(':').count() != 2 || digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: i64 = digits.parse().ok()?;
    let minutes = number / 100 * 60 + number % 100;
    Some(if zone.starts_with('-') { -minutes } else { minutes })
}

fn absolute(at: When, ahead_minutes: i64) -> Option<When> {
    at.instant(&Zone::Ahead(ahead_minutes * 60_000)).map(When::Instant)
}

fn day_of_month(word: &str) -> Option<i8> {
    let digits = word.trim_end_matches(['.', ',', '日', '일']);
    digits.parse().ok().filter(|day| (1..=31).contains(day))
}

fn clock(word: &str) -> Option<(i8, i8)> {
    let mut parts = word.split(':');
    let (hour, minute) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    ((0..24).contains(&hour) && (0..60).contains(&minute)).then_some((hour, minute))
}

fn year(word: &str) -> Option<i16> {
    let digits = word.trim_end_matches(['年', '년']);
    (digits.len() == 4).then(|| digits.parse().ok())?.filter(|year| (1970..=9999).contains(year))
}
