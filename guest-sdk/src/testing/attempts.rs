//! Attempts that the workflow repeats itself, on simulated time.

use std::cell::Cell;
use std::time::Duration;

use super::state;
use crate::clock::{Timestamp, millis};
use crate::retry::RetryPolicy;
use crate::{Error, Result, host};

pub(crate) fn retry_named(name: &str) -> Result<Option<RetryPolicy>> {
    state::with(|state| {
        state.step("retry.named", &[name])?;
        Ok(state.policies.get(name).cloned())
    })
}

pub(crate) struct Attempts {
    policy: RetryPolicy,
    name: String,
    began: Timestamp,
    failed: Cell<u32>,
    delay: Cell<u64>,
}

impl Attempts {
    pub(crate) fn open(policy: &RetryPolicy, name: &str) -> Self {
        Self {
            policy: policy.clone(),
            name: name.to_owned(),
            began: host::now(),
            failed: Cell::new(0),
            delay: Cell::new(millis(policy.initial_delay)),
        }
    }

    /// Waits without jitter: what a test sees is then the same each time. A policy that pauses gives up
    /// like any other, since there is nobody to resume the run.
    pub(crate) fn failed(&self, why: &Error) -> bool {
        self.failed.set(self.failed.get() + 1);
        let (delay, policy) = (self.delay.get(), &self.policy);
        state::with(|state| {
            let cancelled = state.step("retry.failed", &[&self.name]).is_err();
            let elapsed = state.now.0 - self.began.0;
            let over = policy.max_attempts.is_some_and(|max| self.failed.get() >= max)
                || policy.max_elapsed.is_some_and(|max| elapsed + delay > millis(max));
            if cancelled || over || !why.is_transient() || policy.non_retryable.contains(&why.code) {
                return false;
            }
            state.pass(Duration::from_millis(delay));
            let grown = delay.saturating_mul(policy.multiplier_percent.max(100).into()) / 100;
            self.delay.set(grown.min(millis(policy.max_delay)));
            true
        })
    }
}
