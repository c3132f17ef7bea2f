//! The fold: how a run stands after its entries. The same code judges an entry before it is written
//! and when it is read back, so a journal that was damaged or tampered with is refused at the first
//! entry that can't follow the ones before.

use std::collections::BTreeMap;

use super::entry::{Ending, Entry, Fact, RunCreated, Stored};
use super::error::Error;
use crate::model::{Fault, PauseReason, RunStatus, StepSeq, Timestamp};

/// How a run stands.
#[derive(Clone, Debug)]
pub struct RunState {
    /// Its beginning.
    pub created: RunCreated,
    /// Where it is on its way.
    pub status: RunStatus,
    /// The time of the first entry that is kept.
    pub first_at: Timestamp,
    /// The number of the last entry.
    pub last_seq: u64,
    /// The time of the last entry.
    pub last_at: Timestamp,
    /// The last step that has ended.
    pub last_step: StepSeq,
    /// The step after it has begun, and may have taken place.
    pub in_doubt: bool,
    /// The last failed attempt of the step after it.
    pub attempt: Option<FailedAttempt>,
    /// Checkpoints, by name.
    pub checkpoints: BTreeMap<String, Stored>,
    /// Status values, by name.
    pub statuses: BTreeMap<String, String>,
    /// Bytes of log lines.
    pub log_bytes: u64,
    /// A cancel that was asked for.
    pub cancel: Option<Cancel>,
    /// Why it is paused, while it is.
    pub pause: Option<(PauseReason, Fault)>,
    /// How it ended, once it has.
    pub ending: Option<Ending>,
}

/// A failed attempt of the step that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedAttempt {
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Why it failed.
    pub fault: Fault,
    /// When the next one is due.
    pub next_at: Timestamp,
}

/// A cancel that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancel {
    /// Until when the guest may clean up.
    pub deadline: Option<Timestamp>,
    /// Whether a step has told the guest.
    pub told: bool,
}

/// The status that follows a fact, or `None` where the fact can't follow: all legal changes.
#[must_use]
pub fn next_status(status: RunStatus, fact: &Fact) -> Option<RunStatus> {
    use RunStatus as S;
    match (status, fact) {
        (
            S::Running | S::Cancelling,
            Fact::Resumed { .. }
            | Fact::StepStarted { .. }
            | Fact::StepAttempt { .. }
            | Fact::StepFinished { .. }
            | Fact::StatusSet { .. }
            | Fact::Logged { .. }
            | Fact::Retried { .. },
        ) => Some(status),
        (S::Running | S::Cancelling, Fact::CancelAsked { .. }) => Some(S::Cancelling),
        // A restored run is paused again for that reason, since it weighs more than an earlier one.
        (S::Running | S::Cancelling | S::Paused, Fact::Paused { .. }) => Some(S::Paused),
        (S::Running | S::Cancelling | S::Paused, Fact::Repinned { .. }) => Some(status),
        // A cancel from before the pause counts no more: whoever resumes wants the run to go on.
        (S::Paused, Fact::Unpaused) => Some(S::Running),
        (S::Running | S::Cancelling, Fact::Ended(Ending::Done { .. })) => Some(S::Done),
        (S::Running | S::Cancelling, Fact::Ended(Ending::Failed { .. })) => Some(S::Failed),
        (S::Running | S::Cancelling | S::Paused, Fact::Ended(Ending::Cancelled)) => Some(S::Cancelled),
        (
            S::Paused,
            Fact::Resumed { .. }
            | Fact::StepStarted { .. }
            | Fact::StepAttempt { .. }
            | Fact::StepFinished { .. }
            | Fact::StatusSet { .. }
            | Fact::Logged { .. }
            | Fact::CancelAsked { .. }
            | Fact::Retried { .. }
            | Fact::Ended(Ending::Done { .. } | Ending::Failed { .. }),
        )
        | (S::Running | S::Cancelling, Fact::Unpaused)
        | (S::Running | S::Cancelling | S::Paused, Fact::RunCreated(_))
        | (S::Done | S::Failed | S::Cancelled, _) => None,
    }
}

impl RunState {
    /// The state after a journal's first entry, which has the number `seq`.
    ///
    /// # Errors
    /// [`Error::Damaged`] where that isn't the beginning of a journal.
    pub fn begin(seq: u64, entry: Entry) -> Result<Self, Error> {
        let Fact::RunCreated(created) = entry.fact else {
            return Err(Error::damaged(format!(
                "entry {seq} begins a journal and is `{}`",
                entry.fact.name()
            )));
        };
        Ok(Self {
            status: RunStatus::Running,
            first_at: entry.at,
            last_seq: seq,
            last_at: entry.at,
            last_step: created.after,
            in_doubt: false,
            attempt: None,
            checkpoints: created.checkpoints.iter().cloned().collect(),
            statuses: created.statuses.iter().cloned().collect(),
            log_bytes: 0,
            cancel: None,
            pause: None,
            ending: None,
            created: *created,
        })
    }

    /// Whether this fact may follow.
    ///
    /// # Errors
    /// [`Error::Damaged`] with the number it would have, and why not.
    pub fn check(&self, fact: &Fact) -> Result<RunStatus, Error> {
        let refuse = |why: String| {
            Error::damaged(format!(
                "entry {} of run {} is `{}`, but {why}",
                self.last_seq + 1,
                self.created.run,
                fact.name()
            ))
        };
        let status =
            next_status(self.status, fact).ok_or_else(|| refuse(format!("the run is {}", self.status)))?;
        if let Some(step) = fact.step().filter(|step| step.0 != self.last_step.0 + 1) {
            return Err(refuse(format!("it is of step {step}, and the last one was {}", self.last_step)));
        }
        match fact {
            Fact::StepStarted { .. } if self.in_doubt => {
                Err(refuse("its step has started already".to_owned()))
            }
            Fact::StepFinished { call, .. } if call.is_some() == self.in_doubt => {
                Err(refuse("its call stands twice or nowhere".to_owned()))
            }
            Fact::StatusSet { after, .. } | Fact::Logged { after, .. } if *after != self.last_step => {
                Err(refuse(format!("it follows step {after}, and the last one was {}", self.last_step)))
            }
            _ => Ok(status),
        }
    }

    /// Takes the next entry in.
    ///
    /// # Errors
    /// As [`RunState::check`]; the state is unchanged then.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), Error> {
        let status = self.check(&entry.fact)?;
        match &entry.fact {
            Fact::StepStarted { .. } => self.in_doubt = true,
            Fact::StepAttempt { attempt, fault, next_at, .. } => {
                self.attempt =
                    Some(FailedAttempt { attempt: *attempt, fault: fault.clone(), next_at: *next_at });
            }
            Fact::StepFinished { step, result, checkpoint, cancel_told, .. } => {
                self.last_step = *step;
                self.in_doubt = false;
                self.attempt = None;
                if let Some(key) = checkpoint {
                    self.checkpoints.insert(key.clone(), result.clone());
                }
                if let (true, Some(cancel)) = (cancel_told, &mut self.cancel) {
                    cancel.told = true;
                }
            }
            Fact::StatusSet { key, value, .. } => {
                self.statuses.insert(key.clone(), value.clone());
            }
            Fact::Logged { message, fields, .. } => self.log_bytes += line_bytes(message, fields),
            // A second request moves the deadline; it doesn't tell the guest a second time.
            Fact::CancelAsked { deadline } => {
                let told = self.cancel.is_some_and(|cancel| cancel.told);
                self.cancel = Some(Cancel { deadline: *deadline, told });
            }
            Fact::Paused { why, fault } => self.pause = Some((*why, fault.clone())),
            Fact::Unpaused => {
                self.pause = None;
                self.cancel = None;
            }
            Fact::Repinned { component } => self.created.component = *component,
            Fact::Ended(ending) => {
                self.pause = None;
                self.ending = Some(ending.clone());
            }
            Fact::RunCreated(_) | Fact::Resumed { .. } | Fact::Retried { .. } => {}
        }
        self.status = status;
        self.last_seq += 1;
        self.last_at = self.last_at.max(entry.at);
        Ok(())
    }
}

/// What a log line counts against the limit of its run, in bytes.
pub(crate) fn line_bytes(message: &str, fields: &[(String, String)]) -> u64 {
    let fields: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    (message.len() + fields) as u64
}
