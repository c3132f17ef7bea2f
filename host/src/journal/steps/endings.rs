//! How a run, its journal, or its time in this process comes to an end.

use std::sync::Arc;

use super::log::StepLog;
use crate::crash;
use crate::journal::deliveries::{self, Deliveries};
use crate::journal::entry::{Ending, Fact, RunCreated, Stored};
use crate::journal::error::Error;
use crate::journal::halt::Halt;
use crate::journal::inbox;
use crate::journal::slot;
use crate::journal::store::{BlobId, Write};
use crate::journal::writer::{Along, blob_of};
use crate::model::{Fault, PauseReason};

/// Longest checkpoint that is carried in the first entry of the journal after `continue-with`, in
/// bytes; a longer one goes into a blob.
const CARRIED_BYTES_MAX: usize = 256;

impl StepLog {
    /// Lets a paused run go on.
    ///
    /// # Errors
    /// Those of [`append`](crate::journal::Store::append).
    pub async fn unpause(&mut self) -> Result<(), Halt> {
        self.writer.lock().await.commit(vec![Fact::Unpaused], Along::default()).await?;
        Ok(self.settle().await?)
    }

    /// Ends the run with what the workflow returned: JSON text, or a fault. The claim is released.
    ///
    /// # Errors
    /// [`Halt::Diverged`] where recorded steps are left over; the run can be paused then.
    pub async fn finish(&mut self, outcome: Result<String, Fault>) -> Result<(), Halt> {
        if !self.is_live() {
            return Err(self.diverged(None).await?);
        }
        if self.rehearsal.is_some() {
            return Err(Halt::Rehearsed);
        }
        let ending = match outcome {
            Ok(output) => {
                let output = self.writer.lock().await.keep(output.into()).await?;
                Ending::Done { output }
            }
            Err(fault) => Ending::Failed { fault },
        };
        Ok(self.end(ending).await?)
    }

    /// Ends the run as cancelled, wherever the guest is. The claim is released.
    ///
    /// # Errors
    /// Those of [`append`](crate::journal::Store::append).
    pub async fn finish_cancelled(&mut self) -> Result<(), Error> {
        self.end(Ending::Cancelled).await
    }

    /// Pauses the run for somebody to look. The claim is released.
    ///
    /// # Errors
    /// Those of [`append`](crate::journal::Store::append).
    pub async fn pause(&mut self, why: PauseReason, fault: Fault) -> Result<(), Error> {
        crash::point("journal.pause.before");
        self.writer.lock().await.commit(vec![Fact::Paused { why, fault }], Along::default()).await?;
        crash::point("journal.pause.after");
        self.store.release(&self.claim).await
    }

    /// Lets go of the run in good order: it goes on when it is resumed.
    ///
    /// # Errors
    /// Those of [`append`](crate::journal::Store::append).
    pub async fn release(&mut self) -> Result<(), Error> {
        let mut writer = self.writer.lock().await;
        if self.is_live() {
            writer.commit(Vec::new(), Along::default()).await?;
        }
        self.store.release(&self.claim).await
    }

    /// Ends this journal and begins the next one of the same run, with what the guest hands on.
    /// Steps go on counting. The guest must be started anew.
    ///
    /// # Errors
    /// [`Halt::Diverged`] where recorded steps are left over.
    pub async fn continue_with(&mut self, state: String, seed: [u8; 32]) -> Result<(), Halt> {
        if !self.is_live() {
            return Err(self.diverged(None).await?);
        }
        let mut writer = self.writer.lock().await;
        // Pending notes become part of the journal that ends, so that its statuses are whole.
        writer.commit(Vec::new(), Along::default()).await?;
        let resumed = writer.keep(state.into()).await?;
        let mut blobs: Vec<BlobId> = blob_of(&resumed).into_iter().collect();
        let mut checkpoints = Vec::new();
        for (key, value) in &self.checkpoints {
            // All of them go into one entry, so only small ones stay in it.
            let value = match value {
                Stored::Inline(bytes) if bytes.len() > CARRIED_BYTES_MAX => {
                    let id = self.store.put_blob(bytes.clone()).await?;
                    blobs.push(id);
                    Stored::Blob { id, bytes: bytes.len() as u64 }
                }
                other => other.clone(),
            };
            checkpoints.push((key.clone(), value));
        }
        let old = writer.state();
        let created = RunCreated {
            seed,
            after: self.step,
            resumed: Some(resumed),
            checkpoints,
            statuses: old.statuses.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            ..old.created.clone()
        };
        let writes =
            vec![Write::RemoveAll(deliveries::PREFIX.to_vec()), Write::RemoveAll(slot::TABLES.to_vec())];
        crash::point("journal.continue.before");
        let fact = Fact::RunCreated(Box::new(created));
        let at = writer.time().max(self.now);
        writer.restart(at, fact, Along { writes, blobs, progress: true, ..Along::default() }).await?;
        crash::point("journal.continue.after");
        drop(writer);
        self.deliveries = Deliveries::empty(Arc::clone(&self.store), self.claim.run.clone());
        self.now = at;
        self.notes_made = 0;
        self.notes_recorded = 0;
        Ok(())
    }

    pub(super) async fn end(&mut self, ending: Ending) -> Result<(), Error> {
        let blobs = match &ending {
            Ending::Done { output } => blob_of(output).into_iter().collect(),
            Ending::Failed { .. } | Ending::Cancelled => Vec::new(),
        };
        // What was delivered stays: without it an ended run couldn't be replayed.
        let writes = [slot::TABLES, inbox::WAITING, inbox::IDS].map(|rows| Write::RemoveAll(rows.to_vec()));
        crash::point("journal.end.before");
        let along = Along { writes: writes.into(), blobs, progress: true, ..Along::default() };
        self.writer.lock().await.commit(vec![Fact::Ended(ending)], along).await?;
        crash::point("journal.end.after");
        self.store.release(&self.claim).await
    }
}
