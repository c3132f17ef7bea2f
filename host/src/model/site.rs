//! A named remote: where it is, how to log in (by reference), and how to behave there.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Proxy, RateLimit, RetryPolicy, Servers};

/// Where a secret comes from. The secret itself is never part of a site.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum SecretRef {
    /// An environment variable of the host.
    Env(String),
    /// A file; one trailing line end is dropped.
    File(PathBuf),
    /// What a command prints, run by `sh -c`; one trailing line end is dropped.
    Command(String),
}

/// When TLS begins (RFC 4217).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// `AUTH TLS` on the plain port; fails closed.
    Explicit,
    /// From the first byte, port 990.
    Implicit,
    /// None at all: passwords go in clear.
    None,
}

/// How the server's certificate is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TlsVerify {
    /// Chain and name, against the system's roots or `ca_file`.
    Full,
    /// Not at all: anybody can sit in between.
    None,
}

/// TLS as a site wants it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TlsPolicy {
    /// When TLS begins.
    pub mode: TlsMode,
    /// How the server's certificate is judged.
    pub verify: TlsVerify,
    /// PEM file of the roots to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM file of our certificate chain, for mutual TLS.
    pub client_cert: Option<PathBuf>,
    /// PEM file of our key.
    pub client_key: Option<PathBuf>,
}

/// Who opens data connections (RFC 959, 3.2; RFC 2428).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DataMode {
    /// We do: EPSV, else PASV.
    Passive,
    /// The server does: EPRT, else PORT; its address is checked.
    Active,
}

/// How a server writes names and replies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum NameEncoding {
    /// UTF-8 (RFC 2640), switched on where FEAT offers it.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// ISO 8859-1.
    #[serde(rename = "latin-1")]
    Latin1,
    /// GBK, as on Chinese Windows (code page 936).
    #[serde(rename = "gbk")]
    Gbk,
}

impl NameEncoding {
    /// Its name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Latin1 => "latin-1",
            Self::Gbk => "gbk",
        }
    }
}

/// Deadlines and bounds of a site.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SiteLimits {
    /// For a reply on the control connection.
    pub reply: Duration,
    /// For a TCP connection to stand: from the look-up of the name, over all its addresses, to the last
    /// word of a proxy. A TLS handshake has as much again.
    pub connect: Duration,
    /// For the greeting once the connection stands: some servers look up our name first.
    pub greeting: Duration,
    /// For the next byte of a data connection.
    pub idle: Duration,
    /// The fewest bytes per second that a data connection may move over `min_speed_time`; 0 for no such
    /// rule. Only time in which we waited for the network counts.
    pub min_speed: u64,
    /// How long a data connection may be slower than `min_speed`.
    pub min_speed_time: Duration,
    /// For a whole transfer attempt; `None` for no limit.
    pub transfer: Option<Duration>,
    /// For the final reply once all data has passed: some servers hash or scan first.
    pub final_reply: Duration,
    /// How long a remote size must stay the same before it counts as settled.
    pub settle: Duration,
    /// Most sessions at once.
    pub sessions_max: u16,
    /// How long an unused session is kept.
    pub session_idle: Duration,
    /// The most bytes of files per second, all transfers with the site and both ways together.
    pub rate: Option<RateLimit>,
    /// The most commands per second, on all sessions of the site together; `None` for no limit.
    pub commands_per_second: Option<u32>,
    /// Most unused sessions that are kept; `None` for as many as there may be.
    pub idle_max: Option<u16>,
    /// A session that is older isn't used again; `None` for no limit.
    pub session_age: Option<Duration>,
    /// How often an unused session is asked with NOOP; `None` for never.
    pub heartbeat: Option<Duration>,
}

impl Default for SiteLimits {
    fn default() -> Self {
        Self {
            reply: Duration::from_secs(30),
            connect: Duration::from_secs(15),
            greeting: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            min_speed: 100,
            min_speed_time: Duration::from_secs(60),
            transfer: None,
            final_reply: Duration::from_secs(120),
            settle: Duration::from_secs(2),
            sessions_max: 8,
            session_idle: Duration::from_secs(30),
            rate: None,
            commands_per_second: None,
            idle_max: None,
            session_age: None,
            heartbeat: None,
        }
    }
}

impl TlsPolicy {
    /// TLS from `mode` on, the server's certificate checked against the system's roots.
    #[must_use]
    pub fn new(mode: TlsMode) -> Self {
        Self { mode, verify: TlsVerify::Full, ca_file: None, client_cert: None, client_key: None }
    }
}

/// A named remote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Its name in the configuration and in workflows.
    pub name: String,
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port of the control connection.
    pub port: u16,
    /// User name; `anonymous` if none was given.
    pub user: String,
    /// Where the password comes from; `None` sends the conventional one for `anonymous`.
    pub password: Option<SecretRef>,
    /// The path of the URL, percent-decoded, without its first slash; empty for the folder in which
    /// a login arrives. With a slash in front (`//abs` in the URL) it is absolute (RFC 1738, 3.2.2).
    pub root: String,
    /// TLS as the site wants it.
    pub tls: TlsPolicy,
    /// Who opens data connections.
    pub mode: DataMode,
    /// How its server writes names.
    #[serde(default)]
    pub encoding: NameEncoding,
    /// The zone of the times in its LIST, by its IANA name; `None` to learn it from one file.
    #[serde(default)]
    pub list_time_zone: Option<String>,
    /// What all connections to the server go through; `None` for the straight way.
    pub proxy: Option<Proxy>,
    /// Deadlines and bounds.
    pub limits: SiteLimits,
    /// When and how often failed attempts are repeated.
    pub retry: RetryPolicy,
    /// Its servers, where it has several; then `host` and `port` stand for none of them.
    pub servers: Servers,
}

impl Site {
    /// A site of which nothing else is said: `anonymous`, explicit TLS, passive, all limits by default.
    #[must_use]
    pub fn new(name: impl Into<String>, host: impl Into<String>, port: u16) -> Self {
        Self {
            name: name.into(),
            host: host.into(),
            port,
            user: "anonymous".to_owned(),
            password: None,
            root: String::new(),
            tls: TlsPolicy::new(TlsMode::Explicit),
            mode: DataMode::Passive,
            encoding: NameEncoding::default(),
            list_time_zone: None,
            proxy: None,
            limits: SiteLimits::default(),
            retry: RetryPolicy::default(),
            servers: Servers::default(),
        }
    }
}
