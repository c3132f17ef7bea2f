//! The servers of a site that has several, and how work is spread over them.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Site;

/// Which server of a site takes the next session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// Each in its turn.
    #[default]
    RoundRobin,
    /// The one with the fewest sessions for its weight.
    LeastConnections,
    /// Each in its turn, as often as its weight says.
    Weighted,
    /// The one that the path falls to: always the same while it is alive.
    ConsistentHash,
}

/// One server of a site.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port of the control connection.
    pub port: u16,
    /// Its share, 1 to 100.
    pub weight: u16,
}

impl fmt::Display for Endpoint {
    /// `host:port`, with brackets around an IPv6 address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// The servers of a site that has several. The default is a site with one server: its own host and port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Servers {
    /// None, or at least two.
    pub endpoints: Vec<Endpoint>,
    /// How work is spread over them.
    pub balance: Balance,
    /// All of them show the same files: what one has written, each of the others has.
    pub shared_storage: bool,
    /// How far apart the times of one file may be on two servers that don't share their storage.
    pub time_tolerance: Duration,
}

impl Servers {
    /// Whether a file on one server says nothing of the file of that name on another.
    #[must_use]
    pub fn are_apart(&self) -> bool {
        self.endpoints.len() > 1 && !self.shared_storage
    }
}

impl Site {
    /// This site as if `endpoint` were its only server.
    #[must_use]
    pub fn at(&self, endpoint: &Endpoint) -> Self {
        Self {
            host: endpoint.host.clone(),
            port: endpoint.port,
            servers: Servers { endpoints: Vec::new(), ..self.servers.clone() },
            ..self.clone()
        }
    }

    /// All servers of this site.
    #[must_use]
    pub fn endpoints(&self) -> Vec<Endpoint> {
        if self.servers.endpoints.is_empty() {
            return vec![Endpoint { host: self.host.clone(), port: self.port, weight: 1 }];
        }
        self.servers.endpoints.clone()
    }
}
