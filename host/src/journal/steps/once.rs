//! One step: its result from the journal, or its effect and then its result in the journal.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::log::StepLog;
use crate::crash;
use crate::journal::effect::Effect;
use crate::journal::entry::{CallRecord, Fact, Stored};
use crate::journal::error::Error;
use crate::journal::fingerprint::{Fingerprint, readable};
use crate::journal::halt::Halt;
use crate::journal::writer::{Along, blob_of};
use crate::model::{StepSeq, Timestamp};

/// Longest label of a step, in bytes; what is longer is cut.
const LABEL_BYTES_MAX: usize = 256;

/// Longest name of a checkpoint, in bytes.
pub const CHECKPOINT_KEY_BYTES_MAX: usize = 128;

/// What may be done about an effect that began and isn't known to have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// It only looked: ask again.
    Read,
    /// Doing it again comes to the same.
    Rerun,
    /// Look whether it took place, by the evidence given to [`Effect::begin`]; then finish or redo it.
    VerifyThenRerun,
    /// Never again: the guest is told `run.indeterminate`. The log itself records that it begins.
    AtMostOnce,
}

/// What a guest asks for.
#[derive(Debug)]
pub struct Call<'a, A> {
    /// What kind of call, as `ftp.rename`.
    pub kind: &'static str,
    /// Its arguments, without secrets: they are shown to people. How they serialise is a part of the
    /// journal's format.
    pub args: &'a A,
    /// The guest's name for the step.
    pub label: Option<&'a str>,
    /// What may be done about it after a crash.
    pub recovery: Recovery,
}

/// What the journal has for a call.
enum Entered {
    Recorded(Stored),
    Live(Box<Effect>),
}

impl StepLog {
    /// Gives the recorded result of the guest's next step, or carries it out: `effect` runs, and what
    /// it gives is durable before this returns. A fault that the guest sees is a result too.
    ///
    /// # Errors
    /// [`Halt::Diverged`] before any effect where the journal has another call here; whatever
    /// `effect` halts with, in which case nothing is recorded; [`Halt::State`].
    pub async fn once<A: Serialize, T: Serialize + DeserializeOwned>(
        &mut self,
        call: Call<'_, A>,
        effect: impl AsyncFnOnce(&mut Effect) -> Result<T, Halt>,
    ) -> Result<T, Halt> {
        match self.enter(&call).await? {
            Entered::Recorded(stored) => Ok(decode(&self.load(stored).await?, call.kind)?),
            Entered::Live(mut live) => {
                if call.recovery == Recovery::AtMostOnce {
                    live.begin(&[]).await?;
                }
                let value = effect(&mut live).await?;
                let bytes = encode(&value, call.kind)?;
                self.leave(*live, bytes, None).await?;
                Ok(value)
            }
        }
    }

    /// Saves state of the workflow under a name of at most [`CHECKPOINT_KEY_BYTES_MAX`].
    ///
    /// # Errors
    /// As [`StepLog::once`]; [`Error::TooLarge`] for a longer name.
    pub async fn save_checkpoint(&mut self, key: &str, value: Bytes) -> Result<(), Halt> {
        if key.len() > CHECKPOINT_KEY_BYTES_MAX {
            let (bytes, max) = (key.len(), CHECKPOINT_KEY_BYTES_MAX);
            return Err(Error::TooLarge { what: "the name of a checkpoint", bytes, max }.into());
        }
        let digest = blake3::hash(&value).to_hex();
        let args = (key, value.len() as u64, digest.as_str());
        let call = Call { kind: "checkpoint.save", args: &args, label: None, recovery: Recovery::Rerun };
        match self.enter(&call).await? {
            Entered::Recorded(_) => Ok(()),
            Entered::Live(live) => self.leave(*live, value, Some(key.to_owned())).await,
        }
    }

    /// The state that was saved under a name, as of this point of the workflow.
    ///
    /// # Errors
    /// Those of [`blob`](crate::journal::Store::blob).
    pub async fn checkpoint(&self, key: &str) -> Result<Option<Bytes>, Error> {
        match self.checkpoints.get(key) {
            Some(stored) => self.load(stored.clone()).await.map(Some),
            None => Ok(None),
        }
    }

    /// Finds what the journal has for the guest's next step; if that is nothing, the log is live.
    async fn enter<A: Serialize>(&mut self, call: &Call<'_, A>) -> Result<Entered, Halt> {
        self.check_rehearsal()?;
        let fingerprint = Fingerprint::of(call.kind, call.args, &mut self.scratch)?;
        let step = StepSeq(self.step.0 + 1);
        let mut in_doubt = None;
        let mut attempt = None;
        if !self.is_live() {
            if let Some(stored) = self.replay(call, fingerprint, &mut in_doubt, &mut attempt).await? {
                return Ok(Entered::Recorded(stored));
            }
            self.go_live().await?;
        }
        if self.rehearsal.is_some() {
            return Err(Halt::Rehearsed);
        }
        self.writer.lock().await.check_room()?;
        let record = in_doubt.is_none().then(|| CallRecord {
            kind: call.kind.to_owned(),
            fingerprint,
            args: readable(call.args),
            label: call.label.map(|label| label[..label.floor_char_boundary(LABEL_BYTES_MAX)].to_owned()),
        });
        let mut effect = Effect {
            writer: Arc::clone(&self.writer),
            step,
            call: record,
            in_doubt,
            attempt,
            cancel: self.cancel().await,
            fault: None,
            cancel_told: false,
            forget: Vec::new(),
            values: Vec::new(),
            values_guard: None,
        };
        if self.first_live && !self.fresh {
            effect.forget(step);
        }
        Ok(Entered::Live(Box::new(effect)))
    }

    /// Records the end of a step.
    async fn leave(&mut self, effect: Effect, result: Bytes, checkpoint: Option<String>) -> Result<(), Halt> {
        let mut writer = self.writer.lock().await;
        let result = writer.keep(result).await?;
        let blobs = blob_of(&result).into_iter().collect();
        let kept = checkpoint.clone().map(|key| (key, result.clone()));
        let fact = Fact::StepFinished {
            step: effect.step,
            call: effect.call,
            result,
            fault: effect.fault,
            checkpoint,
            cancel_told: effect.cancel_told,
        };
        crash::point("journal.step-finished.before");
        let at = writer
            .commit(vec![fact], Along { writes: effect.forget, values: effect.values, blobs, progress: true })
            .await?;
        crash::point("journal.step-finished.after");
        drop(writer);
        drop(effect.values_guard);
        self.passed(effect.step, at);
        self.first_live = false;
        self.checkpoints.extend(kept);
        Ok(())
    }

    pub(super) fn passed(&mut self, step: StepSeq, at: Timestamp) {
        self.step = step;
        self.now = self.now.max(at);
        self.notes_made = 0;
        self.notes_recorded = 0;
    }
}

pub(super) fn encode(value: &impl Serialize, what: &str) -> Result<Bytes, Error> {
    postcard::to_stdvec(value)
        .map(Bytes::from)
        .map_err(|error| Error::bug(format!("the result of {what} can't be encoded: {error}")))
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, Error> {
    postcard::from_bytes(bytes)
        .map_err(|error| Error::damaged(format!("the recorded result of {what} can't be decoded: {error}")))
}
