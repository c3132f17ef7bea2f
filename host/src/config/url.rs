//! `ftp://user@host:port/root`, as in RFC 1738 (3.2) and RFC 3986.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// The parts of a site's URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteUrl {
    /// True for `ftps://`: TLS from the first byte.
    pub implicit_tls: bool,
    /// Percent-decoded; `None` when the URL has none.
    pub user: Option<String>,
    /// Host name or address, without brackets.
    pub host: String,
    /// `None` when the URL has none: 21, or 990 for implicit TLS.
    pub port: Option<u16>,
    /// The path, percent-decoded, without its first slash.
    pub root: String,
}

impl SiteUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// Says what is wrong, in words that don't repeat a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("the URL has no scheme: ftp://user@host/folder")?;
        let implicit_tls = match scheme.to_ascii_lowercase().as_str() {
            "ftp" => false,
            "ftps" => true,
            "sftp" => return Err("sftp is another protocol; only ftp:// and ftps:// are known".to_owned()),
            _ => return Err("the URL's scheme is neither ftp:// nor ftps://".to_owned()),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host_port) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        if user.is_some_and(|user| user.contains(':')) {
            return Err("the URL holds a password: write ftp://user@host and password = { env = \"NAME\" }"
                .to_owned());
        }
        let user = user.map(|user| decode(user, "user")).transpose()?.filter(|user| !user.is_empty());
        let (host, port) = host_and_port(host_port)?;
        Ok(Self { implicit_tls, user, host, port, root: decode(path, "path")? })
    }
}

/// `host`, `host:port` or `[address]:port`.
pub(super) fn host_and_port(text: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or("the URL's IPv6 address has no closing bracket")?;
        if host.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(format!("`{}` is no IPv6 address", host.escape_debug()));
        }
        (host, after.strip_prefix(':').or(after.is_empty().then_some("")).ok_or("junk after the URL's host")?)
    } else {
        let (host, port) = text.split_once(':').unwrap_or((text, ""));
        if port.contains(':') {
            return Err("an IPv6 address in a URL stands in brackets: ftp://[::1]:2121/".to_owned());
        }
        (host, port)
    };
    if host.is_empty() {
        return Err("the URL has no host".to_owned());
    }
    if let Some(odd) = host.chars().find(|c| c.is_control() || c.is_whitespace() || "?#\\%".contains(*c)) {
        return Err(format!("the URL's host has a `{}`", odd.escape_debug()));
    }
    let port = match port {
        "" => None,
        digits => match digits.parse() {
            Ok(0) | Err(_) => return Err(format!("`{}` is no port", digits.escape_debug())),
            Ok(port) => Some(port),
        },
    };
    Ok((host.to_owned(), port))
}

/// Percent-decodes. A control character would end the FTP command that carries it.
pub(super) fn decode(text: &str, what: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
            let value = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
            bytes.push(value.ok_or(format!("the URL's {what} has a `%` without two hexadecimal digits"))?);
            rest = &after[2..];
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("the URL's {what} isn't UTF-8"))?;
    if text.chars().any(char::is_control) {
        return Err(format!("the URL's {what} has a control character"));
    }
    Ok(text)
}

/// A URL in the file. Errors never show it: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TypedUrl(pub(super) SiteUrl);

impl JsonSchema for TypedUrl {
    fn schema_name() -> Cow<'static, str> {
        "Url".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "ftp://user@host:port/root; ftps:// for TLS from the first byte",
            "type": "string",
            "pattern": "^[fF][tT][pP][sS]?://",
        })
    }
}

impl<'de> Deserialize<'de> for TypedUrl {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = SiteUrl;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a URL, as \"ftp://user@host:21/folder\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<SiteUrl, E> {
                SiteUrl::parse(text).map_err(E::custom)
            }
        }
        from.deserialize_str(Visitor).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_are_read() {
        let url = SiteUrl::parse("ftp://j%40ne@ftp.example.com:2121/in%20box/a").unwrap();
        assert_eq!(url.user.as_deref(), Some("j@ne"));
        assert_eq!(
            (url.host.as_str(), url.port, url.root.as_str()),
            ("ftp.example.com", Some(2121), "in box/a")
        );
        let plain = SiteUrl::parse("ftps://[::1]").unwrap();
        assert_eq!((plain.host.as_str(), plain.port, plain.implicit_tls), ("::1", None, true));
        assert_eq!(SiteUrl::parse("ftp://h//abs/x").unwrap().root, "/abs/x");
        assert_eq!(SiteUrl::parse("ftp://h/").unwrap().root, "");
    }

    #[test]
    fn a_password_is_refused_and_not_repeated() {
        let error = SiteUrl::parse("ftp://jane:hunter2@h/").unwrap_err();
        assert!(error.contains("password = ") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn what_is_no_site_is_refused() {
        for text in [
            "h",
            "http://h",
            "sftp://h",
            "ftp://",
            "ftp://h:0",
            "ftp://h:99999",
            "ftp://::1/",
            "ftp://[::1",
            "ftp://h/%0d%0aDELE",
            "ftp://h/%zz",
            "ftp://a b/",
        ] {
            assert!(SiteUrl::parse(text).is_err(), "{text}");
        }
    }
}
