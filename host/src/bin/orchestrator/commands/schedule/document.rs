//! Schedules in JSON.

use orchestrator_host::model::Timestamp;
use orchestrator_host::node::{Next, ScheduleDetails, ScheduleRow};
use orchestrator_host::schedule::{Change, Filled, When};
use serde_json::{Value, json};

use crate::output;

fn at(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| output::rfc3339(at).into())
}

/// A schedule as it stands.
pub(super) fn schedule(schedule: &ScheduleDetails) -> Value {
    let definition = &schedule.definition;
    let timing = &definition.timing;
    let (cron, once) = match &timing.when {
        When::Cron(cron) => (Some(cron), None),
        When::At(at) => (None, Some(*at)),
    };
    json!({
        "$type": "orchestrator.schedule/1",
        "name": definition.name,
        "workflow": definition.workflow,
        "file": definition.file,
        "digest": schedule.digest,
        "cron": cron,
        "at": at(once),
        "tz": timing.zone,
        "words": schedule.words,
        "state": schedule.state,
        "paused": schedule.paused.as_ref().map(|pause| json!({
            "by": pause.by, "reason": pause.reason, "at": output::rfc3339(pause.at),
        })),
        "late_since": at(schedule.late),
        "next": schedule.next.iter().map(next).collect::<Vec<_>>(),
        "start": at(timing.start),
        "end": at(timing.end),
        "exclude": timing.exclude_dates,
        "exclude_cron": timing.exclude_cron,
        "jitter_ms": definition.jitter_ms,
        "firings_max": definition.firings_max,
        "overlap": definition.overlap,
        "concurrency": definition.concurrency,
        "catch_up": definition.catch_up,
        "pause_on_failure": definition.pause_on_failure,
        "expect_by": definition.expect_by,
        "input": definition.input,
        "sites": definition.grants.sites,
        "folders": definition.grants.folders,
        "config": definition.grants.config,
        "rate_limit": definition.rate_limit,
        "run_time_ms": definition.run_time_ms,
        "origin": schedule.origin,
        "created_at": output::rfc3339(schedule.created_at),
        "firings": schedule.firings,
        "running": schedule.running,
        "waiting": schedule.waiting,
        "last_end": schedule.last_end.map(|(end, when)| json!({ "end": end, "at": output::rfc3339(when) })),
        "rows": schedule.rows.iter().map(row).collect::<Vec<_>>(),
    })
}

/// A coming firing: the fixed form of `schedule next`.
pub(super) fn instant(nominal: Timestamp, local: &str) -> Value {
    json!({ "at": output::rfc3339(nominal), "local": local })
}

fn next(next: &Next) -> Value {
    let mut document = instant(next.nominal, &next.local);
    document["due"] = output::rfc3339(next.due).into();
    document
}

/// A row of the history.
pub(super) fn row(row: &ScheduleRow) -> Value {
    let mut document = json!({
        "nominal": output::rfc3339(row.nominal),
        "local": row.local,
        "round": row.round,
        "cause": row.row.cause,
        "decided_at": output::rfc3339(row.row.at),
        "reason": row.row.reason,
        "run": row.run,
        "ended": row.row.ended.map(|(end, at)| json!({ "end": end, "at": output::rfc3339(at) })),
    });
    if let (Some(document), Ok(Value::Object(what))) =
        (document.as_object_mut(), serde_json::to_value(row.row.what))
    {
        document.extend(what);
    }
    document
}

/// One firing of a backfill.
pub(super) fn filled(filled: &Filled) -> Value {
    json!({
        "nominal": output::rfc3339(filled.nominal),
        "run": filled.run,
        "ended": filled.ended,
        "reason": filled.reason,
    })
}

/// What `apply` changed.
pub(super) fn changes(changes: &[Change], dry_run: bool) -> Value {
    json!({ "$type": "orchestrator.schedules-applied/1", "dry_run": dry_run, "changes": changes })
}
