//! What lies under the keys of a run: its claim, and entries that were appended together.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::keys;
use super::long;
use super::staging::unreadable;
use crate::journal::error::Error;
use crate::journal::store::RunHead;
use crate::model::RunId;

/// Who may write to a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ClaimRecord {
    pub(super) epoch: u64,
    pub(super) claimed: bool,
    pub(super) unclean_ends: u32,
    pub(super) first_seq: u64,
}

impl ClaimRecord {
    pub(super) fn encode(&self) -> Result<Vec<u8>, Error> {
        postcard::to_stdvec(self).map_err(|error| Error::bug(format!("a claim can't be encoded: {error}")))
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        postcard::from_bytes(bytes)
            .map_err(|error| Error::damaged(format!("a claim can't be decoded: {error}")))
    }
}

/// Entries that were appended together: their count, the length of the whole journal up to and with
/// them, the length of each, then all of them. So the last record of a run tells how long its journal
/// is, and no append has to write a head of its own.
pub(super) struct Entries {
    pub(super) entries: Vec<Bytes>,
    /// Length of the journal's entries up to and with these, in bytes.
    pub(super) bytes: u64,
}

impl Entries {
    pub(super) fn encode(entries: &[Bytes], bytes: u64) -> Vec<u8> {
        let length = entries.iter().map(Bytes::len).sum::<usize>();
        let mut record = Vec::with_capacity(12 + 4 * entries.len() + length);
        record.extend_from_slice(&(entries.len() as u32).to_le_bytes());
        record.extend_from_slice(&bytes.to_le_bytes());
        for entry in entries {
            record.extend_from_slice(&(entry.len() as u32).to_le_bytes());
        }
        for entry in entries {
            record.extend_from_slice(entry);
        }
        record
    }

    pub(super) fn decode(record: &[u8]) -> Result<Self, Error> {
        let mut entries = Vec::new();
        let bytes = Self::each(record, |entry| entries.push(Bytes::copy_from_slice(entry)))?;
        Ok(Self { entries, bytes })
    }

    /// Shows each entry of a record. Gives [`Entries::bytes`].
    fn each<'a>(record: &'a [u8], mut show: impl FnMut(&'a [u8])) -> Result<u64, Error> {
        let damaged = || Error::damaged("a record of the journal has lengths that don't fit");
        let mut left = record;
        let mut take = |count: usize| {
            let (taken, rest) = left.split_at_checked(count).ok_or_else(damaged)?;
            left = rest;
            Ok::<_, Error>(taken)
        };
        let count = u32_of(take(4)?);
        let bytes = u64::from_le_bytes(take(8)?.try_into().map_err(|_| damaged())?);
        for length in take(count.checked_mul(4).ok_or_else(damaged)?)?.chunks_exact(4) {
            show(take(u32_of(length))?);
        }
        if left.is_empty() { Ok(bytes) } else { Err(damaged()) }
    }
}

/// Entries that are read together, one behind the other in one buffer: thousands of them cost as few
/// allocations as one.
#[derive(Default)]
pub(super) struct Page {
    buffer: BytesMut,
    ends: Vec<usize>,
}

impl Page {
    /// Takes the entries of a record in, but for the first `skip`, until the page is over `bytes_max`.
    /// Gives how many entries the record has.
    pub(super) fn fill(&mut self, record: &[u8], skip: usize, bytes_max: usize) -> Result<usize, Error> {
        let mut count = 0;
        Entries::each(record, |entry| {
            if count >= skip && !self.is_over(bytes_max) {
                self.buffer.extend_from_slice(entry);
                self.ends.push(self.buffer.len());
            }
            count += 1;
        })?;
        Ok(count)
    }

    pub(super) fn is_over(&self, bytes_max: usize) -> bool {
        self.buffer.len() > bytes_max
    }

    pub(super) fn into_entries(self) -> Vec<Bytes> {
        let mut buffer = self.buffer.freeze();
        let mut before = 0;
        let ends = self.ends.into_iter();
        ends.map(|end| buffer.split_to(end - std::mem::replace(&mut before, end))).collect()
    }
}

fn u32_of(bytes: &[u8]) -> usize {
    bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize)
}

/// A value that may be long, from the tree alone.
pub(super) fn get_long(tree: &::sled::Tree, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    match tree.get(key).map_err(unreadable)? {
        Some(head) => join_from(tree, key, &head).map(|value| Some(value.into_owned())),
        None => Ok(None),
    }
}

/// A value that may be long, whose first part was just read.
pub(super) fn join_from<'a>(tree: &::sled::Tree, key: &[u8], head: &'a [u8]) -> Result<Cow<'a, [u8]>, Error> {
    long::join(key, head, |part| Ok(tree.get(part).map_err(unreadable)?.map(|value| value.to_vec())))
}

/// The key of the last record of a run's journal at or before entry `seq`.
pub(super) fn record_key_at(tree: &::sled::Tree, run: &RunId, seq: u64) -> Result<Option<Vec<u8>>, Error> {
    let range = keys::journal(run, 0)..=keys::journal(run, seq);
    match tree.range(range).next_back() {
        Some(found) => Ok(Some(found.map_err(unreadable)?.0.to_vec())),
        None => Ok(None),
    }
}

/// The number of the last entry of a run's journal, and the length of all of them in bytes.
fn end(tree: &::sled::Tree, run: &RunId) -> Result<(u64, u64), Error> {
    let Some(key) = record_key_at(tree, run, u64::MAX)? else {
        return Err(Error::damaged(format!("run {run} has no journal")));
    };
    let first =
        keys::journal_seq(&key).ok_or_else(|| Error::damaged("a key of the journal has no number"))?;
    let record = get_long(tree, &key)?.ok_or_else(|| Error::damaged("a record went away"))?;
    let record = Entries::decode(&record)?;
    Ok((first + record.entries.len() as u64 - 1, record.bytes))
}

/// What the tree knows of a run.
pub(super) fn head(tree: &::sled::Tree, run: &RunId) -> Result<Option<RunHead>, Error> {
    let Some(claim) = tree.get(keys::of_run(keys::CLAIMS, run)).map_err(unreadable)? else {
        return Ok(None);
    };
    let claim = ClaimRecord::decode(&claim)?;
    let (last_seq, bytes) = end(tree, run)?;
    let summary = get_long(tree, &keys::of_run(keys::SUMMARIES, run))?
        .ok_or_else(|| Error::damaged(format!("run {run} has no summary")))?;
    Ok(Some(RunHead {
        run: run.clone(),
        epoch: claim.epoch,
        claimed: claim.claimed,
        unclean_ends: claim.unclean_ends,
        first_seq: claim.first_seq,
        last_seq,
        bytes,
        summary: summary.into(),
    }))
}
