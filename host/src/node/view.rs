//! What the engine and the journal know of runs, as it goes over the socket.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Entry, Replay, ReplayEnd, RunDetails, RunSummary, ServerState};
use crate::engine::{self, Replayed, RunDetail, RunLine};
use crate::journal::{self, Ending, Fact, Stored, Summary};
use crate::model::{Fault, FaultCode, RunOutcome, WorkflowDigest};
use crate::transfer::ServerView;

/// The longest result that a history shows, in bytes; longer ones are named by their length.
const SHOWN_BYTES_MAX: usize = 1024;

/// A run in a listing.
pub(super) fn line(line: RunLine) -> RunSummary {
    let Summary { workflow, component, began_at, updated_at, status, last_step, why, fault } = line.summary;
    RunSummary {
        run: line.run,
        workflow,
        digest: WorkflowDigest::from(component),
        status,
        live: line.live,
        began_at,
        updated_at,
        last_step,
        paused: why,
        fault: fault.map(|(code, message)| Fault::new(code, message)),
    }
}

/// A run as a whole.
pub(super) fn detail(detail: RunDetail) -> RunDetails {
    let RunDetail { head, state, input, output, live } = detail;
    let fault = match (&state.pause, &state.ending) {
        (Some((_, fault)), _) | (None, Some(Ending::Failed { fault })) => Some(fault.clone()),
        (None, Some(Ending::Done { .. } | Ending::Cancelled) | None) => None,
    };
    let summary = RunSummary {
        run: head.run.clone(),
        workflow: state.created.workflow.clone(),
        digest: WorkflowDigest::from(state.created.component),
        status: state.status,
        live,
        began_at: state.created.began_at,
        updated_at: state.last_at,
        last_step: state.last_step,
        paused: state.pause.as_ref().map(|(why, _)| *why),
        fault,
    };
    RunDetails {
        summary,
        grants: state.created.grants,
        input: json_or_text(&input),
        output: output.as_deref().map(json_or_text),
        statuses: state.statuses.into_iter().collect(),
        checkpoints: state.checkpoints.into_keys().collect(),
        in_doubt: state.in_doubt,
        entries: head.entries(),
        journal_bytes: head.bytes,
        unclean_ends: head.unclean_ends,
    }
}

/// What a replay came to.
pub(super) fn replay(replayed: Replayed) -> Replay {
    let end = match replayed.end {
        engine::ReplayEnd::Stopped => ReplayEnd::Stopped,
        engine::ReplayEnd::Unfinished => ReplayEnd::Unfinished,
        engine::ReplayEnd::Returned(Ok(output)) => ReplayEnd::Done { output: json_or_text(&output) },
        engine::ReplayEnd::Returned(Err(fault)) => ReplayEnd::Failed { fault },
        engine::ReplayEnd::Differs(fault) => ReplayEnd::Differs { fault },
        engine::ReplayEnd::Trapped(fault) => ReplayEnd::Trapped { fault },
    };
    Replay { step: replayed.step, end, at: replayed.at }
}

/// How a run came to its end; one that could go on was interrupted.
pub(super) fn outcome(detail: RunDetail) -> RunOutcome {
    match (detail.state.ending, detail.state.pause) {
        (Some(Ending::Done { .. }), _) => RunOutcome::Done { output: detail.output.unwrap_or_default() },
        (Some(Ending::Failed { fault }), _) => RunOutcome::Failed { fault },
        (Some(Ending::Cancelled), _) => RunOutcome::Cancelled,
        (None, Some((why, fault))) => RunOutcome::Paused { why, fault },
        (None, None) => RunOutcome::Interrupted,
    }
}

fn json_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// An entry of a journal.
pub(super) fn entry(seq: u64, entry: journal::Entry) -> Entry {
    Entry {
        seq,
        at: entry.at,
        kind: entry.fact.name().to_owned(),
        step: entry.fact.step(),
        detail: facts(&entry.fact),
    }
}

fn facts(fact: &Fact) -> Value {
    match fact {
        // The seed stays where it is: whoever knows it knows what the run will draw.
        Fact::RunCreated(created) => json!({
            "workflow": created.workflow,
            "digest": WorkflowDigest::from(created.component),
            "input": stored(&created.input),
            "sites": created.grants.sites,
            "folders": created.grants.folders,
            "config": created.grants.config,
            "host": created.host,
            "after": created.after,
        }),
        Fact::Resumed { deliveries } => json!({ "deliveries": deliveries }),
        Fact::StepStarted { call, evidence, .. } => json!({
            "call": call.kind, "args": json_or_text(&call.args), "label": call.label, "evidence_bytes": evidence.len(),
        }),
        Fact::StepAttempt { attempt, fault, next_at, .. } => {
            json!({ "attempt": attempt, "fault": fault, "next_at": next_at })
        }
        Fact::StepFinished { call, fault, checkpoint, cancel_told, result, .. } => json!({
            "call": call.as_ref().map(|call| &call.kind),
            "args": call.as_ref().map(|call| json_or_text(&call.args)),
            "label": call.as_ref().and_then(|call| call.label.as_ref()),
            "fault": fault.as_ref().map(FaultCode::as_str),
            "checkpoint": checkpoint,
            "cancel_told": cancel_told,
            "result_bytes": length(result),
        }),
        Fact::StatusSet { key, value, .. } => json!({ "key": key, "value": value }),
        Fact::Logged { level, message, fields, .. } => {
            json!({ "level": level, "message": message, "fields": fields })
        }
        Fact::CancelAsked { deadline } => json!({ "deadline": deadline }),
        Fact::Paused { why, fault } => json!({ "why": why, "fault": fault }),
        Fact::Unpaused => json!({}),
        Fact::Repinned { component } => json!({ "component": component.to_string() }),
        Fact::Retried { from, .. } => json!({ "from": from }),
        Fact::Ended(Ending::Done { output }) => json!({ "ended": "done", "output": stored(output) }),
        Fact::Ended(Ending::Failed { fault }) => json!({ "ended": "failed", "fault": fault }),
        Fact::Ended(Ending::Cancelled) => json!({ "ended": "cancelled" }),
    }
}

fn length(stored: &Stored) -> u64 {
    match stored {
        Stored::Inline(bytes) => bytes.len() as u64,
        Stored::Blob { bytes, .. } => *bytes,
    }
}

/// JSON text that is kept, where it is short.
fn stored(what: &Stored) -> Value {
    let short = |bytes: &Bytes| bytes.len() <= SHOWN_BYTES_MAX;
    match what {
        Stored::Inline(bytes) if short(bytes) => json_or_text(&String::from_utf8_lossy(bytes)),
        other => json!({ "bytes": length(other) }),
    }
}

/// How the sessions with one server stand.
pub(super) fn server(view: ServerView) -> ServerState {
    ServerState {
        server: view.server,
        standing: view.standing.map(str::to_owned),
        share_percent: view.share_percent,
        idle: view.idle,
        leased: view.leased,
        waiting: view.waiting,
        cap: view.cap,
        logins: view.logins,
        reuses: view.reuses,
        failures: view.failures,
        parts_left: view.parts_left,
    }
}
