//! EPLF, "easily parsed LIST format" (D. J. Bernstein): `+facts,<TAB>name`.

use super::Entry;
use crate::model::{ByteCount, FileKind, Timestamp};

pub(super) fn parse(line: &str) -> Option<Entry<'_>> {
    let (facts, name) = line.strip_prefix('+')?.split_once('\t')?;
    let mut entry = Entry { name, kind: FileKind::Other, size: None, modified: None };
    for fact in facts.split(',') {
        match fact.split_at_checked(1) {
            Some(("/", "")) => entry.kind = FileKind::Dir,
            Some(("r", "")) => entry.kind = FileKind::File,
            Some(("s", size)) => entry.size = size.parse().ok().map(ByteCount),
            Some(("m", seconds)) => {
                entry.modified = seconds.parse::<u64>().ok().and_then(|s| s.checked_mul(1000)).map(Timestamp);
            }
            _ => {}
        }
    }
    Some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_format_are_read() {
        let file = parse("+i8388621.29609,m824255902,r,s280,\tdjb.html").unwrap();
        assert_eq!((file.name, file.kind, file.size), ("djb.html", FileKind::File, Some(ByteCount(280))));
        assert_eq!(file.modified, Some(Timestamp(824_255_902_000)));
        let folder = parse("+i8388621.44468,m839956783,/,\t514 a").unwrap();
        assert_eq!((folder.name, folder.kind), ("514 a", FileKind::Dir));
        assert_eq!(parse("+no tab"), None);
    }
}
