//! Going back: a run that rests or has ended is put back to where one of its steps hadn't begun, and can
//! be resumed from there.
//!
//! The journal begins anew with what came before that step, in one append, so that a crash leaves either
//! the old journal or the new one. What the steps did that are gone from it stays done: whoever has them
//! done again has looked. The guest draws other random numbers from there on, since the old ones may
//! have gone out into the world as names.

use std::sync::Arc;

use super::cursor::Cursor;
use super::deliveries::{self, Deliveries};
use super::disk;
use super::entry::{Entry, Fact};
use super::error::Error;
use super::state::RunState;
use super::store::{Append, Claim, RunHead, Store, Write};
use super::summary::Summary;
use super::writer::fold;
use super::{cursor, slot};
use crate::clock::Clock;
use crate::model::{Fault, FaultCode, PauseReason, RunId, StepSeq};

/// Why a run can't go back.
#[derive(Clone, Debug)]
pub enum NoRetry {
    /// There is no such step, or no good one, in words.
    Refused(Box<Fault>),
    /// The journal or its store failed.
    State(Error),
}

impl From<Error> for NoRetry {
    fn from(error: Error) -> Self {
        Self::State(error)
    }
}

/// Puts a run that no process drives back to before step `from`; by default, before the last step that
/// gave its workflow a fault. It can then be resumed like one that was interrupted. Gives the step.
///
/// # Errors
/// [`NoRetry::Refused`], after which the run is as it was, but for its epoch; [`Error::NotFound`] and
/// those of [`Store::append`].
pub async fn go_back(
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    run: &RunId,
    from: Option<StepSeq>,
    seed: [u8; 32],
) -> Result<StepSeq, NoRetry> {
    let (claim, head) = store.claim(run).await?;
    let gone_back = write(store, clock, &claim, &head, from, seed).await;
    store.release(&claim).await?;
    gone_back
}

async fn write(
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    claim: &Claim,
    head: &RunHead,
    from: Option<StepSeq>,
    seed: [u8; 32],
) -> Result<StepSeq, NoRetry> {
    let state = fold(store, head).await?;
    if matches!(state.pause, Some((PauseReason::Imported, _))) {
        return Err(refused(format!("run {} comes from another state, where it may be going on", head.run))
            .hinting("retry it there; here `orchestrator replay` shows what it did"));
    }
    let from = match from {
        Some(from) => from,
        None => last_fault(store, head).await?.ok_or_else(|| {
            refused(format!("no step of run {} gave its workflow a fault", head.run))
                .hinting("name the first step to be done again with --from; `orchestrator history` has them")
        })?,
    };
    let first = state.created.after.0 + 1;
    if from.0 < first || from.0 > state.last_step.0 + 1 {
        let last = state.last_step.0 + 1;
        return Err(refused(format!(
            "run {} can go back to steps {first} to {last}, not to {from}",
            head.run
        ))
        .hinting("`orchestrator history` has them"));
    }
    let entries = kept(store, head, &state, from).await?;
    let mut append = Append::new(claim.clone(), head.last_seq);
    append.restart = true;
    append.progress = true;
    append.writes = forgotten(store, head, from).await?;

    let at = clock.now().max(state.last_at);
    let retried = Entry { at, fact: Fact::Retried { from, seed } };
    let mut folded: Option<RunState> = None;
    for (seq, entry) in (head.last_seq + 1..).zip(entries.into_iter().chain([retried])) {
        append.entries.push(disk::encode(&entry)?);
        match &mut folded {
            None => folded = Some(RunState::begin(seq, entry)?),
            Some(state) => state.apply(&entry)?,
        }
    }
    append.summary = folded.as_ref().map(|state| Summary::of(state).encode()).transpose()?;
    store.append(append).await?;
    Ok(from)
}

/// The last step that gave its workflow a fault.
async fn last_fault(store: &Arc<dyn Store>, head: &RunHead) -> Result<Option<StepSeq>, Error> {
    let mut last = None;
    let mut cursor = cursor::whole(store, head);
    while let Some(entry) = cursor.next().await? {
        if let Fact::StepFinished { step, fault: Some(_), .. } = entry.fact {
            last = Some(step);
        }
    }
    Ok(last)
}

/// The entries that the journal begins anew with: what a guest needs to come to where `from` begins, but
/// nothing of pauses and cancels.
async fn kept(
    store: &Arc<dyn Store>,
    head: &RunHead,
    state: &RunState,
    from: StepSeq,
) -> Result<Vec<Entry>, NoRetry> {
    let mut entries = vec![Entry {
        at: state.first_at,
        // With the component that the run has now.
        fact: Fact::RunCreated(Box::new(state.created.clone())),
    }];
    let mut cursor = Cursor::new(Arc::clone(store), head.run.clone(), head.first_seq + 1, head.last_seq);
    while let Some(entry) = cursor.next().await? {
        match &entry.fact {
            fact if fact.step().is_some_and(|step| step >= from) => break,
            Fact::StatusSet { after, .. } | Fact::Logged { after, .. } if *after >= from => break,
            Fact::StepFinished { step, cancel_told: true, .. } => {
                return Err(refused(format!(
                    "step {step} told the workflow of a cancel, and it believes it"
                ))
                .hinting(format!("go back further: --from {step}, or to a step before it")));
            }
            Fact::CancelAsked { .. }
            | Fact::Paused { .. }
            | Fact::Unpaused
            | Fact::Repinned { .. }
            | Fact::Ended(_)
            | Fact::RunCreated(_) => {}
            Fact::Resumed { .. }
            | Fact::StepStarted { .. }
            | Fact::StepAttempt { .. }
            | Fact::StepFinished { .. }
            | Fact::StatusSet { .. }
            | Fact::Logged { .. }
            | Fact::Retried { .. } => entries.push(entry),
        }
    }
    Ok(entries)
}

/// What the table no longer holds then: deliveries that came after, and what steps had under way.
async fn forgotten(store: &Arc<dyn Store>, head: &RunHead, from: StepSeq) -> Result<Vec<Write>, Error> {
    let mut writes = vec![Write::RemoveAll(slot::TABLES.to_vec())];
    let mut rows = Deliveries::new(Arc::clone(store), head.run.clone());
    for number in 0.. {
        match rows.next().await? {
            Some(row) if row.after >= from => writes.push(Write::Remove(deliveries::key(number))),
            Some(_) => {}
            None => break,
        }
    }
    Ok(writes)
}

fn refused(why: String) -> NoRetry {
    NoRetry::Refused(Box::new(Fault::new(FaultCode::CallInvalid, why)))
}

impl NoRetry {
    fn hinting(self, hint: impl Into<String>) -> Self {
        match self {
            Self::Refused(fault) => Self::Refused(Box::new(fault.with_hint(hint))),
            state @ Self::State(_) => state,
        }
    }
}
