//! Workflows that may be begun by their name: the components in one folder.

use std::path::{Path, PathBuf};

use axum::Json;
use axum::extract::{self, State};
use axum::http::StatusCode;

use super::app::App;
use super::problem::Problem;
use super::wire::{Workflow, Workflows};
use crate::config::Config;
use crate::model::{Fault, Role};
use crate::wasm;

/// What the files of components end with.
const SUFFIX: &str = ".wasm";

/// Workflows that a listing shows.
const LISTED_MAX: usize = 1000;

/// The workflows that may be begun by their name.
#[utoipa::path(get, path = "/v1/workflows", tag = "workflows", responses((status = 200, body = Workflows)))]
pub(super) async fn list(State(app): State<App>) -> Result<Json<Workflows>, Problem> {
    let mut workflows = Vec::new();
    if let Some(folder) = &app.config().server.workflows {
        let doing = || format!("list the workflows in {}", folder.display());
        let listed = std::fs::read_dir(folder).map_err(|error| Fault::local(doing(), &error))?;
        let names = listed.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        workflows = names.filter_map(|name| Some(name.strip_suffix(SUFFIX)?.to_owned())).collect();
        workflows.sort();
        workflows.truncate(LISTED_MAX);
    }
    Ok(Json(Workflows { kind: "orchestrator.workflows/1", workflows }))
}

/// What a workflow asks for and gives.
#[utoipa::path(get, path = "/v1/workflows/{name}", tag = "workflows",
    params(("name" = String, Path, description = "the workflow's name")),
    responses((status = 200, body = Workflow), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn show(
    State(app): State<App>,
    extract::Path(name): extract::Path<String>,
) -> Result<Json<Workflow>, Problem> {
    let config = app.config();
    let path = named(&config, &name)?;
    let bytes_max = config.limits.component_size.unwrap_or(wasm::Limits::default().component_bytes_max);
    let doing = || format!("read the workflow {name}");
    let size = std::fs::metadata(&path).map_err(|error| Fault::local(doing(), &error))?.len();
    if size > bytes_max {
        let why = format!("the workflow {name} has {size} bytes; {bytes_max} are allowed");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "workflow.refused", why));
    }
    let bytes = tokio::fs::read(&path).await.map_err(|error| Fault::local(doing(), &error))?;
    let inspection = wasm::inspect(&bytes).map_err(|refusal| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "workflow.refused", format!("{name}: {refusal}"))
            .with_hint(refusal.hint())
    })?;
    Ok(Json(Workflow::of(&name, inspection)))
}

/// The component that a caller means: by its name, or by its path where the caller may read any.
pub(super) fn find(config: &Config, meant: &str, role: Role) -> Result<PathBuf, Problem> {
    let path = Path::new(meant);
    if !path.is_absolute() {
        return named(config, meant);
    }
    if role < Role::Admin {
        return Err(Problem::forbidden("only the role admin may name a workflow by its path"));
    }
    Ok(path.to_owned())
}

fn named(config: &Config, name: &str) -> Result<PathBuf, Problem> {
    let missing = |why: String| Problem::new(StatusCode::NOT_FOUND, "workflow.not-found", why);
    let Some(folder) = &config.server.workflows else {
        return Err(missing(format!("there is no workflow `{}`", name.escape_debug()))
            .with_hint("`workflows` of [server] names the folder of those that may be begun by name"));
    };
    let stem = name.strip_suffix(SUFFIX).unwrap_or(name);
    let plain = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
    let path = folder.join(format!("{stem}{SUFFIX}"));
    if stem.is_empty() || stem.starts_with('.') || !stem.chars().all(plain) || !path.is_file() {
        return Err(missing(format!("there is no workflow `{}`", name.escape_debug()))
            .with_hint("GET /v1/workflows lists all"));
    }
    Ok(path)
}
