//! What this process has, measured when somebody asks.

use super::node::bug;
use super::{Error, Health, Node, Process, ServerState, Tested, TestedServer, health, view};
use crate::model::Site;
use crate::telemetry::{JournalStanding, ServerStanding, Standing};

impl Node {
    /// How this process stands.
    pub(super) async fn health(&self) -> Result<Health, Error> {
        let (process, state_bytes, state_free_bytes) = self.measured().await?;
        let failed = self.failed.borrow().as_ref().map(ToString::to_string);
        Ok(Health {
            process,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_ms: u64::try_from(self.uptime().as_millis()).unwrap_or(u64::MAX),
            state: self.config().state.0.clone(),
            state_bytes,
            state_free_bytes,
            runs_live: self.engine.handles().len(),
            sites: self.servers(),
            checks: Health::checks(&process, state_free_bytes, failed),
        })
    }

    /// Its metrics as text.
    pub(super) async fn metrics_text(&self) -> Result<String, Error> {
        let (process, state_bytes, state_free_bytes) = self.measured().await?;
        let sites = self.servers();
        // Those that a reload brought count from 0 as well.
        self.metrics.declare(sites.iter().map(|(name, _)| name.as_str()));
        let (commits, writes, took) = self.written.counts();
        let standing = Standing {
            runs_live: self.engine.handles().len(),
            servers: sites.into_iter().flat_map(|(site, servers)| standing(site, servers)).collect(),
            journal: JournalStanding { commits, writes, took },
            state_bytes,
            state_free_bytes,
            memory_bytes: process.memory_bytes,
            cpu: process.cpu(),
            descriptors: process.descriptors,
            descriptors_max: process.descriptors_max,
            began_at_seconds: self
                .clock()
                .now()
                .0
                .saturating_sub(u64::try_from(self.uptime().as_millis()).unwrap_or(u64::MAX))
                / 1000,
        };
        Ok(self.metrics.text(&standing)?)
    }

    /// Logs in to each server of a site.
    pub(super) async fn test(&self, site: &Site) -> Vec<Tested> {
        let mut tested = Vec::new();
        for endpoint in site.endpoints() {
            let trial = self.transfers.try_out(&site.at(&endpoint)).await;
            let outcome = trial.map(|trial| TestedServer {
                login_ms: u64::try_from(trial.login.as_millis()).unwrap_or(u64::MAX),
                tls: trial.features.tls,
                entries: trial.entries,
            });
            tested.push(Tested { server: endpoint.to_string(), outcome });
        }
        tested
    }

    /// The sites of the configuration and how their servers stand.
    fn servers(&self) -> Vec<(String, Vec<ServerState>)> {
        let config = self.config();
        let servers = |site| self.transfers.servers(site).into_iter().map(view::server).collect();
        config.sites.iter().map(|(name, site)| (name.clone(), servers(site))).collect()
    }

    /// What the system says: of this process, of the length of the state, of what is free beside it.
    async fn measured(&self) -> Result<(Process, u64, u64), Error> {
        let state = self.config().state.0.clone();
        let measuring = tokio::task::spawn_blocking(move || {
            (Process::look(), health::bytes_in(&state), health::free_bytes(&state))
        });
        measuring.await.map_err(|error| bug(format!("measure the process: {error}")))
    }
}

fn standing(site: String, servers: Vec<ServerState>) -> impl Iterator<Item = ServerStanding> {
    servers.into_iter().map(move |server| ServerStanding {
        site: site.clone(),
        up: server.standing.as_deref() != Some("down"),
        server: server.server,
        idle: server.idle,
        leased: server.leased,
        waiting: server.waiting,
        logins: server.logins,
        reuses: server.reuses,
        failures: server.failures,
    })
}
