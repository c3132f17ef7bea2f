//! A transfer's log, kept in the run's own tables.

use std::sync::Arc;

use async_trait::async_trait;

use crate::journal::{Error, Slot};
use crate::model::{Fault, FaultCode};
use crate::transfer::TransferLog;

/// A [`TransferLog`] in a [`Slot`]: written under the run's claim, so that a process that lost the run
/// can't move its offsets.
#[derive(Clone, Debug)]
pub(super) struct Table {
    slot: Arc<Slot>,
}

impl Table {
    pub(super) fn new(slot: Arc<Slot>) -> Self {
        Self { slot }
    }

    /// Whether the transfer has left any trace: it has begun, in this process or another.
    pub(super) async fn has_begun(&self) -> Result<bool, Fault> {
        Ok(!self.slot.scan("").await.map_err(|error| told(&error))?.is_empty())
    }
}

/// A run that was taken over by another process isn't to be told to the guest: to this process, the
/// run is interrupted.
fn told(error: &Error) -> Fault {
    match error {
        Error::Fenced { .. } => {
            Fault::new(FaultCode::RunInterrupted, format!("another process has taken over: {error}"))
        }
        _ => error.to_fault(),
    }
}

#[async_trait]
impl TransferLog for Table {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        let value = self.slot.get(key).await.map_err(|error| told(&error))?;
        Ok(value.map(|value| value.to_vec()))
    }

    async fn scan(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, Fault> {
        let rows = self.slot.scan(prefix).await.map_err(|error| told(&error))?;
        Ok(rows.into_iter().map(|(key, value)| (key, value.to_vec())).collect())
    }

    async fn put(&self, writes: Vec<(String, Option<Vec<u8>>)>) -> Result<(), Fault> {
        self.slot.put(writes).await.map_err(|error| told(&error))
    }
}
