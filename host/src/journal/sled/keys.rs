//! Keys of the one tree: a letter for the kind, then what it is about. Run ids are their 26
//! characters, numbers are big-endian, so keys sort as what they stand for.

use crate::journal::store::{BlobId, FiringKey};
use crate::model::{RunId, Timestamp};

/// Length of a run id in a key.
pub(super) const RUN_BYTES: usize = 26;

/// `c` run: who may write to the run.
pub(super) const CLAIMS: u8 = b'c';
/// `s` run: its summary.
pub(super) const SUMMARIES: u8 = b's';
/// `j` run seq: entries that were appended together, under the number of the first.
pub(super) const JOURNAL: u8 = b'j';
/// `t` run key: a row of its table.
pub(super) const TABLE: u8 = b't';
/// `v` key: a value outside of runs.
pub(super) const VALUES: u8 = b'v';
/// `r` run blob: the run refers to the blob.
pub(super) const REFERENCES: u8 = b'r';
/// `b` blob run: the blob is referred to by the run. `b` blob `@` name: by the schedule.
pub(super) const REFERRERS: u8 = b'b';
/// `p` name: a schedule.
pub(super) const SCHEDULES: u8 = b'p';
/// `f` name 0 time round: a firing of a schedule.
pub(super) const FIRINGS: u8 = b'f';
/// `w`: the number of commits.
pub(super) const COMMITS: &[u8] = b"w";
/// `+` key number: the further parts of a long value.
pub(super) const PARTS: u8 = b'+';

/// A key of this kind for a run.
pub(super) fn of_run(kind: u8, run: &RunId) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + RUN_BYTES + 8);
    key.push(kind);
    key.extend_from_slice(run.as_str().as_bytes());
    key
}

/// Entries of a run from `seq` on.
pub(super) fn journal(run: &RunId, seq: u64) -> Vec<u8> {
    let mut key = of_run(JOURNAL, run);
    key.extend_from_slice(&seq.to_be_bytes());
    key
}

/// The number in a key made by [`journal`].
pub(super) fn journal_seq(key: &[u8]) -> Option<u64> {
    key.get(1 + RUN_BYTES..)?.try_into().ok().map(u64::from_be_bytes)
}

/// A row of a run's table.
pub(super) fn table(run: &RunId, row: &[u8]) -> Vec<u8> {
    let mut key = of_run(TABLE, run);
    key.extend_from_slice(row);
    key
}

/// A value outside of runs.
pub(super) fn value(name: &str) -> Vec<u8> {
    [&[VALUES], name.as_bytes()].concat()
}

/// Both directions of a reference.
pub(super) fn reference(run: &RunId, blob: BlobId) -> [Vec<u8>; 2] {
    let mut forth = of_run(REFERENCES, run);
    forth.extend_from_slice(&blob.0);
    let mut back = referrers(blob);
    back.extend_from_slice(run.as_str().as_bytes());
    [forth, back]
}

/// All runs that refer to a blob.
pub(super) fn referrers(blob: BlobId) -> Vec<u8> {
    [&[REFERRERS], &blob.0[..]].concat()
}

/// A schedule.
pub(super) fn schedule(name: &str) -> Vec<u8> {
    [&[SCHEDULES], name.as_bytes()].concat()
}

/// The blob is referred to by the schedule.
pub(super) fn reference_of_schedule(name: &str, blob: BlobId) -> Vec<u8> {
    // No run's id has an `@`.
    [&referrers(blob)[..], b"@", name.as_bytes()].concat()
}

/// All firings of a schedule.
pub(super) fn firings(schedule: &str) -> Vec<u8> {
    [&[FIRINGS], schedule.as_bytes(), &[0]].concat()
}

/// A firing; firings of a schedule sort by time and round.
pub(super) fn firing(key: &FiringKey) -> Vec<u8> {
    let mut bytes = firings(&key.schedule);
    bytes.extend_from_slice(&key.nominal.0.to_be_bytes());
    bytes.extend_from_slice(&key.round.to_be_bytes());
    bytes
}

/// What a key made by [`firing`] says.
pub(super) fn firing_key(bytes: &[u8]) -> Option<FiringKey> {
    let (name, rest) = bytes.get(1..)?.split_at_checked(bytes.len().checked_sub(1 + 11)?)?;
    let (nominal, round) = rest.get(1..)?.split_first_chunk::<8>()?;
    Some(FiringKey {
        schedule: std::str::from_utf8(name).ok()?.to_owned(),
        nominal: Timestamp(u64::from_be_bytes(*nominal)),
        round: u16::from_be_bytes(round.try_into().ok()?),
    })
}

/// The blob in the first key made by [`reference`].
pub(super) fn referred(key: &[u8]) -> Option<BlobId> {
    key.get(1 + RUN_BYTES..)?.try_into().ok().map(BlobId)
}

/// The `number`-th further part of a long value, from 1.
pub(super) fn part(key: &[u8], number: u16) -> Vec<u8> {
    let mut part = Vec::with_capacity(key.len() + 3);
    part.push(PARTS);
    part.extend_from_slice(key);
    part.extend_from_slice(&number.to_be_bytes());
    part
}
