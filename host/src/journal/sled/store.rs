//! The store on sled: reads go to the tree at once, writes to the commit thread.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::keys;
use super::ledger::{SledLedger, version_of};
use super::objects::Objects;
use super::open::{self, Opened, StateLock};
use super::records::{self, ClaimRecord, Page, get_long, join_from};
use super::schedules::{self, Changed};
use super::staging::unreadable;
use crate::journal::commit::{Committer, Written};
use crate::journal::error::Error;
use crate::journal::limits::Limits;
use crate::journal::store::{
    Append, BlobId, Claim, Firing, FiringKey, NewFiring, NewRun, RunExport, RunHead, Store, StoredSchedule,
    Versioned, Write,
};
use crate::model::{RunId, Timestamp};

/// How the store is to be opened.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Bounds of what a run may write.
    pub limits: Limits,
}

/// The store in a folder of the local disk. Whoever has it open is the only one.
#[derive(Debug)]
pub struct SledStore {
    limits: Limits,
    tree: ::sled::Tree,
    objects: Arc<Objects>,
    values_lock: Arc<tokio::sync::Mutex<()>>,
    // Dropped in this order: the last commits, then the lock.
    committer: Committer<SledLedger>,
    _lock: StateLock,
}

impl SledStore {
    /// Opens the state in a folder, and makes it if there is none. Blocks: a few milliseconds, or
    /// 0.2 s for each million of keys after a crash.
    ///
    /// # Errors
    /// [`Error::InUse`] where another process has it open, [`Error::Version`] where another version
    /// of this program made it, [`Error::Damaged`] where it isn't what was written (the files are
    /// left as they are), [`Error::Unwritable`].
    pub fn open(state: &Path, options: Options) -> Result<Self, Error> {
        let Opened { lock, folder, medium } = open::open(state)?;
        let objects = Arc::new(Objects::open(&folder)?);
        let tree = medium.tree().clone();
        for id in objects.list()? {
            if tree.scan_prefix(keys::referrers(id)).next().is_none() {
                objects.remove(id);
            }
        }
        let ledger = SledLedger::new(tree.clone(), medium, Arc::clone(&objects), options.limits);
        Ok(Self {
            limits: options.limits,
            tree,
            objects,
            values_lock: Arc::default(),
            committer: Committer::start(ledger)?,
            _lock: lock,
        })
    }

    /// Becomes an error when the store can take no more writes: the process must end then.
    #[must_use]
    pub fn failed(&self) -> watch::Receiver<Option<Error>> {
        self.committer.failed()
    }

    /// What it has written since it was opened.
    #[must_use]
    pub fn written(&self) -> Written {
        self.committer.written()
    }

    fn exists(&self, run: &RunId) -> Result<(), Error> {
        match self.tree.contains_key(keys::of_run(keys::CLAIMS, run)).map_err(unreadable)? {
            true => Ok(()),
            false => Err(Error::NotFound { run: run.clone() }),
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Objects) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let objects = Arc::clone(&self.objects);
        spawn_blocking(move || work(&objects)).await.map_err(|error| Error::bug(error.to_string()))?
    }

    /// Removes the blob that a change has left without use.
    async fn without(&self, (changed, unused): Changed) -> Result<bool, Error> {
        if let Some(unused) = unused {
            let removing = move |objects: &Objects| {
                objects.remove(unused);
                Ok(())
            };
            self.blocking(removing).await?;
        }
        Ok(changed)
    }

    /// Rows from `from` on whose keys begin with `prefix`, with what is left of the keys.
    fn rows(
        &self,
        from: Vec<u8>,
        prefix: &[u8],
        cut: usize,
        max: usize,
    ) -> Result<Vec<(Vec<u8>, Bytes)>, Error> {
        let mut rows = Vec::new();
        for row in self.tree.range(from..).take(max) {
            let (key, head) = row.map_err(unreadable)?;
            if !key.starts_with(prefix) {
                break;
            }
            let value = join_from(&self.tree, &key, &head)?;
            rows.push((key[cut..].to_vec(), Bytes::from(value.into_owned())));
        }
        Ok(rows)
    }
}

/// The least key that is greater.
fn successor(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

fn versioned(record: &[u8]) -> Result<Versioned, Error> {
    Ok(Versioned { version: version_of(record)?, value: Bytes::copy_from_slice(&record[8..]) })
}

#[async_trait]
impl Store for SledStore {
    fn limits(&self) -> &Limits {
        &self.limits
    }

    async fn submit(&self, new: NewRun) -> Result<Claim, Error> {
        self.committer.run(move |ledger| ledger.submit(new)).await
    }

    async fn claim(&self, run: &RunId) -> Result<(Claim, RunHead), Error> {
        let run = run.clone();
        self.committer.run(move |ledger| ledger.claim(&run)).await
    }

    async fn release(&self, claim: &Claim) -> Result<(), Error> {
        let claim = claim.clone();
        self.committer.run(move |ledger| ledger.release(&claim)).await
    }

    async fn head(&self, run: &RunId) -> Result<Option<RunHead>, Error> {
        records::head(&self.tree, run)
    }

    async fn heads(&self, before: Option<&RunId>, max: usize) -> Result<Vec<RunHead>, Error> {
        let end = match before {
            Some(before) => keys::of_run(keys::CLAIMS, before),
            None => vec![keys::CLAIMS + 1],
        };
        let mut heads = Vec::new();
        for row in self.tree.range(vec![keys::CLAIMS]..end).rev().take(max) {
            let (key, _) = row.map_err(unreadable)?;
            let run: RunId = std::str::from_utf8(&key[1..])
                .map_err(|error| error.to_string())
                .and_then(str::parse)
                .map_err(|error| Error::damaged(format!("a run's key: {error}")))?;
            // It may have been removed since.
            heads.extend(records::head(&self.tree, &run)?);
        }
        Ok(heads)
    }

    async fn append(&self, append: Append) -> Result<u64, Error> {
        self.committer.run(move |ledger| ledger.append(append)).await
    }

    async fn write(&self, claim: &Claim, writes: Vec<Write>) -> Result<(), Error> {
        let claim = claim.clone();
        self.committer.run(move |ledger| ledger.write(&claim, writes)).await
    }

    async fn read(&self, run: &RunId, from: u64, bytes_max: usize) -> Result<(u64, Vec<Bytes>), Error> {
        let Some(claim) = self.tree.get(keys::of_run(keys::CLAIMS, run)).map_err(unreadable)? else {
            return Err(Error::NotFound { run: run.clone() });
        };
        let from = from.max(ClaimRecord::decode(&claim)?.first_seq);
        let mut page = Page::default();
        let mut next = from;
        // The record that holds entry `from` may begin before it.
        let first =
            records::record_key_at(&self.tree, run, from)?.unwrap_or_else(|| keys::journal(run, from));
        for row in self.tree.range(first..=keys::journal(run, u64::MAX)) {
            let (key, head) = row.map_err(unreadable)?;
            let first = keys::journal_seq(&key)
                .ok_or_else(|| Error::damaged("a key of the journal has no number"))?;
            let missing = || Error::damaged(format!("entry {next} of run {run} is missing"));
            let skip = next.checked_sub(first).and_then(|skip| usize::try_from(skip).ok());
            let skip = skip.ok_or_else(missing)?;
            let count = page.fill(&join_from(&self.tree, &key, &head)?, skip, bytes_max)?;
            if skip > count {
                return Err(missing());
            }
            if page.is_over(bytes_max) {
                break;
            }
            next = first + count as u64;
        }
        Ok((from, page.into_entries()))
    }

    async fn get(&self, run: &RunId, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let value = get_long(&self.tree, &keys::table(run, key))?;
        if value.is_none() {
            self.exists(run)?;
        }
        Ok(value.map(Bytes::from))
    }

    async fn scan(
        &self,
        run: &RunId,
        prefix: &[u8],
        after: Option<&[u8]>,
        max: usize,
    ) -> Result<Vec<(Vec<u8>, Bytes)>, Error> {
        self.exists(run)?;
        let all = keys::table(run, prefix);
        let from = match after {
            Some(after) if after >= prefix => successor(keys::table(run, after)),
            _ => all.clone(),
        };
        self.rows(from, &all, 1 + keys::RUN_BYTES, max)
    }

    async fn value(&self, key: &str) -> Result<Option<Versioned>, Error> {
        get_long(&self.tree, &keys::value(key))?.map(|record| versioned(&record)).transpose()
    }

    async fn put_if(&self, key: &str, version: Option<u64>, value: Option<Bytes>) -> Result<bool, Error> {
        let key = key.to_owned();
        self.committer.run(move |ledger| ledger.put_if(&key, version, value.as_ref())).await
    }

    fn values_lock(&self) -> &Arc<tokio::sync::Mutex<()>> {
        &self.values_lock
    }

    async fn values(&self, after: Option<&str>, max: usize) -> Result<Vec<(String, Versioned)>, Error> {
        let from = after.map_or_else(|| vec![keys::VALUES], |after| successor(keys::value(after)));
        let rows = self.rows(from, &[keys::VALUES], 1, max)?;
        let named = rows.into_iter().map(|(key, record)| {
            let key = String::from_utf8(key).map_err(|_| Error::damaged("the name of a value is no text"))?;
            Ok((key, versioned(&record)?))
        });
        named.collect()
    }

    async fn schedule(&self, name: &str) -> Result<Option<StoredSchedule>, Error> {
        schedules::schedule(&self.tree, name)
    }

    async fn schedules(
        &self,
        after: Option<&str>,
        max: usize,
    ) -> Result<Vec<(String, StoredSchedule)>, Error> {
        let from = after.map_or_else(|| vec![keys::SCHEDULES], |after| successor(keys::schedule(after)));
        let rows = self.rows(from, &[keys::SCHEDULES], 1, max)?;
        let named = rows.into_iter().map(|(name, record)| {
            let name =
                String::from_utf8(name).map_err(|_| Error::damaged("the name of a schedule is no text"))?;
            Ok((name, schedules::decode_schedule(&record)?))
        });
        named.collect()
    }

    async fn put_schedule(
        &self,
        name: &str,
        version: Option<u64>,
        component: BlobId,
        value: Bytes,
    ) -> Result<bool, Error> {
        let name = name.to_owned();
        let changed =
            self.committer.run(move |ledger| ledger.put_schedule(&name, version, component, &value)).await?;
        self.without(changed).await
    }

    async fn remove_schedule(&self, name: &str, version: u64) -> Result<bool, Error> {
        let name = name.to_owned();
        let changed = self.committer.run(move |ledger| ledger.remove_schedule(&name, version)).await?;
        self.without(changed).await
    }

    async fn firing(&self, key: &FiringKey) -> Result<Option<Firing>, Error> {
        schedules::firing(&self.tree, key)
    }

    async fn firings(
        &self,
        schedule: &str,
        before: Option<&FiringKey>,
        max: usize,
    ) -> Result<Vec<Firing>, Error> {
        schedules::firings(&self.tree, schedule, before, max)
    }

    async fn note_firing(&self, firing: NewFiring) -> Result<bool, Error> {
        self.committer.run(move |ledger| ledger.note_firing(&firing)).await
    }

    async fn forget_firings(&self, schedule: &str, before: Timestamp) -> Result<u64, Error> {
        let mut forgotten = 0;
        loop {
            let name = schedule.to_owned();
            match self.committer.run(move |ledger| ledger.forget_firings(&name, before)).await? {
                0 => return Ok(forgotten),
                more => forgotten += more,
            }
        }
    }

    async fn put_blob(&self, bytes: Bytes) -> Result<BlobId, Error> {
        self.limits.check_blob(bytes.len())?;
        self.blocking(move |objects| objects.put(&bytes)).await
    }

    async fn blob(&self, id: BlobId) -> Result<Option<Bytes>, Error> {
        self.blocking(move |objects| objects.get(id)).await
    }

    async fn remove(&self, run: &RunId) -> Result<(), Error> {
        let run = run.clone();
        let unused = self.committer.run(move |ledger| ledger.remove(&run)).await?;
        self.blocking(move |objects| {
            unused.into_iter().for_each(|id| objects.remove(id));
            Ok(())
        })
        .await
    }

    async fn export(&self, run: &RunId) -> Result<Option<RunExport>, Error> {
        let run = run.clone();
        self.committer.run(move |ledger| ledger.export(&run)).await
    }

    async fn import(&self, run: RunExport) -> Result<(), Error> {
        self.committer.run(move |ledger| ledger.import(run)).await
    }
}
