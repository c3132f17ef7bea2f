//! Replay or record: what a guest asks for is answered from the journal as far as that goes, and
//! carried out and recorded after that.
//!
//! ```text
//! guest ── call ──> once ──> recorded? ── yes ──> same call? ── no ──> Halt::Diverged
//!                              │ no                   │ yes
//!                              ▼                      ▼
//!                    effect, then StepFinished     its result
//! ```
//! One order holds it together: the entries of the journal, and between them the deliveries of
//! batches, each of which says after which step it was made. The log is *live* from where both end.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, watch};

use super::control::Control;
use super::cursor::Cursor;
use super::deliveries::{self, Deliveries, Row};
use super::effect::{Delivery, Effect};
use super::entry::{CallRecord, Ending, Fact, RunCreated, Stored};
use super::error::Error;
use super::fingerprint::{Fingerprint, readable};
use super::halt::{Divergence, Halt, Seen};
use super::slot::{self, Slot};
use super::state::{Cancel, FailedAttempt, RunState, line_bytes};
use super::store::{BlobId, Claim, RunHead, Store, Write};
use super::writer::{Along, Writer, blob_of};
use crate::clock::Clock;
use crate::crash;
use crate::model::{Fault, ItemId, LogLevel, PauseReason, RunStatus, StepSeq, Timestamp};

/// Longest log line with its fields, in bytes; what is longer is cut.
pub const LOG_LINE_BYTES_MAX: usize = 8 << 10;

/// All log lines of a run together, in bytes; what comes later is dropped.
pub const LOG_BYTES_MAX: u64 = 10 << 20;

/// Longest label of a step, in bytes; what is longer is cut.
const LABEL_BYTES_MAX: usize = 256;

/// Longest name of a checkpoint, in bytes.
pub const CHECKPOINT_KEY_BYTES_MAX: usize = 128;

/// Longest checkpoint that is carried in the first entry of the journal after `continue-with`, in
/// bytes; a longer one goes into a blob.
const CARRIED_BYTES_MAX: usize = 256;

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

/// What became of a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It is new: tell the listeners.
    New,
    /// An earlier process has told of it.
    Muted,
    /// It is over the limit and not recorded.
    Dropped,
}

/// The journal of one live run, from its front to its end and on. Used by one guest, so one call at a
/// time.
#[derive(Debug)]
pub struct StepLog {
    store: Arc<dyn Store>,
    claim: Claim,
    writer: Arc<Mutex<Writer>>,
    cursor: Cursor,
    deliveries: Deliveries,
    /// The last step that ended, at the cursor.
    step: StepSeq,
    /// What the guest is told to be the time.
    now: Timestamp,
    checkpoints: BTreeMap<String, Stored>,
    /// Notes since the last step: made by this guest, and recorded by earlier processes.
    notes_made: u64,
    notes_recorded: u64,
    live: watch::Sender<bool>,
    /// No step was carried out since the journal was opened: the next one may have left tables.
    first_live: bool,
    /// Nothing was recorded before this process, so nothing is resumed.
    fresh: bool,
    half_told: bool,
    scratch: Vec<u8>,
}

/// What the journal has for a call.
enum Entered {
    Recorded(Stored),
    Live(Box<Effect>),
}

impl StepLog {
    /// Begins a run: its first entry is durable when this returns.
    ///
    /// # Errors
    /// Those of [`Store::submit`].
    pub async fn create(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        created: RunCreated,
    ) -> Result<Self, Error> {
        crash::point("journal.create.before");
        let writer = Writer::create(store, clock, created).await?;
        crash::point("journal.create.after");
        let mut log = Self::over(writer, 1);
        log.fresh = true;
        log.deliveries = Deliveries::empty(Arc::clone(&log.store), log.claim.run.clone());
        log.go_live().await?;
        Ok(log)
    }

    /// Opens the journal of a run that was just claimed, and gives how the run stands. A paused run
    /// stays paused until [`StepLog::unpause`].
    ///
    /// # Errors
    /// [`Error::Damaged`] at the first entry that can't be read or can't follow; [`Error::Closed`]
    /// where the run has ended.
    pub async fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        claim: Claim,
        head: &RunHead,
    ) -> Result<(Self, RunState), Error> {
        let writer = Writer::open(store, clock, claim, head).await?;
        let state = writer.state().clone();
        if state.status.is_closed() {
            return Err(Error::Closed { run: head.run.clone() });
        }
        let mut log = Self::over(writer, head.first_seq);
        if state.status != RunStatus::Paused {
            log.settle().await?;
        }
        Ok((log, state))
    }

    fn over(writer: Writer, first_seq: u64) -> Self {
        let store = Arc::clone(writer.store());
        let claim = writer.claim().clone();
        let state = writer.state();
        Self {
            cursor: Cursor::new(Arc::clone(&store), claim.run.clone(), first_seq + 1, state.last_seq),
            deliveries: Deliveries::new(Arc::clone(&store), claim.run.clone()),
            step: state.created.after,
            now: state.first_at,
            checkpoints: state.created.checkpoints.iter().cloned().collect(),
            notes_made: 0,
            notes_recorded: 0,
            live: watch::Sender::new(false),
            first_live: true,
            fresh: false,
            half_told: false,
            scratch: Vec::new(),
            writer: Arc::new(Mutex::new(writer)),
            store,
            claim,
        }
    }

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
    /// Those of [`Store::blob`].
    pub async fn checkpoint(&self, key: &str) -> Result<Option<Bytes>, Error> {
        match self.checkpoints.get(key) {
            Some(stored) => self.load(stored.clone()).await.map(Some),
            None => Ok(None),
        }
    }

    /// Gives the recorded next delivery of a batch, or makes one: what `produce` gives is durable
    /// before this returns.
    ///
    /// # Errors
    /// As [`StepLog::once`].
    pub async fn deliver<T: Serialize + DeserializeOwned>(
        &mut self,
        batch: StepSeq,
        produce: impl AsyncFnOnce(&mut Delivery) -> Result<T, Halt>,
    ) -> Result<T, Halt> {
        if !self.is_live() {
            let row = self.recorded_delivery(batch).await?;
            self.now = self.now.max(row.at);
            let value = decode(&self.load(row.what).await?, "a delivery")?;
            self.settle().await?;
            return Ok(value);
        }
        let mut delivery = Delivery::default();
        let value = produce(&mut delivery).await?;
        let mut writer = self.writer.lock().await;
        let what = writer.keep(encode(&value, "a delivery")?).await?;
        let blobs = blob_of(&what).into_iter().collect();
        let row = Row { batch, after: self.step, at: writer.time(), what };
        let mut writes = delivery.forget;
        writes.push(Write::Put(deliveries::key(self.deliveries.taken()), row.encode()?));
        crash::point("journal.delivery.before");
        writer.commit(Vec::new(), Along { writes, blobs, progress: true }).await?;
        crash::point("journal.delivery.after");
        drop(writer);
        self.deliveries.wrote();
        self.now = self.now.max(row.at);
        Ok(value)
    }

    /// Records a line of the guest's log, cut at [`LOG_LINE_BYTES_MAX`]. It rides on the next commit.
    ///
    /// # Errors
    /// Those of [`Store::append`].
    pub async fn log_line(
        &mut self,
        level: LogLevel,
        mut message: String,
        mut fields: Vec<(String, String)>,
    ) -> Result<Noted, Error> {
        if !self.is_new_note() {
            return Ok(Noted::Muted);
        }
        if line_bytes(&message, &fields) > LOG_LINE_BYTES_MAX as u64 {
            message.truncate(message.floor_char_boundary(LOG_LINE_BYTES_MAX));
            let mut room = LOG_LINE_BYTES_MAX - message.len();
            fields.retain(|(name, value)| {
                let fits = name.len() + value.len() <= room;
                room -= if fits { name.len() + value.len() } else { 0 };
                fits
            });
        }
        let bytes = line_bytes(&message, &fields);
        let after = self.step;
        let mut writer = self.writer.lock().await;
        // A quarter of the entries stays for the steps, however much a guest has to say.
        let crowded = writer.usage().0 >= self.store.limits().entries_max / 4 * 3;
        if crowded || writer.log_bytes() + bytes > LOG_BYTES_MAX {
            self.notes_made -= 1;
            return Ok(Noted::Dropped);
        }
        writer.note(Fact::Logged { after, level, message, fields }, bytes).await?;
        Ok(Noted::New)
    }

    /// Sets a status value, which `show` gives without entering the guest. It rides on the next
    /// commit.
    ///
    /// # Errors
    /// Those of [`Store::append`].
    pub async fn set_status(&mut self, key: &str, value: &str) -> Result<Noted, Error> {
        if !self.is_new_note() {
            return Ok(Noted::Muted);
        }
        let fact = Fact::StatusSet { after: self.step, key: key.to_owned(), value: value.to_owned() };
        self.writer.lock().await.note(fact, 0).await?;
        Ok(Noted::New)
    }

    /// Whether everything that was recorded has been given: from here on, effects are carried out.
    #[must_use]
    pub fn is_live(&self) -> bool {
        *self.live.borrow()
    }

    /// Becomes true when the log becomes live. Transfers of a batch wait for it.
    #[must_use]
    pub fn live(&self) -> watch::Receiver<bool> {
        self.live.subscribe()
    }

    /// What the guest is told to be the time: that of the last step that ended, delivery, or resume.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The last step that ended.
    #[must_use]
    pub fn last_step(&self) -> StepSeq {
        self.step
    }

    /// The durable table of one item of a batch, for use in the background.
    #[must_use]
    pub fn table(&self, step: StepSeq, item: ItemId) -> Arc<Slot> {
        Arc::new(Slot::new(Arc::clone(&self.store), self.claim.clone(), step, item))
    }

    /// What others may ask of this live run.
    #[must_use]
    pub fn control(&self) -> Control {
        Control::new(Arc::clone(&self.writer))
    }

    /// A cancel that was asked for.
    pub async fn cancel(&self) -> Option<Cancel> {
        self.writer.lock().await.state().cancel
    }

    /// Entries and bytes of the journal when half of what a run may write is used up: once.
    pub async fn half_full(&mut self) -> Option<(u64, u64)> {
        let (entries, bytes) = self.writer.lock().await.usage();
        let limits = self.store.limits();
        let half = entries >= limits.entries_max / 2 || bytes >= limits.run_bytes_max / 2;
        let tell = half && !self.half_told;
        self.half_told |= half;
        tell.then_some((entries, bytes))
    }

    /// The bytes of something stored.
    ///
    /// # Errors
    /// Those of [`Store::blob`]; [`Error::Damaged`] where the blob is missing.
    pub async fn load(&self, stored: Stored) -> Result<Bytes, Error> {
        super::load(self.store.as_ref(), stored).await
    }

    /// Lets a paused run go on.
    ///
    /// # Errors
    /// Those of [`Store::append`].
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
    /// Those of [`Store::append`].
    pub async fn finish_cancelled(&mut self) -> Result<(), Error> {
        self.end(Ending::Cancelled).await
    }

    /// Pauses the run for somebody to look. The claim is released.
    ///
    /// # Errors
    /// Those of [`Store::append`].
    pub async fn pause(&mut self, why: PauseReason, fault: Fault) -> Result<(), Error> {
        crash::point("journal.pause.before");
        self.writer.lock().await.commit(vec![Fact::Paused { why, fault }], Along::default()).await?;
        crash::point("journal.pause.after");
        self.store.release(&self.claim).await
    }

    /// Lets go of the run in good order: it goes on when it is resumed.
    ///
    /// # Errors
    /// Those of [`Store::append`].
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
        writer.restart(at, fact, Along { writes, blobs, progress: true }).await?;
        crash::point("journal.continue.after");
        drop(writer);
        self.deliveries = Deliveries::empty(Arc::clone(&self.store), self.claim.run.clone());
        self.now = at;
        self.notes_made = 0;
        self.notes_recorded = 0;
        Ok(())
    }

    async fn end(&mut self, ending: Ending) -> Result<(), Error> {
        let blobs = match &ending {
            Ending::Done { output } => blob_of(output).into_iter().collect(),
            Ending::Failed { .. } | Ending::Cancelled => Vec::new(),
        };
        let writes =
            vec![Write::RemoveAll(deliveries::PREFIX.to_vec()), Write::RemoveAll(slot::TABLES.to_vec())];
        crash::point("journal.end.before");
        let along = Along { writes, blobs, progress: true };
        self.writer.lock().await.commit(vec![Fact::Ended(ending)], along).await?;
        crash::point("journal.end.after");
        self.store.release(&self.claim).await
    }

    /// Finds what the journal has for the guest's next step; if that is nothing, the log is live.
    async fn enter<A: Serialize>(&mut self, call: &Call<'_, A>) -> Result<Entered, Halt> {
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
        };
        if self.first_live && !self.fresh {
            effect.forget(step);
        }
        Ok(Entered::Live(Box::new(effect)))
    }

    /// Reads on to the end of the next step, or to the journal's end.
    async fn replay<A: Serialize>(
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
        let at = writer.commit(vec![fact], Along { writes: effect.forget, blobs, progress: true }).await?;
        crash::point("journal.step-finished.after");
        drop(writer);
        self.passed(effect.step, at);
        self.first_live = false;
        self.checkpoints.extend(kept);
        Ok(())
    }

    fn passed(&mut self, step: StepSeq, at: Timestamp) {
        self.step = step;
        self.now = self.now.max(at);
        self.notes_made = 0;
        self.notes_recorded = 0;
    }

    /// Goes past entries that are no part of a step. Where nothing is left then, the log is live.
    async fn settle(&mut self) -> Result<(), Error> {
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

    fn pass(&mut self, fact: &Fact, at: Timestamp) {
        match fact {
            Fact::Resumed { .. } => self.now = self.now.max(at),
            Fact::Logged { .. } | Fact::StatusSet { .. } => self.notes_recorded += 1,
            _ => {}
        }
    }

    /// The journal has no more. A resumed run is told the time before anything else happens, and that
    /// it was told is durable: what the guest makes of it must come out the same once more.
    async fn go_live(&mut self) -> Result<(), Error> {
        if !self.fresh {
            let fact = Fact::Resumed { deliveries: self.deliveries.taken() };
            crash::point("journal.resumed.before");
            let at = self.writer.lock().await.commit(vec![fact], Along::default()).await?;
            crash::point("journal.resumed.after");
            self.now = self.now.max(at);
        }
        self.live.send_replace(true);
        Ok(())
    }

    /// The row that a batch's next delivery has in the log.
    async fn recorded_delivery(&mut self, batch: StepSeq) -> Result<Row, Halt> {
        let step = self.step;
        if self.deliveries.peek().await?.is_none_or(|row| row.batch != batch || row.after != step) {
            return Err(self.diverged(Some(seen_delivery(batch))).await?);
        }
        match self.deliveries.next().await? {
            Some(row) => Ok(row),
            None => Err(Error::bug("a delivery was there and is gone").into()),
        }
    }

    /// The halt at a place where the journal has something else than the guest asks for.
    async fn diverged(&mut self, now: Option<Seen>) -> Result<Halt, Error> {
        let step = StepSeq(self.step.0 + 1);
        let mut recorded = match self.deliveries.peek().await? {
            Some(row) if row.after <= self.step => Some(seen_delivery(row.batch)),
            _ => None,
        };
        while recorded.is_none() {
            match self.cursor.next().await?.map(|entry| entry.fact) {
                Some(Fact::StepStarted { call, .. } | Fact::StepFinished { call: Some(call), .. }) => {
                    recorded = Some(Seen { kind: call.kind, args: call.args, label: call.label });
                }
                Some(_) => {}
                None => break,
            }
        }
        Ok(Halt::Diverged(Box::new(Divergence { step, recorded, now })))
    }

    fn is_new_note(&mut self) -> bool {
        self.notes_made += 1;
        self.is_live() && self.notes_made > self.notes_recorded
    }
}

fn seen<A: Serialize>(call: &Call<'_, A>) -> Seen {
    Seen { kind: call.kind.to_owned(), args: readable(call.args), label: call.label.map(str::to_owned) }
}

fn seen_delivery(batch: StepSeq) -> Seen {
    Seen { kind: "batch.next".to_owned(), args: format!("[the batch of step {batch}]"), label: None }
}

fn encode(value: &impl Serialize, what: &str) -> Result<Bytes, Error> {
    postcard::to_stdvec(value)
        .map(Bytes::from)
        .map_err(|error| Error::bug(format!("the result of {what} can't be encoded: {error}")))
}

fn decode<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, Error> {
    postcard::from_bytes(bytes)
        .map_err(|error| Error::damaged(format!("the recorded result of {what} can't be decoded: {error}")))
}
