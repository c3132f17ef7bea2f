//! What stands behind one guest: its journal, what it may reach, and what it has used.
//!
//! Every effect goes through [`Ctx::step`]: the result comes from the journal where it is recorded;
//! else the effect takes place and its result is recorded before the guest sees it. A call ends in
//! one of three ways: with a value (a failure that the guest can handle is one), with a [`Halt`] that
//! stops the guest without ending its run, or with a trap that the guest brought on itself. The last
//! two travel as traps; [`Halted`] tells them apart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::WasiCtx;

use super::events::Events;
use super::grants::Reach;
use super::log::LogState;
use super::progress::Reported;
use super::random::{Stream, generator};
use super::signals::Signals;
use super::wasi::{self, Output, RunTime};
use super::workers::Workers;
use crate::clock::Clock;
use crate::journal::{Call, Effect, Error, Halt, Recovery, StepLog, readable};
use crate::model::{Fault, FaultCode, PauseReason, RunEvent, RunId, Timestamp, WorkflowDigest};
use crate::transfer::Stop;
use crate::wasm::{LimitReached, Limits, Meter};

/// What a run is, for the guest to ask.
#[derive(Clone, Debug)]
pub struct RunFacts {
    /// Its id.
    pub run: RunId,
    /// The workflow's name, for people.
    pub workflow: String,
    /// The component's SHA-256.
    pub digest: WorkflowDigest,
    /// When the run was created.
    pub started: Timestamp,
    /// Whose memory it has.
    pub memory: String,
    /// Where its random numbers come from. Never shown.
    pub seed: [u8; 32],
}

/// What stands behind one guest.
pub struct Ctx {
    pub(super) steps: StepLog,
    pub(super) run: RunFacts,
    pub(super) reach: Reach,
    pub(super) events: Events,
    pub(super) signals: Signals,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) workers: Workers,
    pub(super) meter: Meter,
    pub(super) table: ResourceTable,
    pub(super) wasi: WasiCtx,
    pub(super) time: Arc<RunTime>,
    pub(super) output: Arc<Output>,
    pub(super) random: ChaCha20Rng,
    pub(super) waits: ChaCha20Rng,
    pub(super) log: LogState,
    pub(super) reported: Reported,
    /// Keys of the checkpoints that the guest has saved.
    pub(super) checkpoints: BTreeSet<String>,
    pub(super) statuses: BTreeMap<String, String>,
}

/// What a [`Ctx`] is made from.
pub struct Parts {
    /// The run's journal, at its beginning.
    pub steps: StepLog,
    /// What the run is.
    pub run: RunFacts,
    /// What it may reach.
    pub reach: Reach,
    /// Where it tells what it does.
    pub events: Events,
    /// Where it is asked to end.
    pub signals: Signals,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Bounds of the guest.
    pub limits: Limits,
}

/// A [`Halt`] on its way through the guest's stack.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Halted(pub Halt);

/// Why an effect gave no value: a failure for the guest, or a halt.
pub(super) enum Fail {
    /// The guest sees it, and it is recorded.
    Fault(Fault),
    /// The guest is stopped.
    Halt(Halt),
}

impl From<Fault> for Fail {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Halt> for Fail {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

impl From<Error> for Fail {
    fn from(error: Error) -> Self {
        Self::Halt(Halt::State(error))
    }
}

/// A halt as a trap.
pub(super) fn trap(halt: Halt) -> wasmtime::Error {
    wasmtime::Error::new(Halted(halt))
}

impl Ctx {
    /// What stands behind a guest that hasn't begun.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let seed = parts.run.seed;
        let time = Arc::new(RunTime::default());
        let output = Arc::new(Output::new(parts.limits.print_bytes_max));
        let mut table = ResourceTable::new();
        table.set_max_capacity(parts.limits.handles_max);
        let mut ctx = Self {
            wasi: wasi::context(seed, &time, &output),
            steps: parts.steps,
            run: parts.run,
            reach: parts.reach,
            events: parts.events,
            signals: parts.signals,
            clock: parts.clock,
            workers: Workers::new(),
            meter: Meter::new(parts.limits),
            table,
            time,
            output,
            random: generator(seed, Stream::Workflow),
            waits: generator(seed, Stream::Waits),
            log: LogState::default(),
            reported: Reported::default(),
            checkpoints: BTreeSet::new(),
            statuses: BTreeMap::new(),
        };
        ctx.arrived();
        ctx
    }

    /// The journal has moved on: so has the guest's time, and after a retry its random numbers are others.
    pub(super) fn arrived(&mut self) {
        self.time.set(self.steps.now());
        if let Some(seed) = self.steps.take_reseed() {
            self.wasi = wasi::context(seed, &self.time, &self.output);
            self.random = generator(seed, Stream::Workflow);
            self.waits = generator(seed, Stream::Waits);
        }
    }

    /// What counts the guest's use of memory, calls and fuel.
    pub fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }

    /// Whether the process is ending.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.signals.is_interrupted()
    }

    /// Whether the guest has passed the end of what was recorded.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.steps.is_live()
    }

    /// The guest has returned: what moves files in the background ends, what it printed is logged,
    /// and the journal is given back for its last entry.
    pub async fn into_steps(mut self) -> StepLog {
        self.workers.wind_down().await;
        self.log_rest().await;
        self.steps
    }

    /// A handle for the guest.
    pub(super) fn push<T: Send + 'static>(&mut self, handle: T) -> wasmtime::Result<Resource<T>> {
        let max = self.meter.limits().handles_max;
        self.table.push(handle).map_err(|_| wasmtime::Error::new(LimitReached::Handles { max }))
    }

    /// What the guest wrote to its standard error last: where a panic says why.
    #[must_use]
    pub fn last_words(&self) -> &[String] {
        self.log.last_words()
    }

    /// A call that is no step.
    pub(super) fn call(&mut self) -> wasmtime::Result<()> {
        Ok(self.meter.called(1)?)
    }

    /// A step that a cancel reaches: where one is due, it gives `run.cancelled` and nothing happens.
    ///
    /// `effect` runs only where the journal has no result. It is given the token that stops it.
    pub(super) async fn step<A, T, F>(
        &mut self,
        kind: &'static str,
        args: &A,
        recovery: Recovery,
        effect: F,
    ) -> wasmtime::Result<Result<T, Fault>>
    where
        A: Serialize,
        T: Serialize + DeserializeOwned,
        F: AsyncFnOnce(&mut Effect, &Stop) -> Result<T, Fail>,
    {
        let signals = self.signals.clone();
        let result = self
            .record(kind, args, recovery, async move |step: &mut Effect| {
                let entered = signals.enter();
                if signals.is_interrupted() {
                    return Err(Halt::Interrupted);
                }
                let due = signals.is_cancel_due() || step.cancel().is_some();
                let result =
                    if due { Err(Fail::Fault(cancelled())) } else { effect(step, entered.stop()).await };
                match result {
                    Ok(value) => Ok(Ok(value)),
                    Err(Fail::Halt(halt)) => Err(halt),
                    Err(Fail::Fault(fault)) => {
                        let fault = judge(fault)?;
                        step.mark_fault(&fault.code);
                        if fault.code == FaultCode::RunCancelled {
                            step.tell_cancel();
                        }
                        Ok(Err(fault))
                    }
                }
            })
            .await?;
        if result.as_ref().is_err_and(|fault| fault.code == FaultCode::RunCancelled) {
            self.signals.told();
        }
        Ok(result)
    }

    /// A step of any result.
    pub(super) async fn record<A, T, F>(
        &mut self,
        kind: &'static str,
        args: &A,
        recovery: Recovery,
        effect: F,
    ) -> wasmtime::Result<T>
    where
        A: Serialize,
        T: Serialize + DeserializeOwned + Outcome,
        F: AsyncFnOnce(&mut Effect) -> Result<T, Halt>,
    {
        self.stepping().await?;
        let workers = self.workers.clone();
        let mut live = None;
        let call = Call { kind, args, label: None, recovery };
        let result = self
            .steps
            .once(call, async |step: &mut Effect| {
                live = Some(step.seq());
                // All that was recorded has been given to the guest by now.
                workers.go();
                effect(step).await
            })
            .await
            .map_err(trap)?;
        self.arrived();
        if let Some(step) = live {
            let fault = result.fault().cloned();
            self.events.send(RunEvent::StepFinished { step, kind: kind.to_owned(), fault });
        } else if self.steps.is_aloud() {
            self.events.send(RunEvent::StepReplayed {
                step: self.steps.last_step(),
                kind: kind.to_owned(),
                args: readable(args),
                fault: result.fault().cloned(),
            });
        }
        Ok(result)
    }

    /// Before a step: what the guest printed is logged in its place, and it has its fuel anew.
    pub(super) async fn stepping(&mut self) -> wasmtime::Result<()> {
        self.flush_output().await?;
        self.meter.stepped();
        Ok(())
    }
}

/// What a step gave, as far as listeners are concerned.
pub(super) trait Outcome {
    /// The fault in it.
    fn fault(&self) -> Option<&Fault> {
        None
    }
}

impl<T> Outcome for Result<T, Fault> {
    fn fault(&self) -> Option<&Fault> {
        self.as_ref().err()
    }
}

impl Outcome for bool {}

/// A fault that stops the guest instead of being told to it: an interruption isn't an outcome, and
/// want of space is cured by somebody else, after which the same step may succeed.
pub(super) fn judge(fault: Fault) -> Result<Fault, Halt> {
    match fault.code {
        FaultCode::RunInterrupted => Err(Halt::Interrupted),
        FaultCode::FileNoSpace | FaultCode::FtpNoSpace => {
            Err(Halt::Pause(PauseReason::NoSpace, Box::new(fault)))
        }
        _ => Ok(fault),
    }
}

/// What a step gives that a cancel has reached.
pub(super) fn cancelled() -> Fault {
    Fault::new(FaultCode::RunCancelled, "the run was cancelled")
}
