//! Sites and their servers.

use serde::Serialize;
use utoipa::ToSchema;

use crate::model::{self, TlsMode, TlsVerify};
use crate::node::{ServerState, Tested};

/// A site. Where its secrets are isn't told.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Site {
    /// Its name.
    name: String,
    /// The user.
    user: String,
    /// When TLS begins: `explicit`, `implicit` or `none`.
    tls: &'static str,
    /// Whether the server's certificate is judged.
    verified: bool,
    /// The folder that paths begin at.
    root: String,
    /// The most sessions at a time.
    sessions_max: u16,
    /// Its servers.
    servers: Vec<SiteServer>,
}

/// One server of a site.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SiteServer {
    /// `host:port`.
    server: String,
    /// `alive`, `suspect` or `down`; none for the only server of a site.
    standing: Option<String>,
    /// Sessions that lie unused.
    idle: usize,
    /// Sessions in use, or being made.
    leased: usize,
    /// Steps that wait for one.
    waiting: usize,
    /// Logins since the process began.
    logins: u64,
    /// Sessions that were used again.
    reuses: u64,
    /// Logins that failed, and sessions that no longer answered.
    failures: u64,
}

impl Site {
    pub(crate) fn of(site: &model::Site, servers: Vec<ServerState>) -> Self {
        let server = |state: ServerState| SiteServer {
            server: state.server,
            standing: state.standing,
            idle: state.idle,
            leased: state.leased,
            waiting: state.waiting,
            logins: state.logins,
            reuses: state.reuses,
            failures: state.failures,
        };
        Self {
            name: site.name.clone(),
            user: site.user.clone(),
            tls: match site.tls.mode {
                TlsMode::Explicit => "explicit",
                TlsMode::Implicit => "implicit",
                TlsMode::None => "none",
            },
            verified: site.tls.verify == TlsVerify::Full,
            root: site.root.clone(),
            sessions_max: site.limits.sessions_max,
            servers: servers.into_iter().map(server).collect(),
        }
    }
}

/// All sites of the configuration.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Sites {
    /// `orchestrator.sites/1`
    #[serde(rename = "$type")]
    pub(crate) kind: &'static str,
    /// They, by name.
    pub(crate) sites: Vec<Site>,
}

/// What the servers of a site said when they were tried.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SiteTest {
    /// `orchestrator.site-test/1`
    #[serde(rename = "$type")]
    kind: &'static str,
    /// The site.
    site: String,
    /// Server by server.
    servers: Vec<ServerTest>,
}

/// What one server said.
#[derive(Debug, Serialize, ToSchema)]
struct ServerTest {
    /// `host:port`.
    server: String,
    /// Whether all of it worked.
    ok: bool,
    /// How long connecting and logging in took, in milliseconds.
    login_ms: Option<u64>,
    /// Whether the session is under TLS.
    tls: Option<bool>,
    /// How many entries the site's root has.
    entries: Option<u64>,
    /// Why it didn't work.
    fault: Option<super::runs::RunFault>,
}

impl SiteTest {
    pub(crate) fn of(site: &str, tested: Vec<Tested>) -> Self {
        let server = |tested: Tested| match tested.outcome {
            Ok(trial) => ServerTest {
                server: tested.server,
                ok: true,
                login_ms: Some(trial.login_ms),
                tls: Some(trial.tls),
                entries: Some(trial.entries),
                fault: None,
            },
            Err(fault) => ServerTest {
                server: tested.server,
                ok: false,
                login_ms: None,
                tls: None,
                entries: None,
                fault: Some(super::fault_of(&fault)),
            },
        };
        Self {
            kind: "orchestrator.site-test/1",
            site: site.to_owned(),
            servers: tested.into_iter().map(server).collect(),
        }
    }
}
