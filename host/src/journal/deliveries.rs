//! The delivery log: in which order the outcomes of batches were given to the guest. One log for each
//! run, beside its journal, since a batch of a million files would be a million entries.
//!
//! Each row says after which step it was given; together with the rows' numbers that gives one order
//! of steps and deliveries, which a replay must follow.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::entry::Stored;
use super::error::Error;
use super::store::{BlobId, Store};
use crate::model::{RunId, StepSeq, Timestamp};

/// The format of rows, in their first byte.
///
/// Changelog
/// - 1: the first.
const ROW_FORMAT: u8 = 1;

/// Rows read at a time.
const PAGE_ROWS: usize = 256;

/// Keys of the log begin so.
pub(super) const PREFIX: &[u8] = b"d";

/// Something was given to the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The step that opened the batch.
    pub(super) batch: StepSeq,
    /// The last step that had ended.
    pub(super) after: StepSeq,
    /// When.
    pub(super) at: Timestamp,
    /// What, encoded by whoever delivers.
    pub(super) what: Stored,
}

#[derive(Serialize, Deserialize)]
struct Shape<'a> {
    batch: u64,
    after: u64,
    at: u64,
    blob: Option<([u8; 32], u64)>,
    inline: &'a [u8],
}

/// The key of row `number`, which counts from 0.
pub(super) fn key(number: u64) -> Vec<u8> {
    [PREFIX, &number.to_be_bytes()].concat()
}

impl Row {
    pub(super) fn encode(&self) -> Result<Bytes, Error> {
        let (blob, inline): (_, &[u8]) = match &self.what {
            Stored::Inline(bytes) => (None, bytes),
            Stored::Blob { id, bytes } => (Some((id.0, *bytes)), &[]),
        };
        let shape = Shape { batch: self.batch.0, after: self.after.0, at: self.at.0, blob, inline };
        postcard::to_extend(&shape, vec![ROW_FORMAT])
            .map(Bytes::from)
            .map_err(|error| Error::bug(format!("a delivery can't be encoded: {error}")))
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let (&format, rest) = bytes.split_first().ok_or_else(|| Error::damaged("a delivery is empty"))?;
        if format != ROW_FORMAT {
            return Err(Error::Version {
                what: "a delivery",
                found: u32::from(format),
                supported: u32::from(ROW_FORMAT),
            });
        }
        let shape: Shape<'_> = postcard::from_bytes(rest)
            .map_err(|error| Error::damaged(format!("a delivery can't be decoded: {error}")))?;
        Ok(Self {
            batch: StepSeq(shape.batch),
            after: StepSeq(shape.after),
            at: Timestamp(shape.at),
            what: match shape.blob {
                Some((id, bytes)) => Stored::Blob { id: BlobId(id), bytes },
                None => Stored::Inline(Bytes::copy_from_slice(shape.inline)),
            },
        })
    }
}

/// Reads the log from its front.
#[derive(Debug)]
pub(super) struct Deliveries {
    store: Arc<dyn Store>,
    run: RunId,
    page: VecDeque<Row>,
    /// How many rows were taken.
    taken: u64,
    /// The store has no rows beyond `page`.
    ended: bool,
}

impl Deliveries {
    pub(super) fn new(store: Arc<dyn Store>, run: RunId) -> Self {
        Self { store, run, page: VecDeque::new(), taken: 0, ended: false }
    }

    /// A log that has nothing yet.
    pub(super) fn empty(store: Arc<dyn Store>, run: RunId) -> Self {
        Self { ended: true, ..Self::new(store, run) }
    }

    /// How many were given to the guest, in this replay or live.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Counts one that was written live.
    pub(super) fn wrote(&mut self) {
        self.taken += 1;
    }

    /// The next row, which stays.
    pub(super) async fn peek(&mut self) -> Result<Option<&Row>, Error> {
        if self.page.is_empty() && !self.ended {
            let after = self.taken.checked_sub(1).map(key);
            let rows = self.store.scan(&self.run, PREFIX, after.as_deref(), PAGE_ROWS).await?;
            self.ended = rows.len() < PAGE_ROWS;
            for (number, (found, value)) in (self.taken..).zip(rows) {
                if found != key(number) {
                    return Err(Error::damaged(format!("delivery {number} of run {} is missing", self.run)));
                }
                self.page.push_back(Row::decode(&value)?);
            }
        }
        Ok(self.page.front())
    }

    /// The next row, past which the log goes.
    pub(super) async fn next(&mut self) -> Result<Option<Row>, Error> {
        self.peek().await?;
        let row = self.page.pop_front();
        self.taken += u64::from(row.is_some());
        Ok(row)
    }
}
