//! `orchestrator:workflow/retry`: attempts that the workflow itself repeats, with durable waits.

use std::time::Duration;

use rand_chacha::rand_core::Rng;
use serde::Serialize;
use wasmtime::component::Resource;

use super::bindings::retry::{Failure, Host, HostAttempts, RetryPolicy as WitPolicy};
use super::clock::wait_until;
use super::convert::{cut, failure, fault, policy_to_model, policy_to_wit};
use super::ctx::{Ctx, Fail};
use crate::journal::{Halt, Recovery};
use crate::model::{Exhausted, Fault, PauseReason, RetryPolicy, Timestamp};

/// The most bytes of a series' name.
const NAME_BYTES_MAX: usize = 256;

/// A series of attempts at one thing.
#[derive(Debug)]
pub struct Attempts {
    policy: RetryPolicy,
    name: String,
    failed: u32,
    began: Timestamp,
    previous: Duration,
}

#[derive(Serialize)]
struct Args<'a> {
    name: &'a str,
    attempt: u32,
    code: &'a str,
    wait_ms: Option<u64>,
}

impl Host for Ctx {
    async fn named(&mut self, name: String) -> wasmtime::Result<Result<Option<WitPolicy>, Failure>> {
        let name = cut(&name, NAME_BYTES_MAX);
        let reach = self.reach.clone();
        let found: Result<Option<RetryPolicy>, Fault> = self
            .step("retry.named", &name, Recovery::Read, async |_, _| Ok(reach.retry_policy(name)?))
            .await?;
        Ok(found.map(|policy| policy.map(policy_to_wit)).map_err(failure))
    }
}

impl HostAttempts for Ctx {
    fn open(&mut self, policy: WitPolicy, name: String) -> wasmtime::Result<Resource<Attempts>> {
        self.call()?;
        let attempts = Attempts {
            policy: policy_to_model(policy),
            name: cut(&name, NAME_BYTES_MAX).to_owned(),
            failed: 0,
            began: self.steps.now(),
            previous: Duration::ZERO,
        };
        self.push(attempts)
    }

    /// All that decides is in the journal (the time of the last entry, the seed), so the decision is
    /// the same in a replay; only the wait is a step.
    async fn failed(&mut self, it: Resource<Attempts>, why: Failure) -> wasmtime::Result<bool> {
        let why = fault(why);
        let now = self.steps.now();
        let unit = self.waits.next_u32();
        let attempts = self.table.get_mut(&it)?;
        attempts.failed += 1;
        let policy = &attempts.policy;
        let elapsed = Duration::from_millis(now.0.saturating_sub(attempts.began.0));
        if !why.is_transient() || policy.non_retryable.iter().any(|code| code == why.code.as_str()) {
            self.call()?;
            return Ok(false);
        }
        let wait = policy.delay(attempts.failed, elapsed, attempts.previous, unit);
        let wait = wait.map(|wait| wait.max(Duration::from_millis(why.retry_after_ms.unwrap_or(0))));
        attempts.previous = wait.unwrap_or_default();
        let (pauses, name, attempt) =
            (policy.on_exhausted == Exhausted::Pause, attempts.name.clone(), attempts.failed);
        let wait_ms = wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        let args = Args { name: &name, attempt, code: why.code.as_str(), wait_ms };
        match wait_ms {
            Some(wait_ms) => self.wait(&args, wait_ms).await,
            None if pauses => {
                self.pause(&args, &why).await?;
                let now = self.steps.now();
                let attempts = self.table.get_mut(&it)?;
                (attempts.failed, attempts.began, attempts.previous) = (0, now, Duration::ZERO);
                Ok(true)
            }
            None => {
                self.call()?;
                Ok(false)
            }
        }
    }

    async fn drop(&mut self, it: Resource<Attempts>) -> wasmtime::Result<()> {
        self.table.delete(it)?;
        Ok(())
    }
}

impl Ctx {
    /// Waits; false when the run was cancelled meanwhile.
    async fn wait(&mut self, args: &Args<'_>, wait_ms: u64) -> wasmtime::Result<bool> {
        let clock = self.clock.clone();
        let waited: Result<(), Fault> = self
            .step("retry.wait", args, Recovery::Rerun, async move |step, stop| {
                let due = Timestamp(clock.now().0.saturating_add(wait_ms));
                wait_until(&*clock, step, stop, due).await
            })
            .await?;
        Ok(waited.is_ok())
    }

    /// Pauses the run. When it is resumed, this step is found begun, and ends.
    async fn pause(&mut self, args: &Args<'_>, why: &Fault) -> wasmtime::Result<()> {
        let fault = Fault { attempts: args.attempt, ..why.clone() };
        let name = args.name.to_owned();
        let _: Result<(), Fault> = self
            .step("retry.pause", args, Recovery::Rerun, async move |step, _| {
                if step.in_doubt().is_some() {
                    return Ok(());
                }
                step.begin(&[]).await?;
                let fault = fault.while_doing(format_args!("the attempts at {name} are used up"));
                Err(Fail::Halt(Halt::Pause(PauseReason::Exhausted, Box::new(fault))))
            })
            .await?;
        Ok(())
    }
}
