//! What probes and scrapers ask.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::app::App;
use super::problem::Problem;
use super::router;
use crate::node::{Error, Health, Reply, Request};

/// The process lives. It looks at nothing else: what it depends on isn't mended by ending it.
#[utoipa::path(get, path = "/livez", tag = "probes", security(()), responses((status = 200, body = String)))]
pub(super) async fn livez() -> &'static str {
    "ok\n"
}

/// Whether it can take work: the state can be written, and there is room on its disk.
#[utoipa::path(get, path = "/readyz", tag = "probes", security(()),
    responses((status = 200, body = Value), (status = 503, body = Value)))]
pub(super) async fn readyz(State(app): State<App>) -> Result<Response, Problem> {
    let health = ask(&app).await?;
    let status = if health.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let checks: Vec<Value> =
        health.checks.iter().map(|check| json!({ "name": check.name, "ok": check.ok })).collect();
    // Who has no token learns whether it is well, and not what it talks to.
    let body = json!({ "$type": "orchestrator.ready/1", "ready": health.is_ready(), "checks": checks });
    Ok((status, Json(body)).into_response())
}

/// How the process stands: itself, its state, its runs and its sites.
#[utoipa::path(get, path = "/v1/health", tag = "probes", responses((status = 200, body = Value)))]
pub(super) async fn health(State(app): State<App>) -> Result<Json<Value>, Problem> {
    Ok(Json(ask(&app).await?.document()))
}

async fn ask(app: &App) -> Result<Health, Problem> {
    match app.first(Request::Health).await? {
        Reply::Health { health } => Ok(*health),
        _ => Err(Error::unanswered().into()),
    }
}

/// Metrics in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "probes", responses((status = 200, body = String)))]
pub(super) async fn metrics(State(app): State<App>) -> Result<Response, Problem> {
    match app.first(Request::Metrics).await? {
        Reply::Metrics { text } => {
            let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
            Ok((kind, text).into_response())
        }
        _ => Err(Error::unanswered().into()),
    }
}

/// What the API says of itself.
pub(super) async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(router::openapi())
}
