//! Reading a journal from its front, a page at a time, without ever going back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::disk::{self, Wanted};
use super::entry::Entry;
use super::error::Error;
use super::store::{RunHead, Store};
use crate::model::RunId;

/// Bytes of entries read at a time: large enough that the store is asked seldom, small enough that a
/// thousand replaying runs fit into memory.
const PAGE_BYTES: usize = 256 << 10;

/// Bytes of entries that all runs of the process together keep from a first reading for a second one. A
/// journal for which there is no room is read twice: that takes half as long again, and no memory.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// How many bytes are kept.
static KEPT_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Entries as they are stored, from number `first` on.
#[derive(Debug)]
pub(super) struct Kept {
    first: u64,
    entries: VecDeque<Bytes>,
    room: Room,
}

/// A part of the room that kept entries may take.
#[derive(Debug, Default)]
struct Room(usize);

impl Room {
    /// Makes it larger, if there is more.
    fn grow(&mut self, bytes: usize) -> bool {
        let grown = |kept: usize| Some(kept + bytes).filter(|kept| *kept <= KEPT_BYTES_MAX);
        let fits = KEPT_BYTES.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).is_ok();
        self.0 += if fits { bytes } else { 0 };
        fits
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        KEPT_BYTES.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// A place in a journal.
#[derive(Debug)]
pub(super) struct Cursor {
    store: Arc<dyn Store>,
    run: RunId,
    page: VecDeque<Bytes>,
    /// The number of the first entry of `page`, or of the next page's.
    next: u64,
    /// The number of the last entry that will be given.
    last: u64,
    /// The entry in front, decoded, once somebody looked.
    front: Option<Entry>,
    /// What was passed, for another cursor.
    kept: Option<Kept>,
    /// The room of a page that another cursor kept.
    room: Option<Room>,
    wanted: Wanted,
}

/// A cursor over all of a run's journal, as of `head`.
pub(super) fn whole(store: &Arc<dyn Store>, head: &RunHead) -> Cursor {
    Cursor::new(Arc::clone(store), head.run.clone(), head.first_seq, head.last_seq)
}

impl Cursor {
    /// Stands before entry `first`; ends after entry `last`.
    pub(super) fn new(store: Arc<dyn Store>, run: RunId, first: u64, last: u64) -> Self {
        Self {
            store,
            run,
            page: VecDeque::new(),
            next: first,
            last,
            front: None,
            kept: None,
            room: None,
            wanted: Wanted::Whole,
        }
    }

    /// The same, and gives only that much of each entry.
    pub(super) fn wanting(mut self, wanted: Wanted) -> Self {
        self.wanted = wanted;
        self
    }

    /// The same, and it keeps what it passes, if that isn't too much.
    pub(super) fn keeping(mut self) -> Self {
        self.kept = Some(Kept { first: self.next, entries: VecDeque::new(), room: Room::default() });
        self
    }

    /// What was kept: everything that was passed, or nothing.
    pub(super) fn into_kept(self) -> Option<Kept> {
        self.kept
    }

    /// The same with entries that another cursor kept.
    pub(super) fn with(mut self, kept: Option<Kept>) -> Self {
        if let Some(mut kept) = kept.filter(|kept| kept.first <= self.next) {
            let passed = usize::try_from(self.next - kept.first).unwrap_or(usize::MAX);
            kept.entries.drain(..passed.min(kept.entries.len()));
            self.page = kept.entries;
            self.room = Some(kept.room);
        }
        self
    }

    /// The number of the next entry.
    pub(super) fn seq(&self) -> u64 {
        self.next
    }

    /// The next entry, which stays.
    pub(super) async fn peek(&mut self) -> Result<Option<&Entry>, Error> {
        if self.front.is_none() {
            self.front = self.load().await?;
        }
        Ok(self.front.as_ref())
    }

    /// The next entry, past which the cursor goes.
    pub(super) async fn next(&mut self) -> Result<Option<Entry>, Error> {
        let entry = match self.front.take() {
            Some(entry) => Some(entry),
            None => self.load().await?,
        };
        if entry.is_some() {
            self.next += 1;
            if let Some(bytes) = self.page.pop_front() {
                self.keep(bytes);
            }
            if self.page.is_empty() {
                self.room = None;
            }
        }
        Ok(entry)
    }

    /// The next entry with everything in it, past which the cursor goes.
    pub(super) async fn next_whole(&mut self) -> Result<Option<Entry>, Error> {
        let wanted = std::mem::replace(&mut self.wanted, Wanted::Whole);
        self.front = None;
        let next = self.next().await;
        self.wanted = wanted;
        next
    }

    fn keep(&mut self, bytes: Bytes) {
        if let Some(kept) = &mut self.kept {
            if kept.room.grow(bytes.len()) {
                kept.entries.push_back(bytes);
            } else {
                self.kept = None;
            }
        }
    }

    async fn load(&mut self) -> Result<Option<Entry>, Error> {
        if self.next > self.last {
            return Ok(None);
        }
        if self.page.is_empty() {
            let (first, page) = self.store.read(&self.run, self.next, PAGE_BYTES).await?;
            if first != self.next || page.is_empty() {
                return Err(Error::damaged(format!(
                    "entry {} of run {} is missing (of {})",
                    self.next, self.run, self.last
                )));
            }
            self.page = page.into();
        }
        disk::decode(&self.page[0], self.wanted).map(Some).map_err(|error| match error {
            Error::Damaged { what } => {
                Error::damaged(format!("entry {} of run {}: {what}", self.next, self.run))
            }
            other => other,
        })
    }
}
