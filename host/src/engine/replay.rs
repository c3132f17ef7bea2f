//! Replays: a run's guest goes once more along what is recorded, and nothing takes effect. That shows
//! what the run did and where its workflow stands; and, before `resume --workflow`, whether another
//! component does the same.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::handle::RunHandle;
use super::outcome::End;
use super::{Engine, Error};
use crate::capability::Events;
use crate::journal::{self, BlobId, Ending, Halt, Rehearsal, RunState, StepLog};
use crate::model::{Fault, FaultCode, Listener, RunEvent, RunId, StepSeq};
use crate::transfer::StopKind;

/// How a run is to be replayed.
#[derive(Debug, Default)]
pub struct ReplayOptions {
    /// Another component than the run's own.
    pub workflow: Option<Vec<u8>>,
    /// The last step whose result the guest is given; all that are recorded, if none.
    pub until: Option<StepSeq>,
    /// Who is told what the guest does: each step, and each line that it logs.
    pub listener: Option<mpsc::UnboundedSender<RunEvent>>,
}

/// Loses nothing, however slow its reader is: what a replay tells is bounded by its journal.
impl Listener for mpsc::UnboundedSender<RunEvent> {
    fn hear(&self, _: &RunId, _: &str, event: &RunEvent) {
        // It fails when nobody listens any more, which is as good.
        let _ = self.send(event.clone());
    }
}

/// What a replay came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The last step whose result the guest was given.
    pub step: StepSeq,
    /// How it ended.
    pub end: ReplayEnd,
    /// Where the guest was then: its functions, innermost first. Empty once it had returned.
    pub at: Vec<String>,
}

/// How a replay ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayEnd {
    /// The guest was given as much as was asked for.
    Stopped,
    /// It was given all that is recorded: the run hasn't come further.
    Unfinished,
    /// It returned what is recorded, or no end is recorded.
    Returned(Result<String, Fault>),
    /// It does, or returns, something else than is recorded.
    Differs(Fault),
    /// It trapped.
    Trapped(Fault),
}

impl Engine {
    /// Replays a run, which may rest, be under way, or have ended. Nothing takes effect, and nothing is
    /// written.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::State`]; [`Error::Refused`] for a component that doesn't fit.
    pub async fn replay(&self, run: &RunId, how: ReplayOptions) -> Result<Replayed, Error> {
        let store = self.store();
        let head = store.head(run).await?.ok_or_else(|| Error::NotFound(run.clone()))?;
        let rehearsal = Rehearsal { until: how.until, aloud: how.listener.is_some() };
        let (store, clock) = (store.clone(), self.clock().clone());
        let (steps, state) = StepLog::rehearse(store, clock, &head, rehearsal).await?;
        let component = match how.workflow {
            Some(component) => component,
            None => self.pinned(state.created.component).await?,
        };
        let events = match how.listener {
            Some(told) => Events::heard_by(Arc::new(told), run.clone(), state.created.workflow.clone()),
            None => Events::new(),
        };
        let handle = RunHandle::new(run.clone(), steps.control(), events);
        let loaded = self.load(component).await?;
        let drive = self.drive(loaded, steps, state.created.clone(), None, handle, true).await?;
        let (end, mut steps) = drive.rehearse().await;
        Ok(judge(end, &mut steps, &state, how.until).await)
    }

    /// Has another component go along all that a run has recorded, without any effect, and keeps it
    /// where it did the same.
    pub(super) async fn rehearsed(&self, run: &RunId, component: Vec<u8>) -> Result<BlobId, Error> {
        let how = ReplayOptions { workflow: Some(component.clone()), ..ReplayOptions::default() };
        match self.replay(run, how).await?.end {
            ReplayEnd::Stopped | ReplayEnd::Unfinished | ReplayEnd::Returned(_) => {
                Ok(self.store().put_blob(component.into()).await?)
            }
            ReplayEnd::Differs(fault) | ReplayEnd::Trapped(fault) => {
                Err(Error::Unlike(fault.while_doing("try the other workflow on what is recorded")))
            }
        }
    }
}

/// Compares the guest's end with what is recorded.
async fn judge(end: End, steps: &mut StepLog, state: &RunState, until: Option<StepSeq>) -> Replayed {
    let step = steps.last_step();
    let (end, at) = match end {
        End::Done(output) => (returned(steps, state, Ok(output)).await, Vec::new()),
        End::Failed(fault) => (returned(steps, state, Err(fault)).await, Vec::new()),
        End::Trapped(fault) => (ReplayEnd::Trapped(fault), Vec::new()),
        End::Cancelled => (ReplayEnd::Differs(StopKind::Interrupt.fault()), Vec::new()),
        End::Halted(halt, at) => (halted(halt, until.is_some_and(|until| step >= until)), at),
    };
    Replayed { step, end, at }
}

fn halted(halt: Halt, as_asked: bool) -> ReplayEnd {
    match halt {
        Halt::Rehearsed if as_asked => ReplayEnd::Stopped,
        Halt::Rehearsed => ReplayEnd::Unfinished,
        Halt::Diverged(divergence) => ReplayEnd::Differs(divergence.to_fault()),
        Halt::Pause(_, fault) => ReplayEnd::Differs(*fault),
        Halt::State(error) => ReplayEnd::Differs(error.to_fault()),
        Halt::Interrupted | Halt::Cancelled => ReplayEnd::Differs(StopKind::Interrupt.fault()),
    }
}

async fn returned(steps: &mut StepLog, state: &RunState, now: Result<String, Fault>) -> ReplayEnd {
    // Its end is its own where nothing that is recorded comes after it.
    match steps.finish(now.clone()).await {
        Ok(()) | Err(Halt::Rehearsed) => {}
        Err(halt) => return halted(halt, false),
    }
    let recorded = match &state.ending {
        Some(Ending::Done { output }) => match journal::load(steps.store().as_ref(), output.clone()).await {
            Ok(output) => Ok(String::from_utf8_lossy(&output).into_owned()),
            Err(error) => return ReplayEnd::Differs(error.to_fault()),
        },
        Some(Ending::Failed { fault }) => Err(fault.clone()),
        // What a cancelled workflow returns isn't recorded.
        Some(Ending::Cancelled) | None => return ReplayEnd::Returned(now),
    };
    if now == recorded {
        return ReplayEnd::Returned(now);
    }
    let side = |side: &Result<String, Fault>| match side {
        Ok(output) => output.clone(),
        Err(fault) => format!("the failure {}: {fault}", fault.code),
    };
    let why = format!(
        "this workflow no longer returns what it did\n  recorded: {}\n  now:      {}",
        side(&recorded),
        side(&now)
    );
    ReplayEnd::Differs(Fault::new(FaultCode::Other("run.diverged".to_owned()), why))
}
