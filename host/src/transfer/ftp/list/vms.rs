//! The lines of OpenVMS: `NAME.TXT;1  213/216  29-JAN-2026 03:33:12  [OWNER]  (RWED,RWED,,)`.
//!
//! A size is in blocks of 512 bytes, so how many bytes a file has isn't known from it. A long name
//! stands on a line of its own, and the rest of its columns on the next one, behind blanks.

use super::read::Entry;
use super::when::{When, month};
use crate::model::FileKind;

/// The name of an entry whose columns are on the next line; `None` when the line is something else.
pub(super) fn name_alone(line: &str) -> Option<&str> {
    let line = line.trim_end_matches([' ', '\t']);
    let (name, version) = line.rsplit_once(';')?;
    let is_name = !name.is_empty() && !line.contains([' ', '\t']) && version.parse::<u32>().is_ok();
    is_name.then_some(line)
}

/// Reads an entry: its name, and the columns behind it.
pub(super) fn parse<'a>(name: &'a str, columns: &str) -> Option<Entry<'a>> {
    let (name, version) = name.rsplit_once(';')?;
    version.parse::<u32>().ok()?;
    let mut words = columns.split_ascii_whitespace();
    let blocks = words.next()?;
    blocks.split('/').map(str::parse::<u64>).collect::<Result<Vec<_>, _>>().ok()?;
    let mut date = words.next()?.split('-');
    let (day, month_name, year) = (date.next()?, date.next()?, date.next()?);
    let mut clock = words.next()?.split([':', '.']);
    let modified = When::minute(
        year.parse().ok()?,
        month(month_name)?,
        day.parse().ok()?,
        clock.next()?.parse().ok()?,
        clock.next()?.parse().ok()?,
    )?;
    // `DISK:[A.B]NAME.TXT` names the folder as well.
    let name = name.rsplit_once(']').map_or(name, |(_, name)| name);
    let (name, kind) = match name.strip_suffix(".DIR").or_else(|| name.strip_suffix(".dir")) {
        Some(folder) => (folder, FileKind::Dir),
        None => (name, FileKind::File),
    };
    (!name.is_empty()).then_some(Entry { name, kind, size: None, modified: Some(modified) })
}
