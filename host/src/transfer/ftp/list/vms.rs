//! The lines of OpenVMS: `NAME.TXT;1  213/216  29-JAN-2026 03:33:12  [OWNER]  (RWED,RWED,,)`.
//!
//! A size is in blocks of 512 bytes, so how many bytes a file has isn't known from it. Long names
//! stand on a line of their own; such a pair of lines is told as not understood.

use super::{Entry, with_year};
use crate::model::FileKind;

pub(super) fn parse(line: &str) -> Option<Entry<'_>> {
    let mut words = line.split_whitespace();
    let (name, version) = words.next()?.rsplit_once(';')?;
    version.parse::<u32>().ok()?;
    let blocks = words.next()?;
    blocks.split('/').map(str::parse::<u64>).collect::<Result<Vec<_>, _>>().ok()?;
    let mut date = words.next()?.split('-');
    let (day, month, year) = (date.next()?, date.next()?, date.next()?);
    let mut clock = words.next()?.split([':', '.']);
    let modified = with_year(
        year.parse().ok()?,
        super::month(month)?,
        day.parse().ok()?,
        clock.next()?.parse().ok()?,
        clock.next()?.parse().ok()?,
    )?;
    let (name, kind) = match name.strip_suffix(".DIR") {
        Some(folder) => (folder, FileKind::Dir),
        None => (name, FileKind::File),
    };
    (!name.is_empty()).then_some(Entry { name, kind, size: None, modified: Some(modified) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::ftp::time;

    #[test]
    fn files_and_folders_are_read() {
        let file =
            parse("CII-MANUAL.TEX;1  213/216  29-JAN-1996 03:33:12  [ANONYMOUS]   (RWED,RWED,,)").unwrap();
        assert_eq!((file.name, file.kind, file.size), ("CII-MANUAL.TEX", FileKind::File, None));
        assert_eq!(file.modified, time::parse("19960129033300"));
        let folder = parse("SUB.DIR;1   1  2-MAR-2026 10:11:12.13  [A,B]  (RWE,RWE,RE,RE)").unwrap();
        assert_eq!((folder.name, folder.kind), ("SUB", FileKind::Dir));
        for line in ["NAME.TXT;1", "NAME.TXT;x 1 2-MAR-2026 10:11", "NAME.TXT;1 %RMS-E-PRV, no privilege"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
