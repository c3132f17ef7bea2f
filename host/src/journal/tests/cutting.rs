//! A store that dies at its n-th write, before it took place or right after.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;

use crate::journal::{
    Append, BlobId, Claim, Error, Firing, FiringKey, Limits, NewFiring, NewRun, RunExport, RunHead, Store,
    StoredSchedule, Versioned, Write,
};
use crate::model::{RunId, Timestamp};

#[derive(Debug)]
pub(super) struct CuttingStore {
    inner: Arc<dyn Store>,
    /// Writes that are left; none pass after that.
    left: AtomicI64,
    /// The last write takes place and is never acknowledged.
    after: bool,
}

/// What becomes of a write.
enum Fate {
    Passes,
    IsLost,
    IsNotAnswered,
}

impl CuttingStore {
    pub(super) fn new(inner: Arc<dyn Store>, writes: i64, after: bool) -> Self {
        Self { inner, left: AtomicI64::new(writes), after }
    }

    /// Whether the store has died.
    pub(super) fn is_dead(&self) -> bool {
        self.left.load(Ordering::SeqCst) <= 0
    }

    fn fate(&self) -> Fate {
        match self.left.fetch_sub(1, Ordering::SeqCst) {
            2.. => Fate::Passes,
            1 if self.after => Fate::IsNotAnswered,
            _ => Fate::IsLost,
        }
    }

    async fn write<T>(&self, write: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let dead = || Error::Unavailable { reason: "cut off".to_owned() };
        match self.fate() {
            Fate::Passes => write.await,
            Fate::IsLost => Err(dead()),
            Fate::IsNotAnswered => {
                write.await?;
                Err(dead())
            }
        }
    }

    async fn read<T>(&self, read: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        if self.is_dead() {
            return Err(Error::Unavailable { reason: "cut off".to_owned() });
        }
        read.await
    }
}

#[async_trait]
impl Store for CuttingStore {
    fn limits(&self) -> &Limits {
        self.inner.limits()
    }

    fn values_lock(&self) -> &Arc<tokio::sync::Mutex<()>> {
        self.inner.values_lock()
    }

    async fn submit(&self, new: NewRun) -> Result<Claim, Error> {
        self.write(self.inner.submit(new)).await
    }

    async fn claim(&self, run: &RunId) -> Result<(Claim, RunHead), Error> {
        self.write(self.inner.claim(run)).await
    }

    async fn release(&self, claim: &Claim) -> Result<(), Error> {
        self.write(self.inner.release(claim)).await
    }

    async fn head(&self, run: &RunId) -> Result<Option<RunHead>, Error> {
        self.read(self.inner.head(run)).await
    }

    async fn heads(&self, before: Option<&RunId>, max: usize) -> Result<Vec<RunHead>, Error> {
        self.read(self.inner.heads(before, max)).await
    }

    async fn append(&self, append: Append) -> Result<u64, Error> {
        self.write(self.inner.append(append)).await
    }

    async fn write(&self, claim: &Claim, writes: Vec<Write>) -> Result<(), Error> {
        CuttingStore::write(self, self.inner.write(claim, writes)).await
    }

    async fn read(&self, run: &RunId, from: u64, bytes_max: usize) -> Result<(u64, Vec<Bytes>), Error> {
        CuttingStore::read(self, self.inner.read(run, from, bytes_max)).await
    }

    async fn get(&self, run: &RunId, key: &[u8]) -> Result<Option<Bytes>, Error> {
        CuttingStore::read(self, self.inner.get(run, key)).await
    }

    async fn scan(
        &self,
        run: &RunId,
        prefix: &[u8],
        after: Option<&[u8]>,
        max: usize,
    ) -> Result<Vec<(Vec<u8>, Bytes)>, Error> {
        CuttingStore::read(self, self.inner.scan(run, prefix, after, max)).await
    }

    async fn value(&self, key: &str) -> Result<Option<Versioned>, Error> {
        CuttingStore::read(self, self.inner.value(key)).await
    }

    async fn put_if(&self, key: &str, version: Option<u64>, value: Option<Bytes>) -> Result<bool, Error> {
        CuttingStore::write(self, self.inner.put_if(key, version, value)).await
    }

    async fn values(&self, after: Option<&str>, max: usize) -> Result<Vec<(String, Versioned)>, Error> {
        CuttingStore::read(self, self.inner.values(after, max)).await
    }

    async fn schedule(&self, name: &str) -> Result<Option<StoredSchedule>, Error> {
        CuttingStore::read(self, self.inner.schedule(name)).await
    }

    async fn schedules(
        &self,
        after: Option<&str>,
        max: usize,
    ) -> Result<Vec<(String, StoredSchedule)>, Error> {
        CuttingStore::read(self, self.inner.schedules(after, max)).await
    }

    async fn put_schedule(
        &self,
        name: &str,
        version: Option<u64>,
        component: BlobId,
        value: Bytes,
    ) -> Result<bool, Error> {
        CuttingStore::write(self, self.inner.put_schedule(name, version, component, value)).await
    }

    async fn remove_schedule(&self, name: &str, version: u64) -> Result<bool, Error> {
        CuttingStore::write(self, self.inner.remove_schedule(name, version)).await
    }

    async fn firing(&self, key: &FiringKey) -> Result<Option<Firing>, Error> {
        CuttingStore::read(self, self.inner.firing(key)).await
    }

    async fn firings(
        &self,
        schedule: &str,
        before: Option<&FiringKey>,
        max: usize,
    ) -> Result<Vec<Firing>, Error> {
        CuttingStore::read(self, self.inner.firings(schedule, before, max)).await
    }

    async fn note_firing(&self, firing: NewFiring) -> Result<bool, Error> {
        CuttingStore::write(self, self.inner.note_firing(firing)).await
    }

    async fn forget_firings(&self, schedule: &str, before: Timestamp) -> Result<u64, Error> {
        CuttingStore::write(self, self.inner.forget_firings(schedule, before)).await
    }

    async fn put_blob(&self, bytes: Bytes) -> Result<BlobId, Error> {
        CuttingStore::write(self, self.inner.put_blob(bytes)).await
    }

    async fn blob(&self, id: BlobId) -> Result<Option<Bytes>, Error> {
        CuttingStore::read(self, self.inner.blob(id)).await
    }

    async fn remove(&self, run: &RunId) -> Result<(), Error> {
        CuttingStore::write(self, self.inner.remove(run)).await
    }

    async fn export(&self, run: &RunId) -> Result<Option<RunExport>, Error> {
        CuttingStore::read(self, self.inner.export(run)).await
    }

    async fn import(&self, run: RunExport) -> Result<(), Error> {
        CuttingStore::write(self, self.inner.import(run)).await
    }
}
