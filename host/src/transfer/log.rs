//! Where a transfer keeps what must survive a crash. The engine gives each transfer a place in the
//! journal's store; the command line's `site get` gives one in memory.
//!
//! The order of a commit is the transfer's own business (ftp.md): data on disk first, then
//! [`TransferLog::put`], and only what `put` has acknowledged is committed.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;

use crate::model::Fault;

/// A small ordered table of one transfer. Keys are short (at most 32 bytes), values at most 4 KiB:
/// the journal's store takes no larger ones.
#[async_trait]
pub trait TransferLog: Send + Sync {
    /// The value of a key.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Fault>;

    /// All keys that begin with `prefix`, in order.
    async fn scan(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, Fault>;

    /// Writes all of it or nothing; durable when it returns. `None` removes a key.
    async fn put(&self, writes: Vec<(String, Option<Vec<u8>>)>) -> Result<(), Fault>;
}

/// A log that a crash forgets.
#[derive(Debug, Default)]
pub struct MemoryLog {
    table: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl MemoryLog {
    fn table(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.table.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[async_trait]
impl TransferLog for MemoryLog {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.table().get(key).cloned())
    }

    async fn scan(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, Fault> {
        let table = self.table();
        Ok(table
            .range(prefix.to_owned()..)
            .take_while(|(k, _)| k.starts_with(prefix))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect())
    }

    async fn put(&self, writes: Vec<(String, Option<Vec<u8>>)>) -> Result<(), Fault> {
        let mut table = self.table();
        for (key, value) in writes {
            match value {
                Some(value) => table.insert(key, value),
                None => table.remove(&key),
            };
        }
        Ok(())
    }
}
