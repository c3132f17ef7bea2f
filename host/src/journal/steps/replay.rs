//! The way along what is recorded, to where the log becomes live.

use bytes::Bytes;
use serde::Serialize;

use super::log::StepLog;
use super::once::Call;
use crate::crash;
use crate::journal::entry::{Fact, Stored};
use crate::journal::error::Error;
use crate::journal::fingerprint::{Fingerprint, readable};
use crate::journal::halt::{Divergence, Halt, Seen};
use crate::journal::state::FailedAttempt;
use crate::journal::writer::Along;
use crate::model::{StepSeq, Timestamp};

impl StepLog {
    /// Reads on to the end of the next step, or to the journal's end.
    pub(super) async fn replay<A: Serialize>(
        &mut self,
        call: &Call<'_, A>,
        fingerprint: Fingerprint,
        in_doubt: &mut Option<Bytes>,
        attempt: &mut Option<FailedAttempt>,
    ) -> Result<Option<Stored>, Halt> {
        if self.deliveries.peek().await?.is_some_and(|row| row.after <= self.step) {
            return Err(self.diverged(Some(seen(call))).await?);
        }
        loop {
            let recorded = match self.cursor.peek().await?.map(|entry| &entry.fact) {
                Some(Fact::StepStarted { call, .. } | Fact::StepFinished { call: Some(call), .. }) => {
                    Some(call.fingerprint)
                }
                _ => None,
            };
            if recorded.is_some_and(|recorded| recorded != fingerprint) {
                return Err(self.diverged(Some(seen(call))).await?);
            }
            let Some(entry) = self.cursor.next().await? else {
                return Ok(None);
            };
            match entry.fact {
                Fact::StepStarted { evidence, .. } => *in_doubt = Some(evidence),
                Fact::StepAttempt { attempt: number, fault, next_at, .. } => {
                    *attempt = Some(FailedAttempt { attempt: number, fault, next_at });
                }
                Fact::StepFinished { step, result, checkpoint, .. } => {
                    self.passed(step, entry.at);
                    if let Some(key) = checkpoint {
                        self.checkpoints.insert(key, result.clone());
                    }
                    self.settle().await?;
                    return Ok(Some(result));
                }
                other => self.pass(&other, entry.at),
            }
        }
    }

    /// Goes past entries that are no part of a step. Where nothing is left then, the log is live.
    pub(super) async fn settle(&mut self) -> Result<(), Error> {
        loop {
            match self.cursor.peek().await?.map(|entry| &entry.fact) {
                Some(fact) if fact.step().is_some() => return Ok(()),
                // Deliveries that the guest had been given before that resume come first.
                Some(Fact::Resumed { deliveries }) if *deliveries > self.deliveries.taken() => return Ok(()),
                Some(_) => {
                    if let Some(entry) = self.cursor.next().await? {
                        self.pass(&entry.fact, entry.at);
                    }
                }
                None if self.deliveries.peek().await?.is_some() => return Ok(()),
                None => return self.go_live().await,
            }
        }
    }

    pub(super) fn pass(&mut self, fact: &Fact, at: Timestamp) {
        match fact {
            Fact::Resumed { .. } => self.now = self.now.max(at),
            Fact::Logged { .. } | Fact::StatusSet { .. } => self.notes_recorded += 1,
            Fact::Retried { seed, .. } => self.reseed = Some(*seed),
            _ => {}
        }
    }

    /// The journal has no more. A resumed run is told the time before anything else happens, and that
    /// it was told is durable: what the guest makes of it must come out the same once more.
    pub(super) async fn go_live(&mut self) -> Result<(), Error> {
        if !self.fresh && self.rehearsal.is_none() {
            let fact = Fact::Resumed { deliveries: self.deliveries.taken() };
            crash::point("journal.resumed.before");
            let at = self.writer.lock().await.commit(vec![fact], Along::default()).await?;
            crash::point("journal.resumed.after");
            self.now = self.now.max(at);
        }
        self.live.send_replace(true);
        Ok(())
    }

    /// The halt at a place where the journal has something else than the guest asks for.
    pub(super) async fn diverged(&mut self, now: Option<Seen>) -> Result<Halt, Error> {
        let step = StepSeq(self.step.0 + 1);
        let mut recorded = match self.deliveries.peek().await? {
            Some(row) if row.after <= self.step => Some(seen_delivery(row.batch)),
            _ => None,
        };
        while recorded.is_none() {
            match self.cursor.next_whole().await?.map(|entry| entry.fact) {
                Some(Fact::StepStarted { call, .. } | Fact::StepFinished { call: Some(call), .. }) => {
                    recorded = Some(Seen { kind: call.kind, args: call.args, label: call.label });
                }
                Some(_) => {}
                None => break,
            }
        }
        Ok(Halt::Diverged(Box::new(Divergence { step, recorded, now, at: Vec::new() })))
    }
}

fn seen<A: Serialize>(call: &Call<'_, A>) -> Seen {
    Seen { kind: call.kind.to_owned(), args: readable(call.args), label: call.label.map(str::to_owned) }
}

pub(super) fn seen_delivery(batch: StepSeq) -> Seen {
    Seen { kind: "batch.next".to_owned(), args: format!("[the batch of step {batch}]"), label: None }
}
