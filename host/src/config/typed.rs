//! The file, key by key. What isn't here is an unknown key.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::meant::LogFormat;
use super::quantity::{TypedDuration, TypedSize};
use super::secret::TypedSecret;
use super::url::TypedUrl;
use crate::model::{DataMode, Exhausted, Jitter, TlsMode, TlsVerify};

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) state: State,
    pub(super) transfer: Transfer,
    pub(super) limits: Limits,
    pub(super) log: Log,
    pub(super) retry: BTreeMap<String, Spanned<Retry>>,
    pub(super) site: BTreeMap<String, Spanned<Site>>,
}

/// `[state]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct State {
    pub(super) path: Option<PathBuf>,
}

/// `[transfer]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Transfer {
    pub(super) commit_bytes: Option<Spanned<TypedSize>>,
    pub(super) commit_interval: Option<Spanned<TypedDuration>>,
    pub(super) overlap: Option<Spanned<TypedSize>>,
}

/// `[limits]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    pub(super) component_size: Option<Spanned<TypedSize>>,
    pub(super) memory: Option<Spanned<TypedSize>>,
    pub(super) fuel: Option<u64>,
}

/// `[log]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    pub(super) filter: Option<String>,
    pub(super) format: Option<LogFormat>,
}

/// `[retry.NAME]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Retry {
    pub(super) attempts: Option<u32>,
    pub(super) max_elapsed: Option<TypedDuration>,
    pub(super) initial_delay: Option<TypedDuration>,
    pub(super) max_delay: Option<TypedDuration>,
    pub(super) multiplier_percent: Option<u32>,
    pub(super) jitter: Option<Jitter>,
    pub(super) non_retryable: Option<Vec<String>>,
    pub(super) on_exhausted: Option<Exhausted>,
}

/// `[site.NAME]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Site {
    pub(super) url: TypedUrl,
    pub(super) user: Option<String>,
    pub(super) password: Option<TypedSecret>,
    pub(super) tls: Option<Spanned<TlsMode>>,
    pub(super) tls_verify: Option<TlsVerify>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) client_cert: Option<PathBuf>,
    pub(super) client_key: Option<PathBuf>,
    pub(super) mode: Option<DataMode>,
    pub(super) timeout: Option<Spanned<TypedDuration>>,
    pub(super) connect_timeout: Option<Spanned<TypedDuration>>,
    pub(super) idle_timeout: Option<Spanned<TypedDuration>>,
    pub(super) transfer_timeout: Option<Spanned<TypedDuration>>,
    pub(super) final_reply_timeout: Option<Spanned<TypedDuration>>,
    pub(super) settle: Option<TypedDuration>,
    pub(super) sessions: Option<Spanned<u16>>,
    pub(super) session_idle: Option<TypedDuration>,
    pub(super) attempts: Option<Spanned<u32>>,
    pub(super) retry: Option<Spanned<String>>,
}
