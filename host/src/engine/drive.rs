//! One run from its instantiation to its outcome.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Store, StoreContextMut, UpdateDeadline};

use super::handle::{Patience, RunHandle};
use super::outcome::End;
use crate::capability::{Ctx, Guest, Halted, Parts, Reach, RunFacts};
use crate::clock::Clock;
use crate::journal::{Halt, StepLog};
use crate::model::{FaultCode, RunEvent, RunOutcome};
use crate::wasm::{Limits, Runtime};

/// All that a run is driven with.
pub(super) struct Drive {
    pub(super) runtime: Runtime,
    pub(super) guest: Guest,
    pub(super) steps: StepLog,
    pub(super) facts: RunFacts,
    pub(super) reach: Reach,
    pub(super) input: String,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) handle: RunHandle,
    pub(super) resumed: bool,
}

impl Drive {
    /// Drives the run until it ends or is stopped, and tells how.
    pub(super) async fn run(self) -> RunOutcome {
        let handle = self.handle.clone();
        let shared = handle.shared();
        shared.events.send(RunEvent::Started {
            run: self.facts.run.clone(),
            workflow: self.facts.workflow.clone(),
            resumed: self.resumed,
        });
        let outcome = self.drive().await;
        shared.events.send(RunEvent::Ended { run: shared.run.clone(), outcome: outcome.clone() });
        outcome
    }

    async fn drive(self) -> RunOutcome {
        let (end, mut steps) = self.drive_guest().await;
        end.write(&mut steps).await
    }

    /// Drives the guest along what is recorded, and no further.
    pub(super) async fn rehearse(self) -> (End, StepLog) {
        self.drive_guest().await
    }

    async fn drive_guest(self) -> (End, StepLog) {
        let Self { runtime, guest, steps, facts, reach, input, clock, handle, resumed: _ } = self;
        let shared = handle.shared();
        let limits = *runtime.limits();
        let ctx = Ctx::new(Parts {
            steps,
            run: facts,
            reach,
            events: shared.events.clone(),
            signals: shared.signals.clone(),
            clock: Arc::clone(&clock),
            limits,
        });
        let mut store = Store::new(runtime.engine(), ctx);
        let end = match prepare(&mut store, limits) {
            Err(error) => End::of(Err(error), &[]),
            Ok(()) => {
                let _ticking = runtime.ticking();
                tokio::select! {
                    biased;
                    result = guest.run(&mut store, &input) => Returned(result).end(&mut store, &handle),
                    () = out_of_patience(&handle, &*clock) => End::Cancelled,
                }
            }
        };
        match &end {
            // What is under way in the background comes to its end by itself.
            end if end.is_return() => {}
            // It takes its parts away.
            End::Cancelled => shared.signals.cancel(),
            // It commits what it has and ends.
            _ => shared.signals.interrupt(),
        }
        (end, store.into_data().into_steps().await)
    }
}

/// What a call of the guest gave.
struct Returned(wasmtime::Result<Result<String, crate::model::Fault>>);

impl Returned {
    fn end(self, store: &mut Store<Ctx>, handle: &RunHandle) -> End {
        let ctx = store.data_mut();
        ctx.hear_last_words();
        match End::of(self.0, ctx.last_words()) {
            // Whatever it returns after it was told: it has cleaned up, and the run was cancelled.
            end if end.is_return() && handle.shared().signals.was_told() => End::Cancelled,
            // A batch's outcomes told it, and it passes that on.
            End::Failed(fault)
                if fault.code == FaultCode::RunCancelled && handle.shared().signals.is_cancelled() =>
            {
                End::Cancelled
            }
            end => end,
        }
    }
}

/// Puts the bounds in force.
fn prepare(store: &mut Store<Ctx>, limits: Limits) -> wasmtime::Result<()> {
    store.limiter(|ctx| ctx.meter());
    store.set_hostcall_fuel(limits.call_bytes_max);
    store.set_fuel(fuel(store.data(), &limits))?;
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |store| tick(store, &limits));
    Ok(())
}

/// Every tick of the epoch, about 100 times a second, while the guest computes: it yields, and has
/// its fuel anew if it made a step since.
///
/// Host functions have no access to the fuel, so it can't be given back at the very step. It comes
/// at most one tick later, which is a five-hundredth of what a guest may use; and a replay has twice
/// as much as the first pass, so that it never runs out where the first pass didn't.
///
/// A process that is ending doesn't wait for the guest's next step either.
fn tick(mut store: StoreContextMut<'_, Ctx>, limits: &Limits) -> wasmtime::Result<UpdateDeadline> {
    if store.data().is_interrupted() {
        return Err(wasmtime::Error::new(Halted(Halt::Interrupted)));
    }
    if store.data_mut().meter().take_refill() {
        let fuel = fuel(store.data(), limits);
        store.set_fuel(fuel)?;
    }
    Ok(UpdateDeadline::Yield(1))
}

fn fuel(ctx: &Ctx, limits: &Limits) -> u64 {
    if ctx.is_live() { limits.step_fuel } else { limits.step_fuel.saturating_mul(2) }
}

/// Waits until a cancelled run must end, cleaned up or not.
async fn out_of_patience(handle: &RunHandle, clock: &dyn Clock) {
    let mut patience = handle.shared().patience.subscribe();
    loop {
        let now = *patience.borrow_and_update();
        let wait = async {
            match now {
                Patience::Endless => std::future::pending().await,
                Patience::Until(deadline) => {
                    let left = deadline.0.saturating_sub(clock.now().0);
                    clock.sleep(Duration::from_millis(left)).await;
                }
                Patience::None => {}
            }
        };
        tokio::select! {
            () = wait => return,
            changed = patience.changed() => {
                if changed.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}
