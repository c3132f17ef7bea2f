//! A run's journal and what it logged, page by page.

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::app::App;
use super::input::Params;
use super::problem::Problem;
use super::wire::{Entries, Entry, LogLine, Logs};
use crate::model::RunId;
use crate::node::{self, Error, Reply, Request, RunRef};

/// Entries of a page.
const PAGE: usize = 100;

/// Most entries of a page: with 64 KiB each they would be too many, but few are over 1 KiB.
const PAGE_MAX: usize = 1000;

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// From this entry on; the first is 1.
    #[param(minimum = 1)]
    from: Option<u64>,
    /// How many entries at most, 1 to 1000; 100 by default.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// A page of a journal as the node gives it.
pub(super) struct Read {
    pub(super) run: RunId,
    pub(super) entries: Vec<node::Entry>,
    pub(super) next: Option<u64>,
}

/// Reads a page of a run's journal.
pub(super) async fn read(app: &App, run: RunRef, from: u64, max: usize) -> Result<Read, Problem> {
    match app.first(Request::History { run, from, max }).await? {
        Reply::Entries { run, entries, next } => Ok(Read { run, entries, next }),
        _ => Err(Error::unanswered().into()),
    }
}

async fn page(app: &App, run: String, page: &Page) -> Result<Read, Problem> {
    let max = page.limit.unwrap_or(PAGE);
    if !(1..=PAGE_MAX).contains(&max) {
        return Err(Problem::invalid(format!("`limit` must lie between 1 and {PAGE_MAX}")));
    }
    read(app, RunRef::Prefix(run), page.from.unwrap_or(1).max(1), max).await
}

/// The entries of a run's journal.
#[utoipa::path(get, path = "/v1/runs/{run}/history", params(("run" = String, Path, description = "the run's id, or its first letters"), Page), tag = "runs",
    responses((status = 200, body = Entries), (status = 404, body = Problem)))]
pub(super) async fn history(
    State(app): State<App>,
    Path(run): Path<String>,
    Params(which): Params<Page>,
) -> Result<Json<Entries>, Problem> {
    let Read { run, entries, next } = page(&app, run, &which).await?;
    let entries = entries.iter().map(Entry::from).collect();
    Ok(Json(Entries { kind: "orchestrator.history/1", run: run.to_string(), entries, next }))
}

/// What a run's workflow has logged. A page may have fewer lines than entries were asked for.
#[utoipa::path(get, path = "/v1/runs/{run}/logs", params(("run" = String, Path, description = "the run's id, or its first letters"), Page), tag = "runs",
    responses((status = 200, body = Logs), (status = 404, body = Problem)))]
pub(super) async fn logs(
    State(app): State<App>,
    Path(run): Path<String>,
    Params(which): Params<Page>,
) -> Result<Json<Logs>, Problem> {
    let Read { run, entries, next } = page(&app, run, &which).await?;
    let lines = entries.iter().filter_map(LogLine::of).collect();
    Ok(Json(Logs { kind: "orchestrator.logs/1", run: run.to_string(), lines, next }))
}
