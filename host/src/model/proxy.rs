//! What may stand between us and a server.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::SecretRef;

/// How a proxy is asked for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyKind {
    /// SOCKS version 5 (RFC 1928), with user and password (RFC 1929) where there are any.
    Socks5,
    /// CONNECT (RFC 9110, 9.3.6), with the Basic scheme (RFC 7617) where there is a user.
    Http,
}

/// A proxy that control and data connections go through. It looks up the server's name itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Proxy {
    /// How it is asked.
    pub kind: ProxyKind,
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Who we are there; `None` where it asks nobody.
    pub user: Option<String>,
    /// Where the user's password comes from; there exactly when `user` is.
    pub password: Option<SecretRef>,
}

impl fmt::Display for Proxy {
    /// `socks5://host:port`, without the user: this is what messages and logs show.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            ProxyKind::Socks5 => "socks5",
            ProxyKind::Http => "http",
        };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}
