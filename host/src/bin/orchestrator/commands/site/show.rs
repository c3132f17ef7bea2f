//! `site list` and `site show`.

use std::time::Duration;

use orchestrator_host::clock::{Clock, SystemClock};
use orchestrator_host::config::{Config, show_duration};
use orchestrator_host::model::{Site, Timestamp, TlsMode};
use orchestrator_host::node::{Access, Reply, Request, SERVERS, ServerState};
use orchestrator_host::transfer::ftp::{Avoided, Profile};
use serde_json::{Value, json};

use super::look::feature_names;

use crate::args::Format;
use crate::commands::config::{site_document, site_text};
use crate::context::Context;
use crate::exit::Exit;
use crate::output;
use crate::report::Failure;

/// Arguments of `site show`.
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// Its name
    name: String,
}

pub(super) fn list(context: &Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let documents = config.sites.values().map(|site| site_document(site));
    match context.format {
        Format::Json => {
            let sites: Vec<_> = documents.collect();
            output::json(&json!({ "$type": "orchestrator.sites/1", "sites": sites }))?;
        }
        Format::Jsonl => documents.into_iter().try_for_each(|site| output::json(&site))?,
        Format::Text => {
            let rows = config.sites.values().map(|site| {
                [site.name.clone(), address(site), site.user.clone(), tls(site).to_owned(), site.root.clone()]
            });
            output::print(&output::table(["NAME", "ADDRESS", "USER", "TLS", "ROOT"], rows))?;
        }
    }
    Ok(Exit::Ok)
}

pub(super) fn show(context: &Context, args: &Show) -> Result<Exit, Failure> {
    let config = context.config()?;
    let site = config.site(&args.name).map_err(|error| Failure { exit: Exit::NotFound, ..error.into() })?;
    let site = site.clone();
    context.block_on(async {
        let held = sessions(&config, &site).await;
        let now = SystemClock::new().now();
        let servers: Vec<Server> = site
            .endpoints()
            .iter()
            .map(|endpoint| {
                let server = endpoint.to_string();
                let learned = Profile::read(&config.state.0.join(SERVERS), &site.at(endpoint), now);
                let sessions = held.iter().find(|state| state.server == server).cloned();
                Server { server, learned, sessions }
            })
            .collect();
        match context.format {
            Format::Text => {
                let told: String = servers.iter().map(|server| server.text(now)).collect();
                output::print(&format!("{}{told}", site_text(&site)))?;
            }
            Format::Json | Format::Jsonl => {
                let mut document = site_document(&site);
                document["servers"] = servers.iter().map(Server::document).collect();
                output::json(&document)?;
            }
        }
        Ok(Exit::Ok)
    })
}

/// How the site's sessions stand in the process that holds the state; nothing where nobody does.
async fn sessions(config: &Config, site: &Site) -> Vec<ServerState> {
    let asked = async {
        let mut holder = Access::of_holder(&config.state.0).await.ok()??;
        let call = holder.ask(Request::Servers { site: Box::new(site.clone()) }).await.ok()?;
        match call.last().await.ok()? {
            Reply::Servers { servers } => Some(servers),
            _ => None,
        }
    };
    // What the file says is shown also beside a holder of another version.
    asked.await.unwrap_or_default()
}

/// One server of a site: what is known of it.
struct Server {
    server: String,
    learned: Option<Profile>,
    sessions: Option<ServerState>,
}

impl Server {
    /// As comments below the site's table.
    fn text(&self, now: Timestamp) -> String {
        let mut text = format!("\n# {}\n", self.server);
        match &self.learned {
            None => text.push_str("# learned   nothing yet\n"),
            Some(learned) => {
                let age = Duration::from_secs(now.0.saturating_sub(learned.since.0) / 1000);
                text.push_str(&format!("# learned   since {}\n", show_duration(age)));
                text.push_str(&format!("# it knows  {}\n", feature_names(&learned.features).join(", ")));
                let avoided = avoided(&learned.avoided);
                if !avoided.is_empty() {
                    text.push_str(&format!("# without   {}\n", avoided.join(", ")));
                }
            }
        }
        if let Some(state) = &self.sessions {
            let cap = state.cap.map_or(String::new(), |cap| format!(", {cap} at most for now"));
            text.push_str(&format!(
                "# sessions  {} in use, {} idle, {} waiting{cap}\n# so far    {} logins, {} reuses, {} failures\n",
                state.leased, state.idle, state.waiting, state.logins, state.reuses, state.failures,
            ));
            if let Some(standing) = &state.standing {
                let share = state.share_percent.unwrap_or(100);
                let left = match state.parts_left {
                    0 => String::new(),
                    left => format!(", {left} parts to be removed when it is back"),
                };
                text.push_str(&format!("# it is     {standing}, with {share} % of its share{left}\n"));
            }
        }
        text
    }

    fn document(&self) -> Value {
        json!({
            "server": self.server,
            "learned": self.learned.as_ref().map(|learned| json!({
                "since_ms": learned.since.0,
                "features": feature_names(&learned.features),
                "without": avoided(&learned.avoided),
            })),
            "sessions": self.sessions.as_ref().map(|state| json!({
                "standing": state.standing,
                "share_percent": state.share_percent,
                "idle": state.idle,
                "leased": state.leased,
                "waiting": state.waiting,
                "cap": state.cap,
                "logins": state.logins,
                "reuses": state.reuses,
                "failures": state.failures,
                "parts_left": state.parts_left,
            })),
        })
    }
}

/// What isn't tried with a server any more.
fn avoided(avoided: &Avoided) -> Vec<&'static str> {
    let ways = [
        ("TLS 1.3", avoided.tls13),
        ("TLS 1.2", avoided.tls12),
        ("EPSV", avoided.epsv),
        ("LIST -a", avoided.list_all),
        ("MLST", avoided.mlst),
        ("set time", avoided.set_time),
    ];
    ways.into_iter().filter(|(_, avoided)| *avoided).map(|(name, _)| name).collect()
}

/// Host and port as one reads them.
pub(super) fn address(site: &Site) -> String {
    if !site.servers.endpoints.is_empty() {
        return site.endpoints().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    }
    if site.host.contains(':') {
        format!("[{}]:{}", site.host, site.port)
    } else {
        format!("{}:{}", site.host, site.port)
    }
}

fn tls(site: &Site) -> &'static str {
    match site.tls.mode {
        TlsMode::Explicit => "explicit",
        TlsMode::Implicit => "implicit",
        TlsMode::None => "none",
    }
}
