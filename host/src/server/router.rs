//! Which path is whose, and who may call it.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, delete, get, post};
use utoipa::OpenApi;

use super::app::App;
use super::guard::guard;
use super::input::BODY_BYTES_MAX;
use super::problem::Problem;
use super::shield::shield;
use super::{events, journal, probes, runs, sites, wire, workflows};
use crate::model::Role;

/// What the API says of itself.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "orchestrator",
        description = "Runs that move files over FTP and FTPS, and survive being killed.",
        license(name = "MIT OR Apache-2.0")
    ),
    paths(
        probes::livez,
        probes::readyz,
        probes::metrics,
        probes::health,
        runs::list,
        runs::submit,
        runs::show,
        runs::forget,
        runs::cancel,
        runs::resume,
        runs::purge,
        journal::history,
        journal::logs,
        events::events,
        workflows::list,
        workflows::show,
        sites::list,
        sites::show,
        sites::test,
    ),
    components(schemas(Problem, wire::Talk)),
    modifiers(&Tokens),
)]
struct Api;

/// Says how a caller shows who it is.
struct Tokens;

impl utoipa::Modify for Tokens {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
        let components = api.components.get_or_insert_default();
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("token", bearer);
        let scopes: [&str; 0] = [];
        api.security = Some(vec![SecurityRequirement::new("token", scopes)]);
    }
}

/// The API's description, in OpenAPI 3.1.
pub(super) fn openapi() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// Paths under which something is, with the least role that may call them; `None` for everybody.
pub(super) fn routes() -> Vec<(&'static str, Option<Role>, MethodRouter<App>)> {
    let (read, run, admin) = (Some(Role::Read), Some(Role::Run), Some(Role::Admin));
    vec![
        ("/livez", None, get(probes::livez)),
        ("/readyz", None, get(probes::readyz)),
        ("/openapi.json", None, get(probes::openapi)),
        ("/metrics", read, get(probes::metrics)),
        ("/v1/health", read, get(probes::health)),
        ("/v1/runs", read, get(runs::list)),
        ("/v1/runs", run, post(runs::submit)),
        ("/v1/runs/{run}", read, get(runs::show)),
        ("/v1/runs/{run}", admin, delete(runs::forget)),
        ("/v1/runs/{run}/history", read, get(journal::history)),
        ("/v1/runs/{run}/logs", read, get(journal::logs)),
        ("/v1/runs/{run}/events", read, get(events::events)),
        ("/v1/runs/{run}/cancel", run, post(runs::cancel)),
        ("/v1/runs/{run}/resume", run, post(runs::resume)),
        ("/v1/purge", admin, post(runs::purge)),
        ("/v1/workflows", read, get(workflows::list)),
        ("/v1/workflows/{name}", read, get(workflows::show)),
        ("/v1/sites", read, get(sites::list)),
        ("/v1/sites/{name}", read, get(sites::show)),
        ("/v1/sites/{name}/test", run, post(sites::test)),
    ]
}

/// All of it.
pub(super) fn router(app: App) -> Router {
    let mut router = Router::new();
    for (path, role, handler) in routes() {
        let guarded = match role {
            None => handler,
            Some(role) => handler.layer(from_fn_with_state((app.clone(), role), guard)),
        };
        router = router.route(path, guarded);
    }
    router
        .fallback(unknown)
        .method_not_allowed_fallback(unfit)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(app.clone(), shield))
        .with_state(app)
}

async fn unknown(uri: Uri) -> Problem {
    let path = uri.path().escape_debug().to_string();
    Problem::new(StatusCode::NOT_FOUND, "http.not-found", format!("there is nothing at {path}"))
        .with_hint("/openapi.json says what there is")
}

async fn unfit(method: Method, uri: Uri) -> Problem {
    let path = uri.path().escape_debug().to_string();
    let why = format!("{method} can't be done with {path}");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "http.not-found", why)
}
