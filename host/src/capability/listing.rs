//! The resource `listing`: the content of a folder, recorded whole and handed out in pages.

use serde::{Deserialize, Serialize};
use wasmtime::component::Resource;

use super::bindings::types::{FileInfo as WitFileInfo, Host, HostListing};
use super::convert::{cut, file_to_wit};
use super::ctx::{Ctx, Outcome};
use crate::model::{ByteCount, FileInfo, FileKind, RunId, Timestamp};

/// The most entries of a page.
const PAGE_MAX: u32 = 10_000;

/// The most lines that weren't understood, and the most bytes of each.
const UNPARSED_MAX: usize = 1_000;
const UNPARSED_BYTES_MAX: usize = 1_024;

/// A listing as it is recorded: entries one after the other in postcard, so that a million names take
/// the memory of their bytes and are decoded a page at a time.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Spool {
    entries: Vec<u8>,
    unparsed: Vec<String>,
}

/// An entry as it is recorded.
#[derive(Serialize, Deserialize)]
struct Row<'a> {
    path: &'a str,
    kind: u8,
    size: Option<u64>,
    modified: Option<u64>,
    unique: Option<&'a str>,
}

impl Spool {
    /// Takes a listing in. Sorted by path, byte by byte, a folder comes before what it holds. Parts of
    /// unfinished transfers are left out, whichever run they belong to: they aren't anybody's files.
    pub(super) fn new(mut entries: Vec<FileInfo>, unparsed: Vec<String>) -> Self {
        entries.retain(|entry| !is_part(&entry.path));
        entries.sort_unstable_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
        let mut spool = Self::default();
        for entry in &entries {
            spool.push(entry);
        }
        let unparsed = unparsed.iter().take(UNPARSED_MAX);
        spool.unparsed = unparsed.map(|line| cut(line, UNPARSED_BYTES_MAX).to_owned()).collect();
        spool
    }

    fn push(&mut self, entry: &FileInfo) {
        let row = Row {
            path: &entry.path,
            kind: match entry.kind {
                FileKind::File => 0,
                FileKind::Dir => 1,
                FileKind::Link => 2,
                FileKind::Other => 3,
            },
            size: entry.size.map(|size| size.0),
            modified: entry.modified.map(|at| at.0),
            unique: entry.unique.as_deref(),
        };
        // Plain numbers and texts into memory: the encoder has nothing to fail at.
        if let Ok(bytes) = postcard::to_extend(&row, std::mem::take(&mut self.entries)) {
            self.entries = bytes;
        }
    }
}

/// Whether a path ends in a name as transfers give to their parts:
/// `.<name>.<run>.<step>.<item>.<generation>.part`.
fn is_part(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let Some(inner) = name.strip_prefix('.').and_then(|name| name.strip_suffix(".part")) else {
        return false;
    };
    let mut parts = inner.rsplitn(5, '.');
    let numbers = parts.by_ref().take(3).filter(|number| number.parse::<u64>().is_ok()).count();
    numbers == 3 && parts.next().is_some_and(|run| run.parse::<RunId>().is_ok())
}

/// A listing in the hands of a guest.
#[derive(Debug)]
pub struct Listing {
    spool: Spool,
    /// Where the next page begins.
    at: usize,
}

impl Listing {
    /// A listing at its beginning.
    pub(super) fn new(spool: Spool) -> Self {
        Self { spool, at: 0 }
    }

    /// The next entry; `None` at the end, and where what was recorded can't be read.
    fn entry(&mut self) -> Option<FileInfo> {
        let (row, rest) = postcard::take_from_bytes::<Row<'_>>(self.spool.entries.get(self.at..)?).ok()?;
        let entry = FileInfo {
            path: row.path.to_owned(),
            kind: match row.kind {
                0 => FileKind::File,
                1 => FileKind::Dir,
                2 => FileKind::Link,
                _ => FileKind::Other,
            },
            size: row.size.map(ByteCount),
            modified: row.modified.map(Timestamp),
            unique: row.unique.map(str::to_owned),
        };
        self.at = self.spool.entries.len() - rest.len();
        Some(entry)
    }
}

impl Outcome for Spool {}

impl Host for Ctx {}

impl HostListing for Ctx {
    fn next(&mut self, it: Resource<Listing>, max: u32) -> wasmtime::Result<Vec<WitFileInfo>> {
        self.call()?;
        let listing = self.table.get_mut(&it)?;
        let max = max.clamp(1, PAGE_MAX);
        Ok((0..max).map_while(|_| listing.entry()).map(file_to_wit).collect())
    }

    fn unparsed(&mut self, it: Resource<Listing>) -> wasmtime::Result<Vec<String>> {
        self.call()?;
        Ok(self.table.get(&it)?.spool.unparsed.clone())
    }

    async fn drop(&mut self, it: Resource<Listing>) -> wasmtime::Result<()> {
        self.table.delete(it)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, kind: FileKind) -> FileInfo {
        FileInfo {
            path: path.to_owned(),
            kind,
            size: Some(ByteCount(7)),
            modified: Some(Timestamp(1_000)),
            unique: Some("8:15".to_owned()),
        }
    }

    #[test]
    fn only_names_of_parts_are_left_out() {
        use crate::model::{ItemId, StepSeq};
        let run = RunId::new(Timestamp(0), [7; 10]);
        let part = crate::transfer::PartName { run, step: StepSeq(12), item: ItemId(3) };
        assert!(is_part(&format!("in/{}", part.of("a b.csv", 2))));
        assert!(is_part(&part.of(&"x".repeat(255), 1)));
        for name in ["a.part", ".a.part", ".a.1.2.3.part", ".profile", "in/.x.NOTARUN.1.2.3.part"] {
            assert!(!is_part(name), "{name}");
        }
    }

    #[test]
    fn entries_come_back_sorted_and_whole() {
        let given = vec![file("b", FileKind::Link), file("a/x", FileKind::File), file("a", FileKind::Dir)];
        let spool = Spool::new(given, vec!["?".repeat(2_000); 2_000]);
        assert_eq!((spool.unparsed.len(), spool.unparsed[0].len()), (UNPARSED_MAX, UNPARSED_BYTES_MAX));
        let bytes = postcard::to_stdvec(&spool).unwrap();
        let mut listing = Listing::new(postcard::from_bytes(&bytes).unwrap());
        let all: Vec<_> = std::iter::from_fn(|| listing.entry()).collect();
        assert_eq!(all, [file("a", FileKind::Dir), file("a/x", FileKind::File), file("b", FileKind::Link)]);
        assert!(listing.entry().is_none());
    }
}
