//! The lines of IBM's servers: data sets and members of z/OS (MVS), and AS/400.

use super::{Entry, with_year};
use crate::model::{ByteCount, FileKind, Timestamp};

pub(super) fn parse(line: &str) -> Option<Entry<'_>> {
    as400(line).or_else(|| data_set(line)).or_else(|| member(line))
}

/// `OWNER  36864 01/02/26 12:01:15 *STMF  name`: folders are `*DIR` and end in a slash. The order of
/// the date's numbers is the server's setting, so it says nothing.
fn as400(line: &str) -> Option<Entry<'_>> {
    let star = line.find(" *")? + 1;
    let before: Vec<_> = line[..star].split_whitespace().collect();
    let (kind, name) = line[star..].split_once(' ')?;
    let is_date = |word: &str| word.split('/').filter(|part| part.parse::<u16>().is_ok()).count() == 3;
    if before.len() != 4 || !is_date(before[2]) || !before[3].contains(':') {
        return None;
    }
    let size = before[1].parse().ok()?;
    let name = name.trim_start();
    let (kind, size) = match kind {
        "*DIR" | "*DDIR" | "*FLR" | "*LIB" => (FileKind::Dir, None),
        "*STMF" | "*DSTMF" => (FileKind::File, Some(ByteCount(size))),
        _ => (FileKind::Other, None),
    };
    let name = name.trim_end_matches('/');
    (!name.is_empty()).then_some(Entry { name, kind, size, modified: None })
}

/// `VOLUME 3390 2026/01/02 1 15 FB 80 8000 PS NAME`: a library (PO) holds members as a folder does.
fn data_set(line: &str) -> Option<Entry<'_>> {
    let words: Vec<_> = line.split_whitespace().collect();
    match words[..] {
        ["Migrated", name] => Some(Entry { name, kind: FileKind::Other, size: None, modified: None }),
        [_, unit, referred, _, _, format, length, block, organisation, name] => {
            unit.parse::<u32>().ok().or_else(|| (unit.len() == 4).then_some(0))?;
            length.parse::<u32>().ok()?;
            block.parse::<u32>().ok()?;
            if !format.starts_with(['F', 'V', 'U']) {
                return None;
            }
            let kind = match organisation {
                "PS" => FileKind::File,
                "PO" | "PO-E" => FileKind::Dir,
                _ => FileKind::Other,
            };
            let name = name.trim_matches('\'');
            Some(Entry { name, kind, size: None, modified: day(referred) })
        }
        _ => None,
    }
}

/// `NAME  01.02 2026/01/02 2026/01/03 10:11  12  12  0 USER`: a member of a library.
fn member(line: &str) -> Option<Entry<'_>> {
    let words: Vec<_> = line.split_whitespace().collect();
    let [name, version, created, changed, clock, ..] = words[..] else {
        return None;
    };
    let (major, minor) = version.split_once('.')?;
    if major.parse::<u8>().is_err() || minor.parse::<u8>().is_err() || name.len() > 8 {
        return None;
    }
    day(created)?;
    let (hour, minute) = clock.split_once(':')?;
    let mut date = changed.split('/');
    let modified = with_year(
        date.next()?.parse().ok()?,
        date.next()?.parse().ok()?,
        date.next()?.parse().ok()?,
        hour.parse().ok()?,
        minute.parse().ok()?,
    )?;
    Some(Entry { name, kind: FileKind::File, size: None, modified: Some(modified) })
}

fn day(word: &str) -> Option<Timestamp> {
    let mut parts = word.split('/');
    with_year(parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, 0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::ftp::time;

    #[test]
    fn as400_is_read() {
        let file = parse("QSYS            77824 02/23/26 15:09:55 *STMF     my file").unwrap();
        assert_eq!((file.name, file.kind, file.size), ("my file", FileKind::File, Some(ByteCount(77824))));
        let folder = parse("PEP             36864 04/18/26 12:01:15 *DIR       sub/").unwrap();
        assert_eq!((folder.name, folder.kind), ("sub", FileKind::Dir));
    }

    #[test]
    fn data_sets_and_members_are_read() {
        let file = parse("WYOSPT 3420   2003/05/21  1  200  FB      80  8053  PS  EF.TEST.FILE").unwrap();
        assert_eq!((file.name, file.kind), ("EF.TEST.FILE", FileKind::File));
        assert_eq!(file.modified, time::parse("20030521000000"));
        let library = parse("TSO004 3390   2026/01/02  1    1  FB     128  6144  PO  'USER.LIB'").unwrap();
        assert_eq!((library.name, library.kind), ("USER.LIB", FileKind::Dir));
        let member = parse("TBSHELF   01.03 2026/01/02 2026/01/03 10:11    11    11     0 KIL001").unwrap();
        assert_eq!((member.name, member.modified), ("TBSHELF", time::parse("20260103101100")));
    }

    #[test]
    fn other_lines_are_not() {
        for line in ["", "a b c d *e f", "Migrated", "NAME 1.2 x y z", "total 12"] {
            assert_eq!(parse(line), None, "{line:?}");
        }
    }
}
