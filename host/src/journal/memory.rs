//! The store as a model: a few maps behind a lock. Tests run on it, and every other store must do as
//! it does.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::error::Error;
use super::limits::Limits;
use super::store::{
    Append, BlobId, Claim, Firing, FiringKey, NewFiring, NewRun, RunExport, RunHead, Store, StoredSchedule,
    Versioned, Write,
};
use crate::model::{RunId, Timestamp};

/// A store that is gone when it is dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    limits: Limits,
    inner: Mutex<Inner>,
    values_lock: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct Inner {
    runs: BTreeMap<RunId, Run>,
    values: BTreeMap<String, Versioned>,
    schedules: BTreeMap<String, StoredSchedule>,
    firings: BTreeMap<FiringKey, Firing>,
    blobs: HashMap<BlobId, Bytes>,
}

#[derive(Debug)]
struct Run {
    head: RunHead,
    entries: Vec<Bytes>,
    table: BTreeMap<Vec<u8>, Bytes>,
    blobs: BTreeSet<BlobId>,
}

impl Run {
    fn owned_by(&self, claim: &Claim) -> Result<(), Error> {
        if self.head.epoch == claim.epoch {
            Ok(())
        } else {
            Err(Error::Fenced { run: claim.run.clone(), epoch: self.head.epoch })
        }
    }

    fn change(&mut self, writes: Vec<Write>) {
        for write in writes {
            match write {
                Write::Put(key, value) => {
                    self.table.insert(key, value);
                }
                Write::Remove(key) => {
                    self.table.remove(&key);
                }
                Write::RemoveAll(prefix) => self.table.retain(|key, _| !key.starts_with(&prefix)),
            }
        }
    }
}

impl Inner {
    fn run(&mut self, run: &RunId) -> Result<&mut Run, Error> {
        self.runs.get_mut(run).ok_or_else(|| Error::NotFound { run: run.clone() })
    }

    fn version(&self, key: &str) -> Option<u64> {
        self.values.get(key).map(|stands| stands.version)
    }

    /// Sets or removes a value that has this version.
    fn set(&mut self, key: &str, version: Option<u64>, value: Option<Bytes>) {
        match value {
            Some(value) => {
                let version = version.unwrap_or(0) + 1;
                self.values.insert(key.to_owned(), Versioned { version, value });
            }
            None => {
                self.values.remove(key);
            }
        }
    }

    /// The firing as it will stand, or `None` where it may not be written.
    fn judge(&self, new: &NewFiring, run: Option<&RunId>) -> Result<Option<Firing>, Error> {
        Limits::check_schedule(&new.key.schedule, &new.detail)?;
        let stands = self.firings.get(&new.key);
        if !self.schedules.contains_key(&new.key.schedule) {
            return Ok(None);
        }
        Ok(new.over(stands, run))
    }

    /// Removes blobs that nothing refers to any more.
    fn drop_unused(&mut self, blobs: impl IntoIterator<Item = BlobId>) {
        for id in blobs {
            let of_run = self.runs.values().any(|run| run.blobs.contains(&id));
            if !of_run && !self.schedules.values().any(|schedule| schedule.component == id) {
                self.blobs.remove(&id);
            }
        }
    }
}

impl MemoryStore {
    /// An empty store with these bounds.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn length(entries: &[Bytes]) -> u64 {
    entries.iter().map(|entry| entry.len() as u64).sum()
}

#[async_trait]
impl Store for MemoryStore {
    fn limits(&self) -> &Limits {
        &self.limits
    }

    async fn submit(&self, new: NewRun) -> Result<Claim, Error> {
        let mut inner = self.inner();
        if inner.runs.contains_key(&new.run) {
            return Err(Error::Exists { run: new.run });
        }
        let mut head = RunHead {
            run: new.run.clone(),
            epoch: 1,
            claimed: true,
            unclean_ends: 0,
            first_seq: 1,
            last_seq: 0,
            bytes: 0,
            summary: new.summary,
        };
        self.limits.check_entries(&head, &new.entries, false)?;
        if let Some(firing) = &new.firing {
            let fired = inner.judge(firing, Some(&new.run))?.ok_or_else(|| firing.refused())?;
            inner.firings.insert(firing.key.clone(), fired);
        }
        head.last_seq = new.entries.len() as u64;
        head.bytes = length(&new.entries);
        let blobs = new.blobs.into_iter().collect();
        inner.runs.insert(new.run.clone(), Run { head, entries: new.entries, table: BTreeMap::new(), blobs });
        Ok(Claim { run: new.run, epoch: 1 })
    }

    async fn claim(&self, run: &RunId) -> Result<(Claim, RunHead), Error> {
        let mut inner = self.inner();
        let head = &mut inner.run(run)?.head;
        head.epoch += 1;
        head.unclean_ends += u32::from(head.claimed);
        head.claimed = true;
        Ok((Claim { run: run.clone(), epoch: head.epoch }, head.clone()))
    }

    async fn release(&self, claim: &Claim) -> Result<(), Error> {
        let mut inner = self.inner();
        let run = inner.run(&claim.run)?;
        run.owned_by(claim)?;
        run.head.claimed = false;
        run.head.unclean_ends = 0;
        Ok(())
    }

    async fn head(&self, run: &RunId) -> Result<Option<RunHead>, Error> {
        Ok(self.inner().runs.get(run).map(|run| run.head.clone()))
    }

    async fn heads(&self, before: Option<&RunId>, max: usize) -> Result<Vec<RunHead>, Error> {
        let inner = self.inner();
        let newest_first = inner.runs.values().rev().map(|run| &run.head);
        Ok(newest_first.filter(|head| before.is_none_or(|b| head.run < *b)).take(max).cloned().collect())
    }

    async fn append(&self, append: Append) -> Result<u64, Error> {
        let mut inner = self.inner();
        for write in &append.values {
            Limits::check_value(&write.key, write.value.as_ref())?;
        }
        let stale = append.values.iter().find(|write| inner.version(&write.key) != write.version).cloned();
        let run = inner.run(&append.claim.run)?;
        run.owned_by(&append.claim)?;
        if run.head.last_seq != append.expected_seq {
            return Err(Error::SeqConflict { run: append.claim.run, last: run.head.last_seq });
        }
        Limits::check_writes(&append.writes)?;
        if !append.beyond_limits {
            self.limits.check_entries(&run.head, &append.entries, append.restart)?;
        }
        if let Some(stale) = stale {
            return Err(Error::ValueConflict { key: stale.key });
        }
        if append.restart {
            run.head.first_seq = run.head.last_seq + 1;
            run.head.bytes = 0;
            run.entries.clear();
        }
        run.head.last_seq += append.entries.len() as u64;
        run.head.bytes += length(&append.entries);
        run.entries.extend(append.entries);
        run.change(append.writes);
        run.blobs.extend(append.blobs);
        if let Some(summary) = append.summary {
            run.head.summary = summary;
        }
        if append.progress {
            run.head.unclean_ends = 0;
        }
        let last_seq = run.head.last_seq;
        for write in append.values {
            inner.set(&write.key, write.version, write.value);
        }
        Ok(last_seq)
    }

    async fn write(&self, claim: &Claim, writes: Vec<Write>) -> Result<(), Error> {
        let mut inner = self.inner();
        let run = inner.run(&claim.run)?;
        run.owned_by(claim)?;
        Limits::check_writes(&writes)?;
        run.change(writes);
        run.head.unclean_ends = 0;
        Ok(())
    }

    async fn read(&self, run: &RunId, from: u64, bytes_max: usize) -> Result<(u64, Vec<Bytes>), Error> {
        let mut inner = self.inner();
        let run = inner.run(run)?;
        let from = from.max(run.head.first_seq);
        let skip = usize::try_from(from - run.head.first_seq).unwrap_or(usize::MAX);
        let mut page = Vec::new();
        let mut bytes = 0;
        for entry in run.entries.iter().skip(skip) {
            if bytes > bytes_max {
                break;
            }
            bytes += entry.len();
            page.push(entry.clone());
        }
        Ok((from, page))
    }

    async fn get(&self, run: &RunId, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.inner().run(run)?.table.get(key).cloned())
    }

    async fn scan(
        &self,
        run: &RunId,
        prefix: &[u8],
        after: Option<&[u8]>,
        max: usize,
    ) -> Result<Vec<(Vec<u8>, Bytes)>, Error> {
        let mut inner = self.inner();
        let rows = inner.run(run)?.table.iter();
        let rows =
            rows.filter(|(key, _)| key.starts_with(prefix) && after.is_none_or(|a| key.as_slice() > a));
        Ok(rows.take(max).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    async fn value(&self, key: &str) -> Result<Option<Versioned>, Error> {
        Ok(self.inner().values.get(key).cloned())
    }

    async fn put_if(&self, key: &str, version: Option<u64>, value: Option<Bytes>) -> Result<bool, Error> {
        let mut inner = self.inner();
        if inner.version(key) != version {
            return Ok(false);
        }
        Limits::check_value(key, value.as_ref())?;
        inner.set(key, version, value);
        Ok(true)
    }

    fn values_lock(&self) -> &Arc<tokio::sync::Mutex<()>> {
        &self.values_lock
    }

    async fn values(&self, after: Option<&str>, max: usize) -> Result<Vec<(String, Versioned)>, Error> {
        let inner = self.inner();
        let values = inner.values.iter().filter(|(key, _)| after.is_none_or(|a| key.as_str() > a));
        Ok(values.take(max).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    async fn schedule(&self, name: &str) -> Result<Option<StoredSchedule>, Error> {
        Ok(self.inner().schedules.get(name).cloned())
    }

    async fn schedules(
        &self,
        after: Option<&str>,
        max: usize,
    ) -> Result<Vec<(String, StoredSchedule)>, Error> {
        let inner = self.inner();
        let schedules = inner.schedules.iter().filter(|(name, _)| after.is_none_or(|a| name.as_str() > a));
        Ok(schedules.take(max).map(|(name, schedule)| (name.clone(), schedule.clone())).collect())
    }

    async fn put_schedule(
        &self,
        name: &str,
        version: Option<u64>,
        component: BlobId,
        value: Bytes,
    ) -> Result<bool, Error> {
        Limits::check_schedule(name, &value)?;
        let mut inner = self.inner();
        let stands = inner.schedules.get(name).cloned();
        if stands.as_ref().map(|old| old.version) != version {
            return Ok(false);
        }
        let new = StoredSchedule { version: version.unwrap_or(0) + 1, component, value };
        inner.schedules.insert(name.to_owned(), new);
        inner.drop_unused(stands.map(|old| old.component));
        Ok(true)
    }

    async fn remove_schedule(&self, name: &str, version: u64) -> Result<bool, Error> {
        let mut inner = self.inner();
        let Some(stands) = inner.schedules.get(name).cloned().filter(|old| old.version == version) else {
            return Ok(false);
        };
        inner.schedules.remove(name);
        inner.firings.retain(|key, _| key.schedule != name);
        inner.drop_unused([stands.component]);
        Ok(true)
    }

    async fn firing(&self, key: &FiringKey) -> Result<Option<Firing>, Error> {
        Ok(self.inner().firings.get(key).cloned())
    }

    async fn firings(
        &self,
        schedule: &str,
        before: Option<&FiringKey>,
        max: usize,
    ) -> Result<Vec<Firing>, Error> {
        let inner = self.inner();
        let latest_first = inner.firings.values().rev().filter(|firing| firing.key.schedule == schedule);
        Ok(latest_first.filter(|firing| before.is_none_or(|b| firing.key < *b)).take(max).cloned().collect())
    }

    async fn note_firing(&self, firing: NewFiring) -> Result<bool, Error> {
        let mut inner = self.inner();
        let Some(noted) = inner.judge(&firing, firing.run.as_ref())? else { return Ok(false) };
        inner.firings.insert(firing.key, noted);
        Ok(true)
    }

    async fn forget_firings(&self, schedule: &str, before: Timestamp) -> Result<u64, Error> {
        let mut inner = self.inner();
        let held = inner.firings.len();
        inner.firings.retain(|key, _| key.schedule != schedule || key.nominal >= before);
        Ok((held - inner.firings.len()) as u64)
    }

    async fn put_blob(&self, bytes: Bytes) -> Result<BlobId, Error> {
        self.limits.check_blob(bytes.len())?;
        let id = BlobId::of(&bytes);
        self.inner().blobs.insert(id, bytes);
        Ok(id)
    }

    async fn blob(&self, id: BlobId) -> Result<Option<Bytes>, Error> {
        Ok(self.inner().blobs.get(&id).cloned())
    }

    async fn remove(&self, run: &RunId) -> Result<(), Error> {
        let mut inner = self.inner();
        if inner.run(run)?.head.claimed {
            return Err(Error::Claimed { run: run.clone() });
        }
        let removed = inner.runs.remove(run);
        inner.drop_unused(removed.into_iter().flat_map(|run| run.blobs));
        Ok(())
    }

    async fn export(&self, run: &RunId) -> Result<Option<RunExport>, Error> {
        Ok(self.inner().runs.get(run).map(|run| RunExport {
            head: run.head.clone(),
            entries: run.entries.clone(),
            table: run.table.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            blobs: run.blobs.iter().copied().collect(),
        }))
    }

    async fn import(&self, export: RunExport) -> Result<(), Error> {
        let mut inner = self.inner();
        let id = export.head.run.clone();
        if inner.runs.contains_key(&id) {
            return Err(Error::Exists { run: id });
        }
        let head = RunHead { claimed: false, unclean_ends: 0, ..export.head };
        let run = Run {
            head,
            entries: export.entries,
            table: export.table.into_iter().collect(),
            blobs: export.blobs.into_iter().collect(),
        };
        inner.runs.insert(id, run);
        Ok(())
    }
}
