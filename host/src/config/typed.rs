//! The file, key by key. What isn't here is an unknown key. What stands above a key is its description
//! in the JSON schema that `config schema` prints.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::meant::LogFormat;
use super::proxy::TypedProxy;
use super::quantity::{TypedDuration, TypedSize};
use super::rate::TypedRate;
use super::schedule::Schedule;
use super::secret::TypedSecret;
use super::server::TypedServer;
use super::url::TypedUrl;
use crate::model::{Balance, DataMode, Exhausted, Jitter, NameEncoding, TlsMode, TlsVerify};

/// orchestrator.toml: where runs keep their state, and the sites that workflows may open by name.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "orchestrator.toml")]
pub(super) struct File {
    /// Where runs keep what they must not forget.
    pub(super) state: State,
    /// How transfers make their progress durable.
    pub(super) transfer: Transfer,
    /// What a workflow may use.
    pub(super) limits: Limits,
    /// What is written to standard error.
    pub(super) log: Log,
    /// The HTTP API of `serve`.
    pub(super) server: TypedServer,
    /// Retry policies by name, for `retry` of sites.
    #[schemars(with = "BTreeMap<String, Retry>")]
    pub(super) retry: BTreeMap<String, Spanned<Retry>>,
    /// FTP and FTPS servers by name.
    #[schemars(with = "BTreeMap<String, Site>")]
    pub(super) site: BTreeMap<String, Spanned<Site>>,
    /// Schedules by name; `schedule apply` makes those of the state the same.
    #[schemars(with = "BTreeMap<String, Schedule>")]
    pub(super) schedule: BTreeMap<String, Spanned<Schedule>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub(super) struct State {
    /// The state folder; relative to this file. By default `orchestrator` in the XDG state folder.
    pub(super) path: Option<PathBuf>,
    /// Where a backup of the state is kept; relative to this file. By default none is.
    pub(super) backup: Option<PathBuf>,
    /// How old it may become while a process holds the state. By default 1h.
    #[schemars(with = "Option<TypedDuration>")]
    pub(super) backup_every: Option<Spanned<TypedDuration>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub(super) struct Transfer {
    /// The most bytes that a kill may cost a transfer, 512 KiB to 1 TiB. By default 16MiB.
    #[schemars(with = "Option<TypedSize>")]
    pub(super) commit_bytes: Option<Spanned<TypedSize>>,
    /// The longest time between two commits. By default 5s.
    #[schemars(with = "Option<TypedDuration>")]
    pub(super) commit_interval: Option<Spanned<TypedDuration>>,
    /// How much of what a part holds is compared before it is gone on with, 4 KiB to 1 MiB. By default
    /// 64KiB.
    #[schemars(with = "Option<TypedSize>")]
    pub(super) overlap: Option<Spanned<TypedSize>>,
    /// The most bytes of files per second, all transfers and both ways together: `"2 MiB"`, or a list of
    /// windows by the time of day. By default there is no limit.
    #[schemars(with = "Option<TypedRate>")]
    pub(super) rate_limit: Option<Spanned<TypedRate>>,
    /// The time zone whose clocks the windows of every `rate_limit` go by, as `Europe/Berlin`. By default
    /// `UTC`.
    #[schemars(with = "Option<String>")]
    pub(super) rate_limit_zone: Option<Spanned<String>>,
    /// The most sessions of the process, over all sites. By default only the sites have limits.
    #[schemars(with = "Option<u16>", range(min = 1))]
    pub(super) sessions: Option<Spanned<u16>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub(super) struct Limits {
    /// The largest component, 1 KiB to 1 GiB.
    #[schemars(with = "Option<TypedSize>")]
    pub(super) component_size: Option<Spanned<TypedSize>>,
    /// The most memory of one run, 1 MiB to 4 GiB.
    #[schemars(with = "Option<TypedSize>")]
    pub(super) memory: Option<Spanned<TypedSize>>,
    /// How much a workflow may compute between two steps, in units of wasmtime's fuel: about one for
    /// each instruction.
    pub(super) fuel: Option<u64>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub(super) struct Log {
    /// Which lines are shown, in the syntax of tracing's EnvFilter, as `info,orchestrator=debug`.
    pub(super) filter: Option<String>,
    /// How they are written.
    pub(super) format: Option<LogFormat>,
}

/// How failed attempts are repeated: exponential backoff, bounded by attempts and by time.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Retry {
    /// How often at most, the first try included. By default 5.
    #[schemars(range(min = 1))]
    pub(super) attempts: Option<u32>,
    /// No new attempt once so much time has passed since the first. By default there is no limit.
    pub(super) max_elapsed: Option<TypedDuration>,
    /// The delay after the first failure. By default 1s.
    pub(super) initial_delay: Option<TypedDuration>,
    /// The longest delay. By default 60s.
    pub(super) max_delay: Option<TypedDuration>,
    /// By how much each delay grows over the one before. By default 200, which doubles it.
    pub(super) multiplier_percent: Option<u32>,
    /// How chance spreads the waits. By default `full`.
    pub(super) jitter: Option<Jitter>,
    /// Codes of failures that are final, as `ftp.busy`.
    pub(super) non_retryable: Option<Vec<String>>,
    /// What follows when the attempts are used up. By default `fail`.
    pub(super) on_exhausted: Option<Exhausted>,
}

/// An FTP or FTPS server, and how it is talked to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Site {
    /// Where it is and the folder that paths begin at: `ftp://user@host:port/root`.
    pub(super) url: TypedUrl,
    /// The user, where it isn't in `url`. By default `anonymous`.
    pub(super) user: Option<String>,
    /// Where the password is.
    pub(super) password: Option<TypedSecret>,
    /// How the session is protected. By default `explicit`: plain FTP has to be asked for.
    #[schemars(with = "Option<TlsMode>")]
    pub(super) tls: Option<Spanned<TlsMode>>,
    /// Whether the server's certificate is judged. By default `full`.
    pub(super) tls_verify: Option<TlsVerify>,
    /// Certificates in PEM that are trusted instead of the system's.
    pub(super) ca_file: Option<PathBuf>,
    /// Our certificate chain in PEM, for servers that want one.
    pub(super) client_cert: Option<PathBuf>,
    /// The key of `client_cert`, in PEM.
    pub(super) client_key: Option<PathBuf>,
    /// Who opens data connections. By default `passive`: we do.
    pub(super) mode: Option<DataMode>,
    /// How the server writes names. By default `utf-8`.
    pub(super) encoding: Option<NameEncoding>,
    /// The zone of the times that the server's LIST shows, as `Europe/Berlin`. By default it is learnt
    /// from one file where the server answers MDTM, and else taken for UTC.
    #[schemars(with = "Option<String>")]
    pub(super) list_time_zone: Option<Spanned<String>>,
    /// What all connections go through: `socks5://user@host:port` or `http://user@host:port`.
    #[schemars(with = "Option<TypedProxy>")]
    pub(super) proxy: Option<Spanned<TypedProxy>>,
    /// Where the password of the user in `proxy` is.
    pub(super) proxy_password: Option<TypedSecret>,
    /// How long a reply may take. By default 30s.
    #[schemars(with = "Option<TypedDuration>")]
    pub(super) timeout: Option<Spanned<TypedDuration>>,
    /// How long connecting may take, with the look-up of the name and a proxy. By default 15s.
    #[schemars(with = "Option<TypedDuration>")]
    pub(super) connect_timeout: Option<Spanned<TypedDuration>>,
    /// How long the greeting may take once the connection stands. By default 30s.
    #[schemars(with = "Option<TypedDuration>")]
    pub(super) greeting_timeout: Option<Spanned<TypedDuration>>,
    /// How long a data connection may be silent. By default 60s.
    #[schemars(with = "Option<TypedDuration>")]
    pub(super) idle_timeout: Option<Spanned<TypedDuration>>,
    /// The fewest bytes per second that a data connection may move over `min_speed_time`; slower ones are
    /// given up and gone on with. 0 for no such rule. By default 100B.
    pub(super) min_speed: Option<TypedSize>,
    /// How long a data connection may be slower than `min_speed`. By default as long as `idle_timeout`,
    /// and at least 60s.
    #[schemars(with = "Option<TypedDuration>")]
    pub(super) min_speed_time: Option<Spanned<TypedDuration>>,
    /// How long a whole transfer may take. By default there is no limit.
    #[schemars(with = "Option<TypedDuration>")]
    pub(super) transfer_timeout: Option<Spanned<TypedDuration>>,
    /// How long the reply after a transfer may take, when the server still writes or hashes. By default 2m.
    #[schemars(with = "Option<TypedDuration>")]
    pub(super) final_reply_timeout: Option<Spanned<TypedDuration>>,
    /// How long a remote part must stay the same before it is gone on with. By default 2s.
    pub(super) settle: Option<TypedDuration>,
    /// The most sessions at a time. By default 8.
    #[schemars(with = "Option<u16>", range(min = 1))]
    pub(super) sessions: Option<Spanned<u16>>,
    /// How long an idle session is kept for the next step. By default 30s.
    pub(super) session_idle: Option<TypedDuration>,
    /// The most bytes of files per second to and from this site together: `"2 MiB"`, or a list of windows
    /// by the time of day. By default there is no limit.
    #[schemars(with = "Option<TypedRate>")]
    pub(super) rate_limit: Option<Spanned<TypedRate>>,
    /// The most commands per second, on all sessions together. By default there is no limit.
    #[schemars(with = "Option<u32>", range(min = 1))]
    pub(super) commands_per_second: Option<Spanned<u32>>,
    /// The most idle sessions that are kept. By default as many as there may be.
    pub(super) sessions_idle: Option<u16>,
    /// A session that is older isn't used again. By default there is no limit.
    #[schemars(with = "Option<TypedDuration>")]
    pub(super) session_age: Option<Spanned<TypedDuration>>,
    /// How often an idle session is asked whether it is still there, at least 1s; for servers that end
    /// idle sessions sooner than `session_idle`. By default never.
    #[schemars(with = "Option<TypedDuration>")]
    pub(super) heartbeat: Option<Spanned<TypedDuration>>,
    /// The servers of a site that has several, 2 to 64; `url` then only says the rest.
    #[schemars(with = "Option<Vec<TypedEndpoint>>")]
    pub(super) endpoints: Option<Spanned<Vec<TypedEndpoint>>>,
    /// Which of `endpoints` takes the next session. By default `round-robin`.
    #[schemars(with = "Option<Balance>")]
    pub(super) balance: Option<Spanned<Balance>>,
    /// Whether all `endpoints` show the same files. By default false: what one has says nothing of the
    /// others.
    #[schemars(with = "Option<bool>")]
    pub(super) shared_storage: Option<Spanned<bool>>,
    /// How far apart the times of a file may be on two `endpoints` without shared storage, for a download
    /// to go on with the other one. By default 0s.
    #[schemars(with = "Option<TypedDuration>")]
    pub(super) time_tolerance: Option<Spanned<TypedDuration>>,
    /// How often a failing step is tried, the first time included; over that of `retry`. By default 5.
    #[schemars(with = "Option<u32>", range(min = 1))]
    pub(super) attempts: Option<Spanned<u32>>,
    /// The name of a policy: `[retry.NAME]`.
    #[schemars(with = "Option<String>")]
    pub(super) retry: Option<Spanned<String>>,
}

/// One of the servers of a site that has several.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Endpoint")]
pub(super) struct TypedEndpoint {
    /// Its name or address, without brackets.
    pub(super) host: String,
    /// Its port. By default that of `url`, else 21 or, for implicit TLS, 990.
    pub(super) port: Option<u16>,
    /// Its share of the work, 1 to 100. By default 1.
    #[schemars(range(min = 1, max = 100))]
    pub(super) weight: Option<u16>,
}
