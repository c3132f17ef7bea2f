//! The lines of `ls -l` and its many likenesses.
//!
//! The columns between the permissions and the date vary: the number of links may be missing (old
//! MacOS, Netware), owner or group too, and both may hold blanks. So the date is looked for first,
//! and the number before it is the size. The name is everything behind one blank after the date.

use super::{Entry, month, with_year, without_year};
use crate::model::{ByteCount, FileKind, Timestamp};

pub(super) fn parse(line: &str, now: Timestamp) -> Option<Entry<'_>> {
    let letter = line.chars().next()?;
    let kind = match letter {
        '-' | 'f' | 'C' | 'm' | 'M' => FileKind::File,
        'd' => FileKind::Dir,
        'l' => FileKind::Link,
        'b' | 'c' | 'p' | 's' | 'D' | 'w' => FileKind::Other,
        _ => return None,
    };
    let words = words(line);
    if !are_permissions(words.first()?.text(line)) {
        return None;
    }
    // The date begins at the third word at the earliest: permissions, size, date.
    let (at, (modified, used)) =
        (2..words.len()).find_map(|at| Some((at, date(line, &words[at..], now)?)))?;
    let before = words[at - 1].text(line);
    // A device has "major, minor" in the place of a size.
    let size = match kind {
        FileKind::File | FileKind::Link => Some(ByteCount(before.parse().ok()?)),
        FileKind::Dir => None,
        FileKind::Other => before.parse::<u64>().ok().and(None),
    };
    let date_end = words.get(at + used - 1)?.end;
    let name = line.get(date_end..)?.strip_prefix(' ')?;
    let name = match kind {
        FileKind::Link => name.split_once(" -> ").map_or(name, |(name, _)| name),
        _ => name,
    };
    let size = if kind == FileKind::Link { None } else { size };
    (!name.is_empty()).then_some(Entry { name, kind, size, modified })
}

/// A word and where it stands.
struct Word {
    start: usize,
    end: usize,
}

impl Word {
    fn text<'a>(&self, line: &'a str) -> &'a str {
        &line[self.start..self.end]
    }
}

/// The words of a line. A listing has at most a dozen columns before the name.
fn words(line: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in line.char_indices().chain([(line.len(), ' ')]) {
        match (c == ' ' || c == '\t', start) {
            (false, None) => start = Some(at),
            (true, Some(began)) => {
                words.push(Word { start: began, end: at });
                start = None;
                if words.len() == 24 {
                    break;
                }
            }
            _ => {}
        }
    }
    words
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
fn date(line: &str, words: &[Word], now: Timestamp) -> Option<(Option<Timestamp>, usize)> {
    let first = words.first()?.text(line);
    let second = words.get(1)?.text(line);
    // `2026-01-02 03:04` (--time-style=long-iso).
    if let Some(day) = iso_day(first) {
        let (hour, minute) = clock(second)?;
        return Some((with_year(day.0, day.1, day.2, hour, minute), 2));
    }
    let third = words.get(2)?.text(line);
    // `Jan 2`, `2 Jan` and `1月 2日`.
    let (month, day) = match (month(first), month(second)) {
        (Some(month), _) => (month, day_of_month(second)?),
        (None, Some(month)) => (month, day_of_month(first)?),
        (None, None) => return None,
    };
    if let Some((hour, minute)) = clock(third) {
        // `Jan 2 03:04:05 2026`, as some servers write in full.
        if let Some(year) = words.get(3).and_then(|word| year(word.text(line)))
            && third.matches(':').count() == 2
        {
            return Some((with_year(year, month, day, hour, minute), 4));
        }
        return Some((without_year(month, day, hour, minute, now), 3));
    }
    Some((with_year(year(third)?, month, day, 0, 0), 3))
}

fn iso_day(word: &str) -> Option<(i16, i8, i8)> {
    let mut parts = word.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    (year.len() == 4 && parts.next().is_none())
        .then(|| Some((year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)))?
}

fn day_of_month(word: &str) -> Option<i8> {
    let digits = word.trim_end_matches(['.', ',', '日']);
    digits.parse().ok().filter(|day| (1..=31).contains(day))
}

fn clock(word: &str) -> Option<(i8, i8)> {
    let mut parts = word.split(':');
    let (hour, minute) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    ((0..24).contains(&hour) && (0..60).contains(&minute)).then_some((hour, minute))
}

fn year(word: &str) -> Option<i16> {
    let digits = word.trim_end_matches('年');
    (digits.len() == 4).then(|| digits.parse().ok())?.filter(|year| (1970..=9999).contains(year))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::ftp::time;

    fn now() -> Timestamp {
        time::parse("20260310120000").unwrap()
    }

    fn check(line: &str, name: &str, kind: FileKind, size: Option<u64>, modified: &str) {
        let entry = parse(line, now()).unwrap_or_else(|| panic!("not read: {line:?}"));
        assert_eq!(
            (entry.name, entry.kind, entry.size.map(|size| size.0), entry.modified),
            (name, kind, size, time::parse(modified)),
            "{line:?}"
        );
    }

    #[test]
    fn the_common_form_is_read() {
        use FileKind::{Dir, File, Link};
        check(
            "-rw-r--r--    1 1000     1000           10 Jan 02 03:04 a.txt",
            "a.txt",
            File,
            Some(10),
            "20260102030400",
        );
        check("drwxr-xr-x    2 ftp ftp 4096 Dec 31  2024 sub dir", "sub dir", Dir, None, "20241231000000");
        check("lrwxrwxrwx   1 u g   5 Mar  9 23:59 l -> /x y", "l", Link, None, "20260309235900");
        check("-rw-r--r--+  1 u g 5 Mar 11 10:00 ahead", "ahead", File, Some(5), "20260311100000");
        check("-rw-r--r--.  1 u g 5 Nov 11 10:00 last year", "last year", File, Some(5), "20251111100000");
        check("-rw-r--r--   1 u g 5 Feb 29 10:00 leap", "leap", File, Some(5), "20240229100000");
    }

    #[test]
    fn blanks_in_names_are_kept() {
        check("-rw-r--r-- 1 u g 5 Jan  2 03:04  two ", " two ", FileKind::File, Some(5), "20260102030400");
        check(
            "-rw-r--r-- 1 u g 5 Jan  2 03:04 7 Jan 2020 x",
            "7 Jan 2020 x",
            FileKind::File,
            Some(5),
            "20260102030400",
        );
    }

    #[test]
    fn its_variants_are_read() {
        use FileKind::{Dir, File, Other};
        check(
            "-rw-r--r-- 1 Domain Users some group 77 Jan  2 03:04 x",
            "x",
            File,
            Some(77),
            "20260102030400",
        );
        check("-rw-r--r-- 1 ftp 77 Jan  2 03:04 no group", "no group", File, Some(77), "20260102030400");
        check("-r--r--r-- 0 77 Jan  2 2020 netpresenz", "netpresenz", File, Some(77), "20200102000000");
        check("d [R----F--] supervisor 512 Jan 16 18:53 login", "login", Dir, None, "20260116185300");
        check("-rw-r--r-- 1 u g 77 2026-01-02 03:04 iso", "iso", File, Some(77), "20260102030400");
        check("-rw-r--r-- 1 u g 77  2 Jan  2020 day first", "day first", File, Some(77), "20200102000000");
        check("-rw-r--r-- 1 u g 77 mai 2 2020 fr", "fr", File, Some(77), "20200502000000");
        check("-rw-r--r-- 1 u g 77 Dez. 24 2020 de", "de", File, Some(77), "20201224000000");
        check("-rw-r--r-- 1 u g 77 1月 2日 2020年 jp", "jp", File, Some(77), "20200102000000");
        check("crw-rw-rw- 1 root root 1, 3 Jan 2 2020 null", "null", Other, None, "20200102000000");
    }

    #[test]
    fn other_lines_are_not() {
        for line in [
            "",
            "-",
            "-rw-r--r--",
            "-rw-r--r-- 1 u g many Jan 2 2020 x",
            "-rw-r--r-- 1 u g 5 Xyz 2 2020 x",
            "-rw-r--r-- 1 u g 5 Jan 42 2020 x",
            "-rw-r--r-- 1 u g 5 Jan 2 2020",
            "drops of water 5 Jan 2 2020 x",
        ] {
            assert_eq!(parse(line, now()), None, "{line:?}");
        }
    }
}
