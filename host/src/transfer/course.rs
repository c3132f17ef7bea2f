//! The course of one transfer: its attempts, over all processes.

use std::time::Duration;

use super::record::{Attempts, Writes};
use super::transfers::{Errand, Transfers};
use crate::model::{ByteCount, Exhausted, Fault, FaultCode, RetryPolicy};

/// Why an attempt didn't bring the transfer to its end.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It failed. What was committed is good.
    Fault(Fault),
    /// It failed, and what has come so far is of no use: a new generation.
    Discard(Fault),
    /// What has come so far can't be gone on from, but a new generation can't meet the same trouble:
    /// at once, and it isn't counted as a failure.
    Restart(Fault),
    /// Nothing failed, but there is more to do: at once, from the committed offset.
    GoOn,
}

impl Trouble {
    /// The same with another fault.
    pub(super) fn map(self, change: impl FnOnce(Fault) -> Fault) -> Self {
        match self {
            Self::Fault(fault) => Self::Fault(change(fault)),
            Self::Discard(fault) => Self::Discard(change(fault)),
            Self::Restart(fault) => Self::Restart(change(fault)),
            Self::GoOn => Self::GoOn,
        }
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Counts the attempts of a transfer and spaces them out.
pub(super) struct Course<'j> {
    transfers: &'j Transfers,
    job: &'j Errand<'j>,
    policy: RetryPolicy,
    /// As they are, or soon will be, in the log.
    pub(super) attempts: Attempts,
    /// Where the last attempt began.
    pub(super) resumed_from: u64,
}

impl<'j> Course<'j> {
    /// Goes on where `attempts` says; what an attempt that a crash ended may have moved has to be
    /// counted by the caller first.
    pub(super) fn new(transfers: &'j Transfers, job: &'j Errand<'j>, attempts: Attempts) -> Self {
        let policy = job.options.retry_policy(&job.site.retry);
        Self { transfers, job, policy, attempts, resumed_from: 0 }
    }

    /// Begins the next attempt, once it may: waits for what is left of the wait that the last failure
    /// set, also when that was in another process.
    pub(super) async fn begin(&mut self) -> Result<(), Fault> {
        let clock = self.transfers.clock();
        let left = self.attempts.not_before.0.saturating_sub(clock.now().0);
        // A clock that was set back must not make the wait longer than it was meant to be.
        let wait = Duration::from_millis(left.min(self.attempts.last_wait_ms));
        if !wait.is_zero() {
            self.job
                .stop
                .unless(async {
                    clock.sleep(wait).await;
                    Ok(())
                })
                .await?;
        }
        self.job.stop.check()?;
        if self.attempts.begun == 0 {
            self.attempts.first_at = clock.now();
        }
        self.attempts.begun += 1;
        self.attempts.open = true;
        Ok(())
    }

    /// Takes note of content that went over the wire.
    pub(super) fn moved(&mut self, bytes: u64) {
        self.attempts.wire += bytes;
    }

    /// The attempts as they are to be in the log while up to `bytes` more may go out: after a crash
    /// nobody knows how many of them did.
    pub(super) fn attempts_reserving(&self, bytes: u64) -> Attempts {
        Attempts { wire: self.attempts.wire.saturating_add(bytes), ..self.attempts }
    }

    /// Ends an attempt that failed with `fault`; `further` when it got at least one commit further
    /// than the one before. `writes` is committed with it. Gives the fault back when it is final.
    pub(super) async fn failed(&mut self, fault: Fault, further: bool, writes: Writes) -> Result<(), Fault> {
        let clock = self.transfers.clock();
        self.attempts.open = false;
        if fault.class == crate::model::FaultClass::Cancelled {
            writes.attempts(&self.attempts)?.commit(&*self.job.log).await?;
            return Err(fault);
        }
        if further {
            self.attempts.failed = 0;
        }
        self.attempts.failed += 1;
        let elapsed = Duration::from_millis(clock.now().0.saturating_sub(self.attempts.first_at.0));
        let previous = Duration::from_millis(self.attempts.last_wait_ms);
        let wait = self.transfers.backoff(&self.policy, &fault, self.attempts.failed, elapsed, previous);
        let kept_for_later = wait.is_none() && self.keeps(&fault);
        match wait {
            Some(wait) => {
                let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                self.attempts.last_wait_ms = wait_ms;
                self.attempts.not_before.0 = clock.now().0.saturating_add(wait_ms);
            }
            // Whoever resumes the paused run gives it new attempts.
            None if kept_for_later => {
                self.attempts.failed = 0;
                self.attempts.last_wait_ms = 0;
            }
            None => {}
        }
        writes.attempts(&self.attempts)?.commit(&*self.job.log).await?;
        let Some(wait) = wait else {
            return Err(Fault { attempts: self.attempts.begun, ..fault });
        };
        self.job.watch.retry(self.attempts.begun, &fault, wait);
        Ok(())
    }

    /// Whether a transfer that ends with this fault goes on another time, so that its parts must stay.
    pub(super) fn keeps(&self, fault: &Fault) -> bool {
        let paused = self.policy.on_exhausted == Exhausted::Pause;
        match fault.code {
            FaultCode::RunInterrupted
            | FaultCode::RunIndeterminate
            | FaultCode::StateUnwritable
            | FaultCode::StateDamaged
            | FaultCode::HostBug
            // Whoever asked for it waits until somebody has made room.
            | FaultCode::FtpNoSpace
            | FaultCode::FileNoSpace => true,
            _ => paused && fault.may_be_mended(),
        }
    }

    /// How many bytes went over the wire more than once, for a file of `size` bytes.
    pub(super) fn resent(&self, size: u64) -> ByteCount {
        ByteCount(self.attempts.wire.saturating_sub(size))
    }

    /// From the first attempt until now, in milliseconds.
    pub(super) fn elapsed_ms(&self) -> u64 {
        self.transfers.clock().now().0.saturating_sub(self.attempts.first_at.0)
    }
}
