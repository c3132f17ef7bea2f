//! What has no room in memory, in a file without a name: a kill leaves nothing of it.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::{Mode, OFlags};

use crate::model::{ByteCount, Fault};
use crate::transfer::hash::HashState;
use crate::transfer::local::blocking;
use crate::transfer::upload::Item;

/// Where a copy may put what it has read while its target stands still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpillOptions {
    /// A folder of ours; made when it is first needed.
    pub folder: PathBuf,
    /// The most bytes that one copy may have there.
    pub bytes_max: ByteCount,
}

/// A queue on disk.
pub(super) struct Spill {
    options: SpillOptions,
    file: Option<Arc<File>>,
    waiting: VecDeque<Piece>,
    /// Where the next piece goes.
    end: u64,
    /// The disk couldn't be written: it isn't tried again, and what came last is here.
    failed: bool,
}

struct Piece {
    place: Place,
    chunks: Vec<HashState>,
}

enum Place {
    Disk {
        offset: u64,
        length: usize,
    },
    /// What the disk had no room for.
    Memory(Item),
}

impl Spill {
    pub(super) fn new(options: SpillOptions) -> Self {
        Self { options, file: None, waiting: VecDeque::new(), end: 0, failed: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn has_room(&self, length: u64) -> bool {
        !self.failed && self.end + length <= self.options.bytes_max.0
    }

    /// Takes an item; gives it back where nothing is on disk and nothing can be put there.
    pub(super) async fn push(&mut self, item: Item) -> Option<Item> {
        if self.failed && self.waiting.is_empty() {
            return Some(item);
        }
        let (folder, file, offset) = (self.options.folder.clone(), self.file.clone(), self.end);
        let length = item.bytes().len();
        let bytes = item.to_bytes();
        let written = blocking(move || {
            let file = match file {
                Some(file) => file,
                None => Arc::new(nameless(&folder)?),
            };
            file.write_all_at(&bytes, offset)
                .map_err(|e| Fault::local(format_args!("cannot write to {}", folder.display()), &e))?;
            Ok(file)
        });
        match written.await {
            Ok(file) => {
                self.file = Some(file);
                self.end += u64::try_from(length).unwrap_or(0);
                self.waiting.push_back(Piece { place: Place::Disk { offset, length }, chunks: item.chunks });
            }
            Err(fault) => {
                tracing::warn!(%fault, "a copy goes on without a spill");
                self.failed = true;
                if self.waiting.is_empty() {
                    return Some(item);
                }
                self.waiting.push_back(Piece { place: Place::Memory(item), chunks: Vec::new() });
            }
        }
        None
    }

    /// The oldest; `None` when there is none.
    pub(super) async fn pop(&mut self) -> Result<Option<Item>, Fault> {
        let Some(Piece { place, chunks }) = self.waiting.pop_front() else { return Ok(None) };
        let item = match (place, self.file.clone()) {
            (Place::Memory(item), _) => item,
            (Place::Disk { offset, length }, Some(file)) => {
                let bytes = blocking(move || {
                    let mut bytes = vec![0; length];
                    file.read_exact_at(&mut bytes, offset)
                        .map_err(|e| Fault::local("cannot read a spill", &e))?;
                    Ok(Bytes::from(bytes))
                });
                Item::of_bytes(bytes.await?, chunks)
            }
            (Place::Disk { .. }, None) => return Ok(None),
        };
        if self.waiting.is_empty() {
            // Gives the room on the disk back.
            self.file = None;
            self.end = 0;
        }
        Ok(Some(item))
    }
}

/// A file that nobody else can open, and that is gone with its descriptor (`open(2)`, `O_TMPFILE`).
fn nameless(folder: &std::path::Path) -> Result<File, Fault> {
    let failed = |error: std::io::Error| {
        Fault::local(format_args!("cannot make a spill in {}", folder.display()), &error)
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let file = rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR).map_err(|e| failed(e.into()))?;
    Ok(File::from(file))
}
