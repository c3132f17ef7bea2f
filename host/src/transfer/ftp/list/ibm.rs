//! The lines of IBM's servers: data sets and members of z/OS (MVS), and AS/400.

use super::read::Entry;
use super::when::When;
use crate::model::{ByteCount, FileKind};

pub(super) fn parse(line: &str) -> Option<Entry<'_>> {
    as400(line).or_else(|| data_set(line)).or_else(|| member(line)).or_else(|| load_module(line))
}

/// `OWNER  36864 01/02/26 12:01:15 *STMF  name`: folders end in a slash. The order of the date's
/// numbers is the server's setting, so it says nothing. Members (`*MEM`) have neither size nor date,
/// and their file before a slash.
fn as400(line: &str) -> Option<Entry<'_>> {
    let star = line.find(" *")? + 1;
    let before: Vec<_> = line[..star].split_ascii_whitespace().collect();
    let (what, name) = line[star..].split_once(' ')?;
    let name = name.trim_start_matches(' ');
    if !(2..=10).contains(&what.len()) || !what[1..].bytes().all(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let is_date = |word: &str| {
        let numbers = word.split(['/', '.', '-']).filter(|part| part.parse::<u16>().is_ok());
        numbers.count() == 3
    };
    let size: Option<u64> = match before[..] {
        [_, size, date, clock] if is_date(date) && clock.contains(':') => Some(size.parse().ok()?),
        [_] if what == "*MEM" => None,
        _ => return None,
    };
    let is_folder = name.ends_with('/') || matches!(what, "*DIR" | "*DDIR" | "*FLR" | "*LIB");
    let (kind, size) = match what {
        _ if is_folder => (FileKind::Dir, None),
        "*STMF" | "*DSTMF" => (FileKind::File, size),
        // What a database file gives is longer or shorter than it is there.
        "*FILE" | "*MEM" => (FileKind::File, None),
        _ => (FileKind::Other, None),
    };
    let name = name.trim_end_matches('/');
    let name = if what == "*MEM" { name.rsplit('/').next().unwrap_or(name) } else { name };
    (!name.is_empty()).then_some(Entry { name, kind, size: size.map(ByteCount), modified: None })
}

/// `VOLUME 3390 2026/01/02 1 15 FB 80 8000 PS NAME`: a library (PO) holds members as a folder does.
/// Of what isn't on a disk at the moment only the name is told.
fn data_set(line: &str) -> Option<Entry<'_>> {
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    let (kind, modified, name) = match words[..] {
        ["Migrated" | "MIGRAT" | "ARCIVE", name]
        | ["Not", "Mounted", name]
        | ["ARCIVE", "Not", "Direct", "Access", "Device", name]
        | ["Error", "determining", "attributes", name]
        | [_, "Tape", name]
        | ["GDG", name]
        | [_, "3380" | "3390", "VSAM", name]
        | ["VSAM", name] => (FileKind::Other, None, name),
        ["Pseudo", "Directory", name] => (FileKind::Dir, None, name),
        [volume, unit, referred, _, used, format, length, block, organisation, name] => {
            if !is_volume(volume) || !is_unit(unit) || !format.starts_with(['F', 'V', 'U', '?']) {
                return None;
            }
            for number in [used, length, block] {
                // `????` where there are more than fit.
                if number.parse::<u32>().is_err() && !number.bytes().all(|byte| byte == b'?') {
                    return None;
                }
            }
            (organised(organisation), day(referred)?, name)
        }
        // The columns of extents and tracks have grown together.
        [volume, unit, referred, used, format, length, block, organisation, name] => {
            if !is_volume(volume) || !is_unit(unit) || !format.starts_with(['F', 'V', 'U']) {
                return None;
            }
            for number in [used, length, block] {
                number.parse::<u64>().ok()?;
            }
            (organised(organisation), day(referred)?, name)
        }
        _ => return None,
    };
    let name = name.trim_matches('\'');
    is_data_set(name).then_some(Entry { name, kind, size: None, modified })
}

fn organised(word: &str) -> FileKind {
    match word {
        "PS" => FileKind::File,
        "PO" | "PO-E" => FileKind::Dir,
        _ => FileKind::Other,
    }
}

/// The serial of a volume: up to six letters, digits and national characters.
fn is_volume(word: &str) -> bool {
    (1..=6).contains(&word.len()) && word.bytes().all(is_of_names)
}

/// A device: `3390`, `3380D`, `SYSDA`, and VIO for what is only in memory.
fn is_unit(word: &str) -> bool {
    (3..=8).contains(&word.len()) && word.bytes().all(is_of_names)
}

/// Qualifiers with points between them, 44 characters at most.
fn is_data_set(name: &str) -> bool {
    let is_qualifier = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|byte| is_of_names(byte) || byte == b'-')
    };
    let name = name.split_once('(').map_or(name, |(name, _)| name);
    name.len() <= 44 && name.split('.').all(is_qualifier)
}

/// The letters of names: capitals, digits, `$`, `#` and `@`.
fn is_of_names(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"$#@".contains(&byte)
}

/// `NAME  01.02 2026/01/02 2026/01/03 10:11  12  12  0 USER`: a member of a library.
fn member(line: &str) -> Option<Entry<'_>> {
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    let [name, version, created, changed, clock, ..] = words[..] else {
        return None;
    };
    let (major, minor) = version.split_once('.')?;
    if major.parse::<u8>().is_err() || minor.parse::<u8>().is_err() || !is_member(name) {
        return None;
    }
    day(created)??;
    let (hour, minute) = clock.split_once(':')?;
    let (year, month, of_month) = numbers(changed)?;
    // Some add the seconds.
    let minute = minute.split(':').next()?;
    let modified = When::minute(year, month, of_month, hour.parse().ok()?, minute.parse().ok()?)?;
    Some(Entry { name, kind: FileKind::File, size: None, modified: Some(modified) })
}

/// `NAME  000A60 000003 ALIAS 00 FO RN RU 31 ANY`: a member of a library of programs.
fn load_module(line: &str) -> Option<Entry<'_>> {
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    let [name, size, track, _, .., mode] = words[..] else {
        return None;
    };
    let is_hex = |word: &str| word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_member(name) || !is_hex(size) || !is_hex(track) || !matches!(mode, "24" | "31" | "64" | "ANY") {
        return None;
    }
    Some(Entry { name, kind: FileKind::File, size: None, modified: None })
}

/// The name of a member that stands alone on its line, as those without statistics do. Only what
/// follows the heading of a library may be one.
pub(super) fn bare_member(line: &str) -> Option<Entry<'_>> {
    let name = line.trim_matches(' ');
    is_member(name).then_some(Entry { name, kind: FileKind::File, size: None, modified: None })
}

fn is_member(name: &str) -> bool {
    let begins = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    begins && name.len() <= 8 && name.bytes().all(is_of_names)
}

/// A day, or that there is none; `None` for anything else.
fn day(word: &str) -> Option<Option<When>> {
    if word == "**NONE**" || word == "0000/00/00" {
        return Some(None);
    }
    let (year, month, day) = numbers(word)?;
    Some(Some(When::day(year, month, day)?))
}

fn numbers(date: &str) -> Option<(i16, i8, i8)> {
    let mut parts = date.split('/');
    let numbers = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(numbers)
}
