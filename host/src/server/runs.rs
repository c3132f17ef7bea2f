//! Runs: listed, begun, looked at, gone on with, cancelled, forgotten.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::app::App;
use super::guard::Caller;
use super::input::{Body, Params};
use super::problem::Problem;
use super::wire::{Begun, Purge, Resume, Run, RunDetails, Runs, Submission};
use super::workflows;
use crate::config::parse_duration;
use crate::model::{FolderGrant, Grants, Role, RunId, RunOutcome, RunStatus};
use crate::node::{Error, Reply, Request, RunRef};

/// Runs of a page.
const PAGE: usize = 50;

/// Most runs of a page.
const PAGE_MAX: usize = 500;

/// The longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 255;

/// The header by which a repeated submission is known.
const KEY: &str = "idempotency-key";

/// Which runs a listing shows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Only runs that stand so: `running`, `paused`, `cancelling`, `done`, `failed`, `cancelled`; several
    /// with commas between them.
    status: Option<String>,
    /// Only runs of the workflow of this name.
    workflow: Option<String>,
    /// Only runs older than this one: `next` of the page before.
    before: Option<String>,
    /// How many at most, 1 to 500; 50 by default.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

/// The runs of this state, newest first.
#[utoipa::path(get, path = "/v1/runs", params(Filter), tag = "runs",
    responses((status = 200, body = Runs), (status = 400, body = Problem)))]
pub(super) async fn list(
    State(app): State<App>,
    Params(filter): Params<Filter>,
) -> Result<Json<Runs>, Problem> {
    let max = filter.limit.unwrap_or(PAGE);
    if !(1..=PAGE_MAX).contains(&max) {
        return Err(Problem::invalid(format!("`limit` must lie between 1 and {PAGE_MAX}")));
    }
    let before = filter.before.map(|text| parse_run(&text)).transpose()?;
    let statuses = filter.status.as_deref().unwrap_or_default().split(',').filter(|name| !name.is_empty());
    let statuses = statuses.map(parse_status).collect::<Result<Vec<_>, _>>()?;
    let request = Request::List { statuses, workflow: filter.workflow, before, max: max + 1 };
    let Reply::Runs { mut runs } = app.first(request).await? else {
        return Err(Error::unanswered().into());
    };
    let more = runs.len() > max;
    runs.truncate(max);
    let next = runs.last().filter(|_| more).map(|run| run.run.to_string());
    Ok(Json(Runs { kind: "orchestrator.runs/1", runs: runs.iter().map(Run::from).collect(), next }))
}

fn parse_status(name: &str) -> Result<RunStatus, Problem> {
    let all = [
        RunStatus::Running,
        RunStatus::Paused,
        RunStatus::Cancelling,
        RunStatus::Done,
        RunStatus::Failed,
        RunStatus::Cancelled,
    ];
    all.into_iter().find(|status| status.as_str() == name).ok_or_else(|| {
        Problem::invalid(format!("`status`: there is no `{}`", name.escape_debug()))
            .with_hint("running, paused, cancelling, done, failed or cancelled")
    })
}

fn parse_run(text: &str) -> Result<RunId, Problem> {
    text.parse().map_err(|_| Problem::invalid(format!("`{}` is no run's id", text.escape_debug())))
}

/// Begins a run. With an `Idempotency-Key`, a repeated request is answered with the run that the first
/// one began, also after a restart, for a week.
#[utoipa::path(post, path = "/v1/runs", request_body = Submission, tag = "runs",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible characters, new for each run that is wanted")),
    responses((status = 201, body = Begun), (status = 200, body = Begun, description = "an earlier request had begun it"),
        (status = 400, body = Problem), (status = 403, body = Problem), (status = 409, body = Problem),
        (status = 422, body = Problem)))]
pub(super) async fn submit(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Body(submission): Body<Submission>,
) -> Result<Response, Problem> {
    if submission.rate_limit == Some(0) {
        return Err(Problem::invalid("`rate_limit` slows, it doesn't stop: give at least 1"));
    }
    let key = key(&headers)?;
    let config = app.config();
    let workflow = workflows::find(&config, &submission.workflow, caller.role)?;
    for site in &submission.sites {
        config.site(site).map_err(|error| {
            let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "config.invalid", error.to_string());
            match error.hint {
                Some(hint) => problem.with_hint(hint),
                None => problem,
            }
        })?;
    }
    let mut folders: Vec<FolderGrant> = Vec::new();
    for folder in submission.folders {
        if folders.iter().any(|granted| granted.name == folder.name) {
            return Err(Problem::invalid(format!("the folder `{}` is granted twice", folder.name)));
        }
        folders.push(grant(folder, &config.server.folders, caller.role)?);
    }
    let grants = Grants { sites: submission.sites, folders, config: config.file.clone() };
    let (input, rate_limit) = (submission.input, submission.rate_limit);
    // Keys are a caller's own.
    let key = key.map(|key| format!("{} {key}", caller.name));
    let request = Request::Submit { workflow, input, grants, rate_limit, key };
    let Reply::Begun { run, again } = app.first(request).await? else {
        return Err(Error::unanswered().into());
    };
    let status = if again { StatusCode::OK } else { StatusCode::CREATED };
    let place = [(header::LOCATION, format!("/v1/runs/{run}"))];
    let begun = Begun { kind: "orchestrator.run/1", run: run.to_string(), status: "accepted", again };
    Ok((status, place, Json(begun)).into_response())
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(key) = headers.get(KEY) else { return Ok(None) };
    match key.to_str() {
        Ok(key) if (1..=KEY_BYTES_MAX).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => {
            Err(Problem::invalid(format!("`Idempotency-Key` isn't 1 to {KEY_BYTES_MAX} visible characters")))
        }
    }
}

/// A folder that the caller may grant, without links in its path.
fn grant(
    folder: super::wire::Folder,
    allowed: &[std::path::PathBuf],
    role: Role,
) -> Result<FolderGrant, Problem> {
    let super::wire::Folder { name, path } = folder;
    if name.is_empty()
        || name == "."
        || name == ".."
        || name.contains('/')
        || name.chars().any(char::is_control)
    {
        let why = format!("`{}` can't be the first part of a path", name.escape_debug());
        return Err(Problem::invalid(why));
    }
    let refused = |why: &str| {
        Problem::new(
            StatusCode::FORBIDDEN,
            "grant.refused",
            format!("grant the folder {}: {why}", path.display()),
        )
    };
    if !path.is_absolute() {
        return Err(refused("its path isn't absolute"));
    }
    // What isn't there, and what this caller may not grant, look alike to who may not look around.
    let real = std::fs::canonicalize(&path).ok().filter(|real| real.is_dir());
    let within = |real: &std::path::Path| {
        allowed.iter().filter_map(|root| std::fs::canonicalize(root).ok()).any(|root| real.starts_with(root))
    };
    match real {
        Some(path) if role >= Role::Admin || within(&path) => Ok(FolderGrant { name, path }),
        None if role >= Role::Admin => Err(refused("there is no such folder")),
        Some(_) | None => Err(refused("it isn't below one of `folders` of [server], or isn't there")
            .with_hint("add it to `folders` of [server]; a token with the role admin may grant any folder")),
    }
}

/// All that is known of a run, but its journal.
#[utoipa::path(get, path = "/v1/runs/{run}", tag = "runs",
    params(("run" = String, Path, description = "the run's id, or its first letters")),
    responses((status = 200, body = RunDetails), (status = 404, body = Problem)))]
pub(super) async fn show(
    State(app): State<App>,
    Path(run): Path<String>,
) -> Result<Json<RunDetails>, Problem> {
    match app.first(Request::Show { run: RunRef::Prefix(run) }).await? {
        Reply::Run { run } => Ok(Json((*run).into())),
        _ => Err(Error::unanswered().into()),
    }
}

/// Has a run cancelled; its workflow may clean up for a minute. A second time ends it where it is.
#[utoipa::path(post, path = "/v1/runs/{run}/cancel", tag = "runs",
    params(("run" = String, Path, description = "the run's id, or its first letters")),
    responses((status = 202, body = Begun), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn cancel(State(app): State<App>, Path(run): Path<String>) -> Result<Response, Problem> {
    accepted(app.first(Request::Cancel { run: RunRef::Prefix(run) }).await?)
}

/// Goes on with a run where it was.
#[utoipa::path(post, path = "/v1/runs/{run}/resume", request_body = Resume, tag = "runs",
    params(("run" = String, Path, description = "the run's id, or its first letters")),
    responses((status = 202, body = Begun), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn resume(
    State(app): State<App>,
    Path(run): Path<String>,
    Body(how): Body<Resume>,
) -> Result<Response, Problem> {
    if how.rate_limit == Some(0) {
        return Err(Problem::invalid("`rate_limit` slows, it doesn't stop: give at least 1"));
    }
    let run = RunRef::Prefix(run);
    accepted(app.first(Request::Resume { run, workflow: None, rate_limit: how.rate_limit }).await?)
}

fn accepted(reply: Reply) -> Result<Response, Problem> {
    let (run, status) = match reply {
        Reply::Accepted { run } => (run, "accepted"),
        Reply::Outcome { run, outcome } => (run, ended(&outcome)),
        _ => return Err(Error::unanswered().into()),
    };
    let begun = Begun { kind: "orchestrator.run/1", run: run.to_string(), status, again: false };
    Ok((StatusCode::ACCEPTED, Json(begun)).into_response())
}

fn ended(outcome: &RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Done { .. } => "done",
        RunOutcome::Failed { .. } => "failed",
        RunOutcome::Paused { .. } => "paused",
        RunOutcome::Cancelled => "cancelled",
        RunOutcome::Interrupted => "interrupted",
    }
}

/// Forgets a run that has ended: its journal, and what only it refers to.
#[utoipa::path(delete, path = "/v1/runs/{run}", tag = "runs",
    params(("run" = String, Path, description = "the run's id, or its first letters")),
    responses((status = 204), (status = 404, body = Problem), (status = 400, body = Problem, description = "it hasn't ended")))]
pub(super) async fn forget(State(app): State<App>, Path(run): Path<String>) -> Result<StatusCode, Problem> {
    let request = Request::Purge { runs: vec![run], older_than_ms: None, keep: 0, dry_run: false };
    app.first(request).await.map(|_| StatusCode::NO_CONTENT)
}

/// Forgets runs that have ended, and gives them.
#[utoipa::path(post, path = "/v1/purge", request_body = Purge, tag = "runs",
    responses((status = 200, body = Runs), (status = 400, body = Problem)))]
pub(super) async fn purge(State(app): State<App>, Body(which): Body<Purge>) -> Result<Json<Runs>, Problem> {
    let age = which.older_than.as_deref().map(parse_duration).transpose();
    let age = age.map_err(|wrong| Problem::invalid(format!("`older_than`: {wrong}")))?;
    if age.is_none() && which.keep == 0 {
        return Err(Problem::invalid("say which: `older_than`, `keep`, or both"));
    }
    let request = Request::Purge {
        runs: Vec::new(),
        older_than_ms: age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        keep: usize::try_from(which.keep).unwrap_or(usize::MAX),
        dry_run: which.dry_run,
    };
    match app.first(request).await? {
        Reply::Runs { runs } => {
            let runs = runs.iter().map(Run::from).collect();
            Ok(Json(Runs { kind: "orchestrator.runs/1", runs, next: None }))
        }
        _ => Err(Error::unanswered().into()),
    }
}
