//! What a guest's end means for its run, written to its journal.

use crate::capability::Halted;
use crate::journal::{Error, Halt, StepLog};
use crate::model::{ByteCount, Fault, FaultCode, PauseReason, RunOutcome};
use crate::wasm::{Refusal, Trap, TrapKind, frames};

/// The most bytes of a result.
const OUTPUT_BYTES_MAX: usize = 1 << 20;

/// The most bytes of a trap's report that are kept.
const REPORT_BYTES_MAX: usize = 4096;

/// How a guest ended.
#[derive(Debug)]
pub(super) enum End {
    /// It returned JSON text.
    Done(String),
    /// It returned a failure.
    Failed(Fault),
    /// It was stopped, at this place: its functions, innermost first.
    Halted(Halt, Vec<String>),
    /// It trapped: its own doing.
    Trapped(Fault),
    /// It returned after it had been told that its run is cancelled, or was dropped for that.
    Cancelled,
}

impl End {
    /// Reads what a call of the guest gave. `last_words` is what it wrote to its standard error last.
    pub(super) fn of(result: wasmtime::Result<Result<String, Fault>>, last_words: &[String]) -> Self {
        match result {
            Ok(Ok(output)) => match check_output(&output) {
                Ok(()) => Self::Done(output),
                Err(fault) => Self::Failed(fault),
            },
            Ok(Err(fault)) => Self::Failed(fault),
            Err(error) => {
                let at = frames(&error);
                match error.downcast::<Halted>() {
                    Ok(Halted(Halt::Diverged(mut divergence))) => {
                        divergence.at.clone_from(&at);
                        Self::Halted(Halt::Diverged(divergence), at)
                    }
                    Ok(Halted(halt)) => Self::Halted(halt, at),
                    Err(error) => Self::Trapped(trapped(&Trap::from_error(&error), last_words)),
                }
            }
        }
    }

    /// Whether what goes on in the background may finish by itself.
    pub(super) fn is_return(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Failed(_))
    }

    /// Writes it to the journal.
    pub(super) async fn write(self, steps: &mut StepLog) -> RunOutcome {
        let written = match self {
            Self::Done(output) => finish(steps, Ok(output)).await,
            Self::Failed(fault) => finish(steps, Err(fault)).await,
            Self::Trapped(fault) => pause(steps, PauseReason::Trapped, fault).await,
            Self::Cancelled => cancel(steps).await,
            Self::Halted(halt, _) => Err(halt),
        };
        match written {
            Ok(outcome) => outcome,
            Err(halt) => halted(steps, halt).await,
        }
    }
}

async fn finish(steps: &mut StepLog, returned: Result<String, Fault>) -> Result<RunOutcome, Halt> {
    steps.finish(returned.clone()).await?;
    Ok(match returned {
        Ok(output) => RunOutcome::Done { output },
        Err(fault) => RunOutcome::Failed { fault },
    })
}

async fn cancel(steps: &mut StepLog) -> Result<RunOutcome, Halt> {
    steps.finish_cancelled().await?;
    Ok(RunOutcome::Cancelled)
}

async fn pause(steps: &mut StepLog, why: PauseReason, fault: Fault) -> Result<RunOutcome, Halt> {
    steps.pause(why, fault.clone()).await?;
    Ok(RunOutcome::Paused { why, fault })
}

async fn halted(steps: &mut StepLog, halt: Halt) -> RunOutcome {
    let written = match halt {
        Halt::Interrupted => steps.release().await.map(|()| RunOutcome::Interrupted).map_err(Halt::State),
        Halt::Cancelled => cancel(steps).await,
        Halt::Diverged(divergence) => pause(steps, PauseReason::Diverged, divergence.to_fault()).await,
        Halt::Pause(why, fault) => pause(steps, why, *fault).await,
        Halt::Rehearsed => Err(Halt::Rehearsed),
        // The run has written as much as it may; its last entry is let through.
        Halt::State(error @ (Error::HistoryLimit { .. } | Error::TooLarge { .. })) => {
            finish(steps, Err(error.to_fault())).await
        }
        Halt::State(error) => Err(Halt::State(error)),
    };
    match written {
        Ok(outcome) => outcome,
        // Somebody else drives the run now.
        Err(Halt::State(Error::Fenced { .. } | Error::SeqConflict { .. })) => RunOutcome::Interrupted,
        // Nothing can be written: the journal says that the run goes on, and so it can.
        Err(Halt::State(error @ Error::Unwritable { no_space: true, .. })) => {
            RunOutcome::Paused { why: PauseReason::NoSpace, fault: error.to_fault() }
        }
        Err(Halt::State(error)) => RunOutcome::Failed { fault: error.to_fault() },
        Err(halt) => {
            RunOutcome::Failed { fault: Fault::new(FaultCode::HostBug, format!("the run's end: {halt}")) }
        }
    }
}

fn check_output(output: &str) -> Result<(), Fault> {
    let refuse = |why: String| Err(Fault::new(FaultCode::Other("workflow.output".to_owned()), why));
    if output.len() > OUTPUT_BYTES_MAX {
        let size = ByteCount(u64::try_from(output.len()).unwrap_or(u64::MAX));
        return refuse(format!("the workflow returned {size}; 1.0 MiB are allowed"));
    }
    match serde_json::from_str::<serde::de::IgnoredAny>(output) {
        Ok(_) => Ok(()),
        Err(error) => refuse(format!("the workflow returned something that isn't JSON: {error}")),
    }
}

/// A trap for people: what happened, what the guest said last, and where it was.
fn trapped(trap: &Trap, last_words: &[String]) -> Fault {
    let code = match trap.kind {
        TrapKind::Fuel => "workflow.out-of-fuel",
        TrapKind::Stack => "workflow.stack",
        TrapKind::Limit(_) => "workflow.limit",
        TrapKind::Abort | TrapKind::Exit | TrapKind::Other => "workflow.trapped",
    };
    let mut message = format!("the workflow was stopped: {}", trap.message);
    if trap.kind == TrapKind::Abort && !last_words.is_empty() {
        message.push_str(": ");
        message.push_str(&last_words.join(" "));
    }
    for frame in &trap.backtrace {
        message.push_str("\n  at ");
        message.push_str(frame);
    }
    message.truncate(message.floor_char_boundary(REPORT_BYTES_MAX));
    let hint = "mend the workflow, then `orchestrator resume RUN --workflow mended.wasm`; without it the same code runs again";
    Fault::new(FaultCode::Other(code.to_owned()), message).with_hint(hint)
}

/// A component that fitted when the run began and doesn't any more.
pub(super) fn unfit(refusal: &Refusal) -> Fault {
    Fault::new(FaultCode::Other("workflow.refused".to_owned()), refusal.to_string()).with_hint(refusal.hint())
}
