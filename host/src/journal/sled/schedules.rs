//! Schedules and their firings: what requests about them do to the store, and how they are read.

use bytes::Bytes;

use super::keys;
use super::ledger::{SledLedger, version_of};
use super::records::{get_long, join_from};
use super::staging::unreadable;
use crate::journal::error::Error;
use crate::journal::limits::Limits;
use crate::journal::store::{BlobId, Firing, FiringKey, NewFiring, StoredSchedule};
use crate::model::{RunId, Timestamp};

/// Where the run's id stands in the record of a firing, if it has one.
const HAS_RUN: u8 = 1;
const HAS_NONE: u8 = 0;

/// Firings that are removed in one commit: so many that it is soon done, so few that nobody waits long.
const FORGET_MAX: usize = 1_000;

/// Whether it was changed, and the component that nothing refers to any more.
pub(super) type Changed = (bool, Option<BlobId>);

impl SledLedger {
    /// Sets a schedule; gives whether it did, and the component that nothing refers to any more.
    pub(super) fn put_schedule(
        &mut self,
        name: &str,
        version: Option<u64>,
        component: BlobId,
        value: &Bytes,
    ) -> Result<Changed, Error> {
        Limits::check_schedule(name, value)?;
        let stands = self.schedule(name)?;
        if stands.as_ref().map(|old| old.version) != version {
            return Ok((false, None));
        }
        let unused = match stands {
            Some(old) if old.component != component => self.let_go(name, old.component)?,
            _ => None,
        };
        self.staging.put(keys::reference_of_schedule(name, component), Vec::new());
        let mut record = (version.unwrap_or(0) + 1).to_le_bytes().to_vec();
        record.extend_from_slice(&component.0);
        record.extend_from_slice(value);
        self.staging.put_long(keys::schedule(name), &record)?;
        self.objects.unpin(component);
        Ok((true, unused))
    }

    /// Removes a schedule; gives whether it did, and its component if nothing refers to that any more.
    pub(super) fn remove_schedule(&mut self, name: &str, version: u64) -> Result<Changed, Error> {
        let Some(old) = self.schedule(name)?.filter(|old| old.version == version) else {
            return Ok((false, None));
        };
        self.staging.remove_long(&keys::schedule(name))?;
        self.staging.remove_all(&keys::firings(name))?;
        Ok((true, self.let_go(name, old.component)?))
    }

    /// Takes back a schedule's hold on a component; gives it if that was the last one.
    fn let_go(&mut self, name: &str, component: BlobId) -> Result<Option<BlobId>, Error> {
        self.staging.remove(keys::reference_of_schedule(name, component));
        let unused = self.staging.keys(&keys::referrers(component))?.is_empty();
        Ok(unused.then_some(component))
    }

    pub(super) fn note_firing(&mut self, new: &NewFiring) -> Result<bool, Error> {
        match self.judge_firing(new, new.run.as_ref())? {
            Some(firing) => self.stage_firing(&firing).map(|()| true),
            None => Ok(false),
        }
    }

    /// The firing as it will stand; `None` where it may not be written.
    pub(super) fn judge_firing(&self, new: &NewFiring, run: Option<&RunId>) -> Result<Option<Firing>, Error> {
        Limits::check_schedule(&new.key.schedule, &new.detail)?;
        if self.staging.get(&keys::schedule(&new.key.schedule))?.is_none() {
            return Ok(None);
        }
        let stands = self.staging.get_long(&keys::firing(&new.key))?;
        let stands = stands.map(|record| decode_firing(new.key.clone(), &record)).transpose()?;
        Ok(new.over(stands.as_ref(), run))
    }

    pub(super) fn stage_firing(&mut self, firing: &Firing) -> Result<(), Error> {
        let mut record = firing.version.to_le_bytes().to_vec();
        match &firing.run {
            Some(run) => {
                record.push(HAS_RUN);
                record.extend_from_slice(run.as_str().as_bytes());
            }
            None => record.push(HAS_NONE),
        }
        record.extend_from_slice(&firing.detail);
        self.staging.put_long(keys::firing(&firing.key), &record)
    }

    /// Removes at most [`FORGET_MAX`] firings before a time; gives how many.
    pub(super) fn forget_firings(&mut self, schedule: &str, before: Timestamp) -> Result<u64, Error> {
        let mut forgotten = 0;
        for key in self.staging.keys(&keys::firings(schedule))?.into_iter().take(FORGET_MAX) {
            let firing = keys::firing_key(&key).ok_or_else(|| Error::damaged("the key of a firing"))?;
            if firing.nominal >= before {
                break;
            }
            self.staging.remove_long(&key)?;
            forgotten += 1;
        }
        Ok(forgotten)
    }

    fn schedule(&self, name: &str) -> Result<Option<StoredSchedule>, Error> {
        let record = self.staging.get_long(&keys::schedule(name))?;
        record.map(|record| decode_schedule(&record)).transpose()
    }
}

/// A schedule of the tree.
pub(super) fn schedule(tree: &::sled::Tree, name: &str) -> Result<Option<StoredSchedule>, Error> {
    get_long(tree, &keys::schedule(name))?.map(|record| decode_schedule(&record)).transpose()
}

/// A firing of the tree.
pub(super) fn firing(tree: &::sled::Tree, key: &FiringKey) -> Result<Option<Firing>, Error> {
    let record = get_long(tree, &keys::firing(key))?;
    record.map(|record| decode_firing(key.clone(), &record)).transpose()
}

/// Firings of the tree, the latest first.
pub(super) fn firings(
    tree: &::sled::Tree,
    schedule: &str,
    before: Option<&FiringKey>,
    max: usize,
) -> Result<Vec<Firing>, Error> {
    let begin = keys::firings(schedule);
    let end = match before {
        Some(before) if before.schedule == schedule => keys::firing(before),
        // The byte after the zero that ends the name.
        _ => [&begin[..begin.len() - 1], &[1]].concat(),
    };
    let mut found = Vec::new();
    for row in tree.range(begin..end).rev().take(max) {
        let (key, head) = row.map_err(unreadable)?;
        let record = join_from(tree, &key, &head)?;
        let key = keys::firing_key(&key).ok_or_else(|| Error::damaged("the key of a firing"))?;
        found.push(decode_firing(key, &record)?);
    }
    Ok(found)
}

pub(super) fn decode_schedule(record: &[u8]) -> Result<StoredSchedule, Error> {
    let version = version_of(record)?;
    let (component, value) =
        record[8..].split_first_chunk().ok_or_else(|| Error::damaged("a schedule has no component"))?;
    Ok(StoredSchedule { version, component: BlobId(*component), value: Bytes::copy_from_slice(value) })
}

fn decode_firing(key: FiringKey, record: &[u8]) -> Result<Firing, Error> {
    let version = version_of(record)?;
    let (run, detail) = match record[8..].split_first() {
        Some((&HAS_NONE, rest)) => (None, rest),
        Some((&HAS_RUN, rest)) if rest.len() >= keys::RUN_BYTES => {
            let (run, rest) = rest.split_at(keys::RUN_BYTES);
            let run = std::str::from_utf8(run).map_err(|error| error.to_string()).and_then(str::parse);
            (Some(run.map_err(|error| Error::damaged(format!("the run of a firing: {error}")))?), rest)
        }
        _ => return Err(Error::damaged("a firing doesn't say whether it has a run")),
    };
    Ok(Firing { key, version, run, detail: Bytes::copy_from_slice(detail) })
}
