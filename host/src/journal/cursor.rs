//! Reading a journal from its front, a page at a time, without ever going back.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::disk;
use super::entry::Entry;
use super::error::Error;
use super::store::Store;
use crate::model::RunId;

/// Bytes of entries read at a time: large enough that the store is asked seldom, small enough that a
/// thousand replaying runs fit into memory.
const PAGE_BYTES: usize = 256 << 10;

/// Bytes of entries that are kept from a first reading for a second one. Most journals are shorter; a
/// longer one is read twice.
const KEPT_BYTES_MAX: usize = 1 << 20;

/// Entries as they are stored, from number `first` on.
#[derive(Debug)]
pub(super) struct Kept {
    first: u64,
    entries: VecDeque<Bytes>,
    bytes: usize,
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
}

impl Cursor {
    /// Stands before entry `first`; ends after entry `last`.
    pub(super) fn new(store: Arc<dyn Store>, run: RunId, first: u64, last: u64) -> Self {
        Self { store, run, page: VecDeque::new(), next: first, last, front: None, kept: None }
    }

    /// The same, and it keeps what it passes, if that isn't too much.
    pub(super) fn keeping(mut self) -> Self {
        self.kept = Some(Kept { first: self.next, entries: VecDeque::new(), bytes: 0 });
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
        }
        Ok(entry)
    }

    fn keep(&mut self, bytes: Bytes) {
        if let Some(kept) = &mut self.kept {
            kept.bytes += bytes.len();
            kept.entries.push_back(bytes);
            if kept.bytes > KEPT_BYTES_MAX {
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
        let bytes = &self.page[0];
        disk::decode(bytes).map(Some).map_err(|error| match error {
            Error::Damaged { what } => {
                Error::damaged(format!("entry {} of run {}: {what}", self.next, self.run))
            }
            other => other,
        })
    }
}
