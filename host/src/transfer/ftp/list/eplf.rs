//! EPLF, "easily parsed LIST format" (D. J. Bernstein): `+facts,<TAB>name`.

use super::read::Entry;
use super::when::When;
use crate::model::{ByteCount, FileKind, Timestamp};

pub(super) fn parse(line: &str) -> Option<Entry<'_>> {
    let (facts, name) = line.strip_prefix('+')?.split_once('\t')?;
    let mut entry = Entry { name, kind: FileKind::Other, size: None, modified: None };
    for fact in facts.split(',') {
        match fact.split_at_checked(1) {
            Some(("/", "")) => entry.kind = FileKind::Dir,
            Some(("r", "")) => entry.kind = FileKind::File,
            Some(("s", size)) => entry.size = size.parse().ok().map(ByteCount),
            // Seconds since 1970: an instant, whatever the server's zone.
            Some(("m", seconds)) => {
                let millis = seconds.parse::<u64>().ok().and_then(|seconds| seconds.checked_mul(1000));
                entry.modified = millis.map(|millis| When::Instant(Timestamp(millis)));
            }
            _ => {}
        }
    }
    if entry.kind == FileKind::Dir {
        entry.size = None;
    }
    (!name.is_empty()).then_some(entry)
}
