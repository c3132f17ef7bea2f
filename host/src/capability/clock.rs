//! `orchestrator:workflow/clock`: time as the journal tells it, and durable waits.

use std::time::Duration;

use super::bindings::clock::{Failure, Host};
use super::convert::{failure, number};
use super::ctx::{Ctx, Fail};
use crate::clock::Clock;
use crate::journal::{Effect, Error, Recovery};
use crate::model::{Fault, Timestamp};
use crate::transfer::Stop;

impl Host for Ctx {
    fn now(&mut self) -> wasmtime::Result<u64> {
        self.call()?;
        Ok(number(self.steps.now().0))
    }

    async fn sleep(&mut self, duration: u64) -> wasmtime::Result<Result<(), Failure>> {
        let clock = self.clock.clone();
        self.sleeping("clock.sleep", duration, async move |step, stop| {
            let due = Timestamp(clock.now().0.saturating_add(duration));
            wait_until(&*clock, step, stop, due).await
        })
        .await
    }

    async fn sleep_until(&mut self, at: u64) -> wasmtime::Result<Result<(), Failure>> {
        let clock = self.clock.clone();
        self.sleeping("clock.sleep-until", at, async move |step, stop| {
            wait_until(&*clock, step, stop, Timestamp(at)).await
        })
        .await
    }
}

impl Ctx {
    async fn sleeping<F>(
        &mut self,
        kind: &'static str,
        millis: u64,
        effect: F,
    ) -> wasmtime::Result<Result<(), Failure>>
    where
        F: AsyncFnOnce(&mut Effect, &Stop) -> Result<(), Fail>,
    {
        let slept: Result<(), Fault> = self.step(kind, &millis, Recovery::Rerun, effect).await?;
        Ok(slept.map_err(failure))
    }
}

/// Waits until `due`, which is made durable first: whoever takes the run over waits for the rest.
///
/// A wall clock that is set back can't make the wait longer than it was, since what is left is
/// measured once and then waited for by the monotonic clock.
pub(super) async fn wait_until(
    clock: &dyn Clock,
    step: &mut Effect,
    stop: &Stop,
    due: Timestamp,
) -> Result<(), Fail> {
    let due = durable(clock, step, due).await?;
    let left = Duration::from_millis(due.0.saturating_sub(clock.now().0));
    if left.is_zero() {
        return Ok(());
    }
    Ok(stop
        .unless(async {
            clock.sleep(left).await;
            Ok(())
        })
        .await?)
}

/// Until when a step waits: as an earlier process recorded it, or `due`, made durable unless it is past.
pub(super) async fn durable(
    clock: &dyn Clock,
    step: &mut Effect,
    due: Timestamp,
) -> Result<Timestamp, Error> {
    let recorded = step.in_doubt().and_then(|evidence| <[u8; 8]>::try_from(evidence).ok());
    if let Some(bytes) = recorded {
        return Ok(Timestamp(u64::from_le_bytes(bytes)));
    }
    if due > clock.now() {
        step.begin(&due.0.to_le_bytes()).await?;
    }
    Ok(due)
}
