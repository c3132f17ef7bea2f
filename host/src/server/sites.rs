//! Sites: listed, looked at, tried.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::app::App;
use super::problem::Problem;
use super::wire::{Site, SiteTest, Sites};
use crate::model;
use crate::node::{Error, Reply, Request};

/// The sites of the configuration, with how their sessions stand.
#[utoipa::path(get, path = "/v1/sites", tag = "sites", responses((status = 200, body = Sites)))]
pub(super) async fn list(State(app): State<App>) -> Result<Json<Sites>, Problem> {
    let config = app.config();
    let mut sites = Vec::new();
    for site in config.sites.values() {
        sites.push(shown(&app, site).await?);
    }
    Ok(Json(Sites { kind: "orchestrator.sites/1", sites }))
}

/// A site, with how its sessions stand.
#[utoipa::path(get, path = "/v1/sites/{name}", tag = "sites", params(("name" = String, Path, description = "the site's name")),
    responses((status = 200, body = Site), (status = 404, body = Problem)))]
pub(super) async fn show(State(app): State<App>, Path(name): Path<String>) -> Result<Json<Site>, Problem> {
    let site = find(&app, &name)?;
    shown(&app, &site).await.map(Json)
}

/// Logs in to each server of a site, and says what came of it.
#[utoipa::path(post, path = "/v1/sites/{name}/test", tag = "sites", params(("name" = String, Path, description = "the site's name")),
    responses((status = 200, body = SiteTest), (status = 404, body = Problem)))]
pub(super) async fn test(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<SiteTest>, Problem> {
    let site = find(&app, &name)?;
    match app.first(Request::TestSite { site: Box::new((*site).clone()) }).await? {
        Reply::Tested { servers } => Ok(Json(SiteTest::of(&name, servers))),
        _ => Err(Error::unanswered().into()),
    }
}

async fn shown(app: &App, site: &model::Site) -> Result<Site, Problem> {
    match app.first(Request::Servers { site: Box::new(site.clone()) }).await? {
        Reply::Servers { servers } => Ok(Site::of(site, servers)),
        _ => Err(Error::unanswered().into()),
    }
}

fn find(app: &App, name: &str) -> Result<std::sync::Arc<model::Site>, Problem> {
    let config = app.config();
    config.site(name).cloned().map_err(|_| {
        let why = format!("there is no site `{}`", name.escape_debug());
        Problem::new(StatusCode::NOT_FOUND, "config.invalid", why).with_hint("GET /v1/sites lists all")
    })
}
