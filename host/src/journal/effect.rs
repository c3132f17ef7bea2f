//! What an effect may ask of the journal while it is carried out.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::entry::{CallRecord, Fact};
use super::error::Error;
use super::slot::{self, Slot};
use super::state::{Cancel, FailedAttempt};
use super::store::{ValueWrite, Write};
use super::writer::{Along, Writer};
use crate::model::{Fault, FaultCode, ItemId, StepSeq, Timestamp};

/// The step whose effect is being carried out.
#[derive(Debug)]
pub struct Effect {
    pub(super) writer: Arc<Mutex<Writer>>,
    pub(super) step: StepSeq,
    /// The call, until an entry has it.
    pub(super) call: Option<CallRecord>,
    pub(super) in_doubt: Option<Bytes>,
    pub(super) attempt: Option<FailedAttempt>,
    pub(super) cancel: Option<Cancel>,
    pub(super) fault: Option<FaultCode>,
    pub(super) cancel_told: bool,
    /// Tables that go when the step ends.
    pub(super) forget: Vec<Write>,
    /// Values outside of runs that are written with the step's end.
    pub(super) values: Vec<ValueWrite>,
    /// Held from the first look at such values until the step has ended.
    pub(super) values_guard: Option<OwnedMutexGuard<()>>,
}

impl Effect {
    /// Which step.
    #[must_use]
    pub fn seq(&self) -> StepSeq {
        self.step
    }

    /// What [`Effect::begin`] was told in an earlier process that never came to the end of this step:
    /// the effect may have taken place. `None` where it can't have.
    #[must_use]
    pub fn in_doubt(&self) -> Option<&[u8]> {
        self.in_doubt.as_deref()
    }

    /// The last attempt that failed, in this process or an earlier one.
    #[must_use]
    pub fn last_attempt(&self) -> Option<&FailedAttempt> {
        self.attempt.as_ref()
    }

    /// A cancel that no step has told the guest of.
    #[must_use]
    pub fn cancel(&self) -> Option<Cancel> {
        self.cancel.filter(|cancel| !cancel.told)
    }

    /// The result of this step tells the guest that its run is being cancelled: later steps work
    /// again, so that it can clean up.
    pub fn tell_cancel(&mut self) {
        self.cancel_told = true;
    }

    /// The result of this step is a fault: for those who read histories.
    pub fn mark_fault(&mut self, code: &FaultCode) {
        self.fault = Some(code.clone());
    }

    /// Makes durable that the effect is about to begin, with what will tell later whether it took
    /// place. Once for each step: nothing happens if it is in doubt, since the first evidence counts.
    ///
    /// # Errors
    /// Those of [`super::Store::append`].
    pub async fn begin(&mut self, evidence: &[u8]) -> Result<(), Error> {
        let Some(call) = self.call.take() else {
            return Ok(());
        };
        let fact = Fact::StepStarted { step: self.step, call, evidence: Bytes::copy_from_slice(evidence) };
        crate::crash::point("journal.step-started.before");
        self.writer.lock().await.commit(vec![fact], Along::default()).await?;
        crate::crash::point("journal.step-started.after");
        Ok(())
    }

    /// Makes durable that an attempt failed and when the next one is due, so that a later process
    /// goes on waiting where this one was.
    ///
    /// # Errors
    /// Those of [`super::Store::append`].
    pub async fn attempt_failed(
        &mut self,
        attempt: u32,
        fault: &Fault,
        next_at: Timestamp,
    ) -> Result<(), Error> {
        let fact = Fact::StepAttempt { step: self.step, attempt, fault: fault.clone(), next_at };
        let along = Along { progress: true, ..Along::default() };
        self.writer.lock().await.commit(vec![fact], along).await?;
        self.attempt = Some(FailedAttempt { attempt, fault: fault.clone(), next_at });
        Ok(())
    }

    /// The table of one item of this step. It is removed together with the step's end.
    pub async fn slot(&mut self, item: ItemId) -> Arc<Slot> {
        self.forget(self.step);
        let writer = self.writer.lock().await;
        Arc::new(Slot::new(Arc::clone(writer.store()), writer.claim().clone(), self.step, item))
    }

    /// Removes all tables of a step (a batch that is closed) together with this step's end.
    pub fn forget(&mut self, step: StepSeq) {
        let write = Write::RemoveAll(slot::step_prefix(step));
        if !self.forget.contains(&write) {
            self.forget.push(write);
        }
    }
}

/// A delivery that is being made.
#[derive(Debug, Default)]
pub struct Delivery {
    pub(super) forget: Vec<Write>,
}

impl Delivery {
    /// Removes the table of an item together with the delivery of its outcome.
    pub fn forget(&mut self, batch: StepSeq, item: ItemId) {
        self.forget.push(Write::RemoveAll(slot::item_prefix(batch, item)));
    }
}
