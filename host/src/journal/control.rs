//! What others than its guest may ask of a run: of a live one through [`Control`], of a resting one
//! by claiming it for a moment.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::cursor::Cursor;
use super::entry::{Ending, Entry, Fact};
use super::error::Error;
use super::inbox::{Sent, Signal};
use super::state::{Cancel, RunState};
use super::store::{RunHead, Store};
use super::writer::{Along, Writer, fold};
use crate::clock::Clock;
use crate::model::{Fault, FaultCode, PauseReason, RunId, RunStatus, Timestamp};

/// A run that was live at this many unclean ends of the process, without coming further in between,
/// may be their cause: it isn't started again unasked.
pub const UNCLEAN_ENDS_MAX: u32 = 3;

/// What others may ask of a live run.
#[derive(Clone, Debug)]
pub struct Control {
    writer: Arc<Mutex<Writer>>,
}

impl Control {
    pub(super) fn new(writer: Arc<Mutex<Writer>>) -> Self {
        Self { writer }
    }

    /// Asks for the run to be cancelled; durable when it returns. The guest learns of it by its next
    /// step, and may clean up until `deadline`.
    ///
    /// # Errors
    /// Those of [`Store::append`]; [`Error::Closed`] where the run has ended or is paused.
    pub async fn ask_cancel(&self, deadline: Option<Timestamp>) -> Result<(), Error> {
        let mut writer = self.writer.lock().await;
        let fact = Fact::CancelAsked { deadline };
        if super::state::next_status(writer.state().status, &fact).is_none() {
            return Err(Error::Closed { run: writer.claim().run.clone() });
        }
        crate::crash::point("journal.cancel.before");
        writer.commit(vec![fact], Along::default()).await?;
        crate::crash::point("journal.cancel.after");
        Ok(())
    }

    /// Sends the run a signal; durable when it returns.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::InboxFull`], and those of [`Store::append`].
    pub async fn signal(&self, signal: &Signal) -> Result<Sent, Error> {
        self.writer.lock().await.signal(signal).await
    }

    /// A cancel that was asked for.
    pub async fn cancel(&self) -> Option<Cancel> {
        self.writer.lock().await.state().cancel
    }

    /// How the run stands, with all that was committed.
    pub async fn state(&self) -> RunState {
        self.writer.lock().await.state().clone()
    }
}

/// Whether a run may be the cause of the last ends of the process. `head` is as [`Store::claim`] gave
/// it: with the latest end counted.
#[must_use]
pub fn is_suspect(head: &RunHead) -> bool {
    head.unclean_ends >= UNCLEAN_ENDS_MAX
}

/// Why a suspect run is paused.
#[must_use]
pub fn suspicion(head: &RunHead) -> Fault {
    Fault::new(
        FaultCode::Other("run.suspected".to_owned()),
        format!(
            "run {} was live when the process ended uncleanly, {} times in a row without coming further",
            head.run, head.unclean_ends
        ),
    )
    .with_hint(format!("`orchestrator resume {}` tries it once more", head.run))
}

/// How a run stands, read from its journal without claiming it.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Damaged`] at the first entry that can't be read or can't follow.
pub async fn state_of(store: &Arc<dyn Store>, run: &RunId) -> Result<RunState, Error> {
    let head = store.head(run).await?.ok_or_else(|| Error::NotFound { run: run.clone() })?;
    fold(store, &head).await
}

/// Pauses a run that no process drives.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Closed`], [`Error::Damaged`], and those of [`Store::append`].
pub async fn pause_resting(
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    run: &RunId,
    why: PauseReason,
    fault: Fault,
) -> Result<(), Error> {
    write_resting(store, clock, run, |_| vec![Fact::Paused { why, fault }]).await
}

/// Cancels a run that no process drives. One that is paused for its own sake (it trapped, diverged, is
/// suspected) is ended on the spot; any other is to be resumed then, so that its guest can clean up
/// and its parts are removed until `deadline`. Gives how it stands.
///
/// # Errors
/// As [`pause_resting`].
pub async fn cancel_resting(
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    run: &RunId,
    deadline: Option<Timestamp>,
) -> Result<RunStatus, Error> {
    let mut after = RunStatus::Cancelling;
    write_resting(store, clock, run, |state| {
        let asked = Fact::CancelAsked { deadline };
        match state.pause.as_ref().map(|(why, _)| why) {
            None => vec![asked],
            Some(PauseReason::Exhausted | PauseReason::NoSpace | PauseReason::Asked) => {
                vec![Fact::Unpaused, asked]
            }
            Some(
                PauseReason::Trapped
                | PauseReason::Diverged
                | PauseReason::Indeterminate
                | PauseReason::Suspected
                | PauseReason::Restored
                | PauseReason::Imported,
            ) => {
                after = RunStatus::Cancelled;
                vec![Fact::Ended(Ending::Cancelled)]
            }
        }
    })
    .await?;
    Ok(after)
}

async fn write_resting(
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    run: &RunId,
    facts: impl FnOnce(&RunState) -> Vec<Fact>,
) -> Result<(), Error> {
    let (claim, head) = store.claim(run).await?;
    let written = async {
        let opened = Writer::open(Arc::clone(store), Arc::clone(clock), claim.clone(), &head).await?;
        let mut writer = opened.0;
        if writer.state().status.is_closed() {
            return Err(Error::Closed { run: run.clone() });
        }
        let facts = facts(writer.state());
        if !facts.is_empty() {
            writer.commit(facts, Along::default()).await?;
        }
        Ok(())
    }
    .await;
    store.release(&claim).await?;
    written
}

/// At most `max` entries of a run from number `from` on, with their numbers, for people to read.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Damaged`] at the first entry that can't be read.
pub async fn history(
    store: &Arc<dyn Store>,
    run: &RunId,
    from: u64,
    max: usize,
) -> Result<Vec<(u64, Entry)>, Error> {
    let head = store.head(run).await?.ok_or_else(|| Error::NotFound { run: run.clone() })?;
    let first = from.max(head.first_seq);
    let mut cursor = Cursor::new(Arc::clone(store), run.clone(), first, head.last_seq);
    let mut entries = Vec::new();
    while entries.len() < max {
        let seq = cursor.seq();
        match cursor.next().await? {
            Some(entry) => entries.push((seq, entry)),
            None => break,
        }
    }
    Ok(entries)
}
