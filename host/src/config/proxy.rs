//! A proxy in the file: `socks5://user@host:port` or `http://user@host:port`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::url::{decode, host_and_port};
use crate::model::ProxyKind;

/// The parts of a proxy's URL. Errors never show it: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TypedProxy {
    pub(super) kind: ProxyKind,
    /// Percent-decoded; `None` when the URL has none.
    pub(super) user: Option<String>,
    pub(super) host: String,
    pub(super) port: u16,
}

fn parse(text: &str) -> Result<TypedProxy, String> {
    let (scheme, rest) =
        text.split_once("://").ok_or("the proxy has no scheme: socks5://host:port or http://host:port")?;
    let kind = match scheme.to_ascii_lowercase().as_str() {
        // curl's name for SOCKS5 where the proxy looks up names; here it always does.
        "socks5" | "socks5h" => ProxyKind::Socks5,
        "http" => ProxyKind::Http,
        "https" => return Err("a proxy under TLS isn't supported; only http:// and socks5:// are".to_owned()),
        _ => return Err("the proxy's scheme is neither socks5:// nor http://".to_owned()),
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains('/') {
        return Err("the proxy has a path: write socks5://host:port or http://host:port".to_owned());
    }
    let (user, host_port) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    if user.is_some_and(|user| user.contains(':')) {
        return Err("the proxy's URL holds a password: write user@host:port and \
                    proxy_password = { env = \"NAME\" }"
            .to_owned());
    }
    let user = user.map(|user| decode(user, "user")).transpose()?.filter(|user| !user.is_empty());
    if kind == ProxyKind::Http && user.as_ref().is_some_and(|user| user.contains(':')) {
        // It would end there (RFC 7617, 2).
        return Err("the user of an HTTP proxy can't have a `:`".to_owned());
    }
    let (host, port) = host_and_port(host_port)?;
    let port = port.ok_or("the proxy has no port: write socks5://host:1080, or whatever it listens on")?;
    Ok(TypedProxy { kind, user, host, port })
}

impl JsonSchema for TypedProxy {
    fn schema_name() -> Cow<'static, str> {
        "Proxy".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "socks5://user@host:port or http://user@host:port",
            "type": "string",
            "pattern": "^([sS][oO][cC][kK][sS]5[hH]?|[hH][tT][tT][pP])://",
        })
    }
}

impl<'de> Deserialize<'de> for TypedProxy {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = TypedProxy;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a proxy, as \"socks5://user@host:1080\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<TypedProxy, E> {
                parse(text).map_err(E::custom)
            }
        }
        from.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_are_read() {
        let socks = parse("socks5://j%40ne@[::1]:1080/").unwrap();
        assert_eq!((socks.kind, socks.user.as_deref()), (ProxyKind::Socks5, Some("j@ne")));
        assert_eq!((socks.host.as_str(), socks.port), ("::1", 1080));
        let http = parse("HTTP://proxy.example.com:3128").unwrap();
        assert_eq!((http.kind, http.user, http.port), (ProxyKind::Http, None, 3128));
        assert_eq!(parse("socks5h://h:1").unwrap().kind, ProxyKind::Socks5);
    }

    #[test]
    fn what_is_no_proxy_is_refused_and_a_password_not_repeated() {
        for text in
            ["h:1", "https://h:1", "ftp://h:1", "socks4://h:1", "socks5://h", "http://h:0", "http://h:1/x"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        let error = parse("socks5://jane:hunter2@h:1080").unwrap_err();
        assert!(error.contains("proxy_password") && !error.contains("hunter2"), "{error}");
    }
}
