//! A rehearsal: a guest goes along what is recorded, and no further. Nothing is carried out, nothing is
//! written, and the run isn't claimed, so that it may rest, be under way, or have ended.

use std::sync::Arc;

use super::log::StepLog;
use crate::clock::Clock;
use crate::journal::error::Error;
use crate::journal::halt::Halt;
use crate::journal::state::RunState;
use crate::journal::store::{Claim, RunHead, Store};
use crate::model::StepSeq;

/// How far a rehearsal goes, and who hears of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rehearsal {
    /// The last step whose result the guest is given; all that are recorded, if none.
    pub until: Option<StepSeq>,
    /// Lines and statuses that were told when they were new are told again.
    pub aloud: bool,
}

impl StepLog {
    /// Opens the journal of a run, as of `head`, for a guest that is only to show what it does with what
    /// is recorded: it is stopped ([`Halt::Rehearsed`]) before anything is carried out or written.
    ///
    /// # Errors
    /// [`Error::Damaged`] at the first entry that can't be read or can't follow.
    pub async fn rehearse(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        head: &RunHead,
        how: Rehearsal,
    ) -> Result<(Self, RunState), Error> {
        // Never written with, so that it need not be in force.
        let claim = Claim { run: head.run.clone(), epoch: head.epoch };
        let (mut log, state) = Self::at_front(store, clock, claim, head).await?;
        log.rehearsal = Some(how);
        log.settle().await?;
        Ok((log, state))
    }

    /// Whether what was told when it was new is told again.
    #[must_use]
    pub fn is_aloud(&self) -> bool {
        self.rehearsal.is_some_and(|rehearsal| rehearsal.aloud)
    }

    /// Stops the guest where it has been given as much as it is to be given.
    pub(super) fn check_rehearsal(&self) -> Result<(), Halt> {
        let until = self.rehearsal.and_then(|rehearsal| rehearsal.until);
        if until.is_some_and(|until| self.step >= until) { Err(Halt::Rehearsed) } else { Ok(()) }
    }
}
