//! Tables beside the journal: where a transfer keeps its offsets, and a batch its items.

use std::sync::Arc;

use bytes::Bytes;

use super::error::Error;
use super::store::{Claim, Store, Write};
use crate::model::{ItemId, StepSeq};

/// Longest name in a slot, in bytes.
pub const NAME_BYTES_MAX: usize = 32;

/// Rows that one scan of the store gives at a time: about 100 KiB of chunk records.
const PAGE_ROWS: usize = 512;

/// The small durable table of one item of one step. It lives until the step's result is recorded (an
/// item of a batch: until its outcome is delivered and forgotten), and is written under the run's
/// claim, so that a process that lost the run can't move its offsets.
#[derive(Clone, Debug)]
pub struct Slot {
    store: Arc<dyn Store>,
    claim: Claim,
    prefix: Vec<u8>,
}

impl Slot {
    pub(super) fn new(store: Arc<dyn Store>, claim: Claim, step: StepSeq, item: ItemId) -> Self {
        Self { store, claim, prefix: item_prefix(step, item) }
    }

    /// The value of a name.
    ///
    /// # Errors
    /// Those of [`Store::get`].
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>, Error> {
        self.store.get(&self.claim.run, &self.key(name)).await
    }

    /// All names that begin with `prefix`, in order.
    ///
    /// # Errors
    /// Those of [`Store::scan`].
    pub async fn scan(&self, prefix: &str) -> Result<Vec<(String, Bytes)>, Error> {
        let key = self.key(prefix);
        let mut rows: Vec<(String, Bytes)> = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.store.scan(&self.claim.run, &key, after.as_deref(), PAGE_ROWS).await?;
            let whole = page.len() < PAGE_ROWS;
            after = page.last().map(|(key, _)| key.clone());
            for (key, value) in page {
                let name = String::from_utf8(key[self.prefix.len()..].to_vec())
                    .map_err(|_| Error::damaged("a name in a transfer's table is no text"))?;
                rows.push((name, value));
            }
            if whole {
                return Ok(rows);
            }
        }
    }

    /// Writes all of it or nothing; durable when it returns. `None` removes a name.
    ///
    /// # Errors
    /// Those of [`Store::write`]; [`Error::TooLarge`] for a name over [`NAME_BYTES_MAX`].
    pub async fn put(&self, rows: Vec<(String, Option<Vec<u8>>)>) -> Result<(), Error> {
        let mut writes = Vec::with_capacity(rows.len());
        for (name, value) in rows {
            if name.len() > NAME_BYTES_MAX {
                return Err(Error::TooLarge { what: "a name", bytes: name.len(), max: NAME_BYTES_MAX });
            }
            writes.push(match value {
                Some(value) => Write::Put(self.key(&name), value.into()),
                None => Write::Remove(self.key(&name)),
            });
        }
        self.store.write(&self.claim, writes).await
    }

    fn key(&self, name: &str) -> Vec<u8> {
        [&self.prefix, name.as_bytes()].concat()
    }
}

/// Keys of all slots of a step begin so.
pub(super) fn step_prefix(step: StepSeq) -> Vec<u8> {
    let mut key = TABLES.to_vec();
    key.extend_from_slice(&step.0.to_be_bytes());
    key
}

/// Keys of a slot begin so.
pub(super) fn item_prefix(step: StepSeq, item: ItemId) -> Vec<u8> {
    let mut key = step_prefix(step);
    key.extend_from_slice(&item.0.to_be_bytes());
    key
}

/// Keys of all slots of all steps begin so.
pub(super) const TABLES: &[u8] = b"t";
