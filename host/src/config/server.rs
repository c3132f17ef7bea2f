//! `[server]`: where `serve` listens for HTTP, and who may do what there.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::Error;
use super::reader::{Reader, check_name};
use crate::model::{Role, Token};

/// Where it listens by default: only processes of this machine reach it.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8420);

/// Requests of one caller per second, by default.
const REQUESTS_PER_SECOND: u32 = 50;

/// What `serve` offers over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Where it listens; `None` for not at all.
    pub listen: Option<SocketAddr>,
    /// The certificate chain and its key, both PEM, where it is reached under TLS.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Names under which it is reached, beside its address and `localhost`.
    pub hosts: Vec<String>,
    /// The folder of the workflows that may be begun by their name.
    pub workflows: Option<PathBuf>,
    /// Folders of which callers who aren't admin may grant what lies in them.
    pub folders: Vec<PathBuf>,
    /// Requests of one caller per second.
    pub requests_per_second: u32,
    /// Who may do what; where there is none, whoever reaches it may do everything.
    pub tokens: Vec<Token>,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: Some(LISTEN),
            tls: None,
            hosts: Vec::new(),
            workflows: None,
            folders: Vec::new(),
            requests_per_second: REQUESTS_PER_SECOND,
            tokens: Vec::new(),
        }
    }
}

impl ServerSettings {
    /// Whether it may listen at this address.
    ///
    /// # Errors
    /// What is missing for an address that others than this machine reach.
    pub fn may_listen_at(&self, address: SocketAddr) -> Result<(), String> {
        if address.ip().is_loopback() {
            return Ok(());
        }
        let missing = match (self.tls.is_some(), self.tokens.is_empty()) {
            (true, false) => return Ok(()),
            (true, true) => "a token",
            (false, false) => "TLS (`tls_cert` and `tls_key`)",
            (false, true) => "a token and TLS (`tls_cert` and `tls_key`)",
        };
        Err(format!("listening on {address} lets others than this machine in, which needs {missing}"))
    }
}

/// The HTTP API of `serve`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub(super) struct TypedServer {
    /// Where it listens, as `127.0.0.1:8420`, which is the default; `"off"` for not at all. Another address
    /// than loopback needs a token, `tls_cert` and `tls_key`.
    #[schemars(with = "Option<String>")]
    listen: Option<Spanned<String>>,
    /// The certificate chain in PEM; relative to this file.
    #[schemars(with = "Option<PathBuf>")]
    tls_cert: Option<Spanned<PathBuf>>,
    /// The key of `tls_cert`, in PEM.
    tls_key: Option<PathBuf>,
    /// Names under which it is reached, beside its address and `localhost`: requests for other hosts are
    /// refused.
    hosts: Option<Vec<String>>,
    /// The folder of the workflows that may be begun by their name.
    workflows: Option<PathBuf>,
    /// Folders that callers with the role `run` may grant to runs, with all that lies in them.
    folders: Option<Vec<PathBuf>>,
    /// The most requests of one caller per second; more are told to come back. By default 50.
    #[schemars(with = "Option<u32>", range(min = 1))]
    requests_per_second: Option<Spanned<u32>>,
    /// Who may do what, by name; `orchestrator token add` writes them.
    #[schemars(with = "BTreeMap<String, TypedToken>")]
    token: BTreeMap<String, Spanned<TypedToken>>,
}

/// A token of the HTTP API.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Token")]
struct TypedToken {
    /// What who shows it may do.
    role: Role,
    /// SHA-256 of its text, as 64 hexadecimal digits.
    sha256: String,
}

impl Reader<'_> {
    pub(super) fn server(&self, typed: &TypedServer) -> Result<ServerSettings, Error> {
        let default = ServerSettings::default();
        let tls = match (&typed.tls_cert, &typed.tls_key) {
            (Some(chain), Some(key)) => Some((self.base().join(chain.get_ref()), self.base().join(key))),
            (None, None) => None,
            (Some(chain), None) => return Err(self.wrong(chain, "`tls_cert` needs `tls_key`")),
            (None, Some(_)) => return Err(Error::new("`tls_key` of [server] needs `tls_cert`")),
        };
        let tokens = typed.token.iter().map(|(name, token)| self.token(name, token));
        let settings = ServerSettings {
            listen: match &typed.listen {
                None => default.listen,
                Some(text) if text.get_ref() == "off" => None,
                Some(text) => Some(self.address(text)?),
            },
            tls,
            hosts: typed.hosts.clone().unwrap_or_default(),
            workflows: typed.workflows.as_ref().map(|path| self.base().join(path)),
            folders: typed.folders.iter().flatten().map(|path| self.base().join(path)).collect(),
            requests_per_second: match &typed.requests_per_second {
                Some(zero) if *zero.get_ref() == 0 => {
                    return Err(self.wrong(zero, "`requests_per_second` must be at least 1"));
                }
                typed => typed.as_ref().map_or(default.requests_per_second, |typed| *typed.get_ref()),
            },
            tokens: tokens.collect::<Result<_, _>>()?,
        };
        // The default, where nothing is typed, is loopback.
        if let (Some(address), Some(at)) = (settings.listen, &typed.listen) {
            settings.may_listen_at(address).map_err(|why| {
                self.wrong(at, why).with_hint("`orchestrator token add NAME --role read` makes a token")
            })?;
        }
        Ok(settings)
    }

    fn address(&self, typed: &Spanned<String>) -> Result<SocketAddr, Error> {
        typed.get_ref().parse().map_err(|_| {
            let text = typed.get_ref().escape_debug();
            self.wrong(typed, format!("`listen`: `{text}` is no address with a port"))
                .with_hint("write it as `127.0.0.1:8420` or `[::1]:8420`, or `off`")
        })
    }

    fn token(&self, name: &str, typed: &Spanned<TypedToken>) -> Result<Token, Error> {
        check_name(name).map_err(|wrong| self.wrong(typed, wrong))?;
        let TypedToken { role, sha256 } = typed.get_ref();
        let digest = digest(sha256).ok_or_else(|| {
            self.wrong(typed, format!("`sha256` of [server.token.{name}] isn't 64 hexadecimal digits"))
                .with_hint(format!("`orchestrator token add {name} --role {role}` writes it"))
        })?;
        Ok(Token { name: name.to_owned(), role: *role, sha256: digest })
    }
}

fn digest(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, at) in digest.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&hex[at..at + 2], 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Config, Environment, Flags};
    use super::*;

    fn read(text: &str) -> Result<ServerSettings, Error> {
        let environment = Environment::new([("HOME".into(), "/h".into())]);
        let file = Path::new("/etc/o.toml");
        Config::from_text(text, Some(file), &Flags::default(), &environment, Path::new("/"))
            .map(|config| config.server)
    }

    #[test]
    fn what_isnt_said_is_loopback_without_tokens() {
        assert_eq!(read("").unwrap(), ServerSettings::default());
        assert_eq!(read("[server]\nlisten = 'off'").unwrap().listen, None);
    }

    #[test]
    fn paths_are_relative_to_the_file_and_tokens_are_digests() {
        let hex = "00".repeat(31) + "ff";
        let text = format!(
            "[server]\nlisten = '0.0.0.0:443'\ntls_cert = 'c.pem'\ntls_key = 'k.pem'\nworkflows = 'w'\n\
             [server.token.ops]\nrole = 'admin'\nsha256 = '{hex}'"
        );
        let settings = read(&text).unwrap();
        assert_eq!(settings.tls, Some(("/etc/c.pem".into(), "/etc/k.pem".into())));
        assert_eq!(settings.workflows, Some("/etc/w".into()));
        assert_eq!((settings.tokens[0].role, settings.tokens[0].sha256[31]), (Role::Admin, 0xff));
    }

    #[test]
    fn others_than_this_machine_need_a_token_and_tls() {
        let token = format!("[server.token.a]\nrole = 'read'\nsha256 = '{}'", "0".repeat(64));
        let tls = "tls_cert = 'c'\ntls_key = 'k'";
        for (text, missing) in [
            ("[server]\nlisten = '0.0.0.0:1'".to_owned(), "a token and TLS"),
            (format!("[server]\nlisten = '[::]:1'\n{tls}"), "needs a token"),
            (format!("[server]\nlisten = '10.0.0.1:1'\n{token}"), "needs TLS"),
        ] {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(missing), "{error}");
        }
        assert!(read(&format!("[server]\nlisten = '10.0.0.1:1'\n{tls}\n{token}")).is_ok());
    }

    #[test]
    fn what_cant_be_meant_is_refused() {
        for text in [
            "[server]\nlisten = 'localhost'",
            "[server]\ntls_cert = 'c'",
            "[server]\ntls_key = 'c'",
            "[server]\nrequests_per_second = 0",
            "[server.token.a]\nrole = 'read'\nsha256 = 'abc'",
            "[server.token.a]\nrole = 'root'\nsha256 = ''",
            "[server.token.'a b']\nrole = 'read'\nsha256 = ''",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
