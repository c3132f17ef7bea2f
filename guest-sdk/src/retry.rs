//! Attempts that the workflow repeats itself. The count and the waits are in the journal, so a run that
//! was killed in the middle of a wait goes on with the rest of it.
//!
//! The host repeats transient failures of single calls by itself, as the site's policy says. This is for
//! what takes several calls, or for what only the workflow can judge.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Error, Result, host};

/// How chance spreads the waits of many callers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Jitter {
    /// Each wait is exactly the computed delay.
    None,
    /// Uniform between zero and the delay.
    #[default]
    Full,
    /// Half of the delay, and a random part of the other half.
    Equal,
    /// Uniform between the initial delay and three times the wait before.
    Decorrelated,
}

/// What follows when the attempts are used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exhausted {
    /// The call gives the last error.
    #[default]
    Fail,
    /// The run is paused, for somebody to look.
    Pause,
}

/// Exponential backoff, bounded by attempts, by time, and by a longest delay. By default 5 attempts,
/// with delays of 1, 2, 4 and 8 seconds under full jitter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many attempts at most, the first included; `None` for no limit.
    pub max_attempts: Option<u32>,
    /// How long at most from the first attempt; `None` for no limit.
    pub max_elapsed: Option<Duration>,
    /// The delay after the first failure.
    pub initial_delay: Duration,
    /// By how much each delay grows over the one before: 200 doubles it.
    pub multiplier_percent: u32,
    /// The longest delay.
    pub max_delay: Duration,
    /// How chance spreads the waits.
    pub jitter: Jitter,
    /// Codes that are final, whatever their class. At most 64.
    pub non_retryable: Vec<String>,
    /// What follows when the attempts are used up.
    pub on_exhausted: Exhausted,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: Some(5),
            max_elapsed: None,
            initial_delay: Duration::from_secs(1),
            multiplier_percent: 200,
            max_delay: Duration::from_secs(60),
            jitter: Jitter::default(),
            non_retryable: Vec::new(),
            on_exhausted: Exhausted::default(),
        }
    }
}

impl RetryPolicy {
    /// The policy `[retry.NAME]` of the configuration; `None` when it has no such. A resumed run is given the
    /// same again, whatever the configuration says by then.
    ///
    /// ```
    /// # use orchestrator_sdk::prelude::*;
    /// # fn run(_: ()) -> Result<Option<u32>> {
    /// let policy = RetryPolicy::named("patient")?.unwrap_or_default();
    /// # Ok(policy.max_attempts)
    /// # }
    /// # let host = orchestrator_sdk::testing::MockHost::new();
    /// # assert_eq!(host.run(run, serde_json::Value::Null).unwrap(), Some(5));
    /// # let host = host.with_retry("patient", RetryPolicy::default().attempts(20));
    /// # assert_eq!(host.run(run, serde_json::Value::Null).unwrap(), Some(20));
    /// ```
    ///
    /// # Errors
    /// `config.invalid` when the configuration can't be read.
    pub fn named(name: &str) -> Result<Option<Self>> {
        host::retry_named(name)
    }

    /// At most `count` attempts, the first included.
    #[must_use]
    pub fn attempts(mut self, count: u32) -> Self {
        self.max_attempts = Some(count);
        self
    }

    /// Attempts without a limit of number or, unless [`RetryPolicy::for_at_most`] follows, of time.
    #[must_use]
    pub fn without_end(mut self) -> Self {
        (self.max_attempts, self.max_elapsed) = (None, None);
        self
    }

    /// No new attempt once `span` has passed since the first.
    #[must_use]
    pub fn for_at_most(mut self, span: Duration) -> Self {
        self.max_elapsed = Some(span);
        self
    }

    /// Delays that begin at `initial` and double up to `longest`.
    #[must_use]
    pub fn delays(mut self, initial: Duration, longest: Duration) -> Self {
        (self.initial_delay, self.max_delay) = (initial, longest);
        self
    }

    /// The same delay after each failure.
    #[must_use]
    pub fn every(mut self, delay: Duration) -> Self {
        (self.initial_delay, self.max_delay, self.multiplier_percent) = (delay, delay, 100);
        self.jitter = Jitter::None;
        self
    }

    /// An error of this code is final, whatever its class.
    #[must_use]
    pub fn not_on(mut self, code: impl Into<String>) -> Self {
        self.non_retryable.push(code.into());
        self
    }

    /// Pauses the run when the attempts are used up, instead of failing.
    #[must_use]
    pub fn or_pause(mut self) -> Self {
        self.on_exhausted = Exhausted::Pause;
        self
    }
}

/// Calls `attempt` until it succeeds or `policy` says that it is enough; `name` stands in the journal,
/// for people. Only transient errors are followed by another attempt.
///
/// ```
/// # use orchestrator_sdk::prelude::*;
/// # fn run(_: ()) -> Result<u64> {
/// # let site = Site::open("acme")?;
/// let policy = RetryPolicy::default().every(Duration::from_secs(30)).attempts(20);
/// let size = retry("until the marker is there", &policy, || {
///     let marker = site.stat("in/done.marker")?;
///     let absent = Error::new("acme.not-yet", "the marker isn't there").with_class(ErrorClass::Transient);
///     marker.ok_or(absent)
/// })?;
/// # Ok(size.size.unwrap_or(0))
/// # }
/// # let host = orchestrator_sdk::testing::MockHost::new().with_site("acme");
/// # host.site("acme").write("in/done.marker", "ok");
/// # assert_eq!(host.run(run, serde_json::Value::Null).unwrap(), 2);
/// ```
///
/// # Errors
/// What the last attempt gave.
pub fn retry<T>(name: &str, policy: &RetryPolicy, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let mut made = 0;
    // Opened at the first failure only: success at once costs no step.
    let mut attempts: Option<host::Attempts> = None;
    loop {
        let error: Error = match attempt() {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        made += 1;
        if !attempts.get_or_insert_with(|| host::Attempts::open(policy, name)).failed(&error) {
            return Err(Error { attempts: made, ..error });
        }
    }
}
