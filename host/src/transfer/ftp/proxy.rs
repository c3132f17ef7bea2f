//! Through a proxy: SOCKS5 (RFC 1928, RFC 1929) or HTTP's CONNECT (RFC 9110, 9.3.6).
//!
//! A proxy is told the server's name and looks it up itself. Both handshakes read no byte more than
//! their own: what follows is the server's greeting. Messages name the proxy and its answer's code,
//! never the user, nor what the proxy says in its own words, which may repeat what it was sent.

use std::io;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::secret;
use crate::model::{Fault, FaultClass, FaultCode, Proxy, ProxyKind, Site};

/// The longest header of an answer to CONNECT.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The longest user, password and host name of SOCKS5: their lengths are one byte.
const SOCKS_TEXT_MAX: usize = 255;

/// The way through a site's proxy.
#[derive(Debug)]
pub(super) struct Via {
    pub(super) proxy: Proxy,
    password: Option<SecretString>,
    /// The server's host, as the proxy is to look it up.
    host: String,
}

/// Why a proxy doesn't let us through.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{words}")]
pub(super) struct Refusal {
    words: String,
    /// `ftp.unreachable` where the proxy does its work and can't reach the server, `ftp.timeout` where
    /// one of the two is too slow, else `ftp.proxy`.
    pub(super) code: FaultCode,
    class: FaultClass,
}

impl Refusal {
    pub(super) fn fault(&self, doing: &str, site: &str) -> Fault {
        let fault = Fault::new(self.code.clone(), format!("{doing}: {}", self.words)).with_class(self.class);
        match self.code {
            FaultCode::FtpProxy => {
                fault.with_hint(format!("see `proxy` and `proxy_password` under [site.{site}]"))
            }
            _ => fault,
        }
    }
}

impl Via {
    /// The proxy of a site, its password read; `None` where the way is straight.
    pub(super) async fn of(site: &Site) -> Result<Option<Self>, Fault> {
        let Some(proxy) = site.proxy.clone() else { return Ok(None) };
        let password = match &proxy.password {
            Some(reference) => Some(secret::read(reference, &site.name, "proxy_password").await?),
            None => None,
        };
        let too_long = |text: &str| text.is_empty() || text.len() > SOCKS_TEXT_MAX;
        if proxy.kind == ProxyKind::Socks5
            && (password.as_ref().is_some_and(|password| too_long(password.expose_secret()))
                || proxy.user.as_deref().is_some_and(too_long))
        {
            let words = format!("the user or password for {proxy} hasn't the 1 to 255 bytes of SOCKS5");
            return Err(Fault::new(FaultCode::ConfigInvalid, words)
                .with_hint(format!("see `proxy` and `proxy_password` under [site.{}]", site.name)));
        }
        Ok(Some(Self { proxy, password, host: site.host.clone() }))
    }

    /// The proxy itself fails: it can't be reached, or says nothing that makes sense.
    pub(super) fn broken(&self, why: impl std::fmt::Display) -> Refusal {
        self.refusal(FaultCode::FtpProxy, FaultClass::Transient, why)
    }

    /// It took too long, and there is no telling whether the proxy is slow or what lies behind it.
    pub(super) fn slow(&self, why: impl std::fmt::Display) -> Refusal {
        self.refusal(FaultCode::FtpTimeout, FaultClass::Transient, why)
    }

    fn refused(&self, why: impl std::fmt::Display) -> Refusal {
        self.refusal(FaultCode::FtpProxy, FaultClass::Permanent, why)
    }

    fn refusal(&self, code: FaultCode, class: FaultClass, why: impl std::fmt::Display) -> Refusal {
        Refusal { words: format!("the proxy {} {why}", self.proxy), code, class }
    }

    fn lost(&self, error: &io::Error) -> Refusal {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.broken("closed the connection"),
            _ => self.broken(format!("is lost: {error}")),
        }
    }

    /// Makes of a connection to the proxy one to `port` of the server.
    pub(super) async fn tunnel(&self, tcp: &mut TcpStream, port: u16) -> Result<(), Refusal> {
        // Each message goes out whole, and nobody gains by waiting for more.
        let _ = tcp.set_nodelay(true);
        match self.proxy.kind {
            ProxyKind::Socks5 => self.socks5(tcp, port).await,
            ProxyKind::Http => self.connect(tcp, port).await,
        }
    }

    async fn socks5(&self, tcp: &mut TcpStream, port: u16) -> Result<(), Refusal> {
        let lost = |error| self.lost(&error);
        let credentials = self.proxy.user.as_ref().zip(self.password.as_ref());
        // Version 5; no authentication, and user and password where there are any (RFC 1928, 3).
        let methods: &[u8] = if credentials.is_some() { &[5, 2, 0, 2] } else { &[5, 1, 0] };
        tcp.write_all(methods).await.map_err(lost)?;
        let mut chosen = [0; 2];
        tcp.read_exact(&mut chosen).await.map_err(lost)?;
        match (chosen, credentials) {
            ([5, 0], _) => {}
            ([5, 2], Some((user, password))) => {
                let password = password.expose_secret();
                let mut request = Zeroizing::new(Vec::with_capacity(3 + user.len() + password.len()));
                request.push(1);
                for text in [user.as_str(), password] {
                    request.push(u8::try_from(text.len()).map_err(|_| self.refused("takes no such user"))?);
                    request.extend_from_slice(text.as_bytes());
                }
                tcp.write_all(&request).await.map_err(lost)?;
                let mut status = [0; 2];
                tcp.read_exact(&mut status).await.map_err(lost)?;
                if status[1] != 0 {
                    let why = format!("refuses the user or password (SOCKS5 status {})", status[1]);
                    return Err(self.refused(why));
                }
            }
            ([5, 255], None) => return Err(self.refused("wants a user and password (SOCKS5 method 255)")),
            ([5, method], _) => {
                return Err(self.refused(format!("lets nobody in this way (SOCKS5 method {method})")));
            }
            _ => return Err(self.refused("doesn't speak SOCKS5")),
        }
        // CONNECT (RFC 1928, 4).
        let mut request = vec![5, 1, 0];
        match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => {
                request.push(1);
                request.extend_from_slice(&address.octets());
            }
            Ok(IpAddr::V6(address)) => {
                request.push(4);
                request.extend_from_slice(&address.octets());
            }
            Err(_) => {
                let length = u8::try_from(self.host.len())
                    .map_err(|_| self.refused("takes no host name over 255 bytes"))?;
                request.extend_from_slice(&[3, length]);
                request.extend_from_slice(self.host.as_bytes());
            }
        }
        request.extend_from_slice(&port.to_be_bytes());
        tcp.write_all(&request).await.map_err(lost)?;
        let mut reply = [0; 4];
        tcp.read_exact(&mut reply).await.map_err(lost)?;
        if reply[0] != 5 {
            return Err(self.refused("doesn't speak SOCKS5"));
        }
        if reply[1] != 0 {
            return Err(self.socks5_refusal(reply[1], port));
        }
        // The address that it connects from: of no use, but to be read.
        let length = match reply[3] {
            1 => 4,
            4 => 16,
            3 => usize::from(tcp.read_u8().await.map_err(lost)?),
            kind => return Err(self.broken(format!("answers with an unknown kind of address, {kind}"))),
        };
        let mut bound = [0; SOCKS_TEXT_MAX + 2];
        tcp.read_exact(&mut bound[..length + 2]).await.map_err(lost)?;
        Ok(())
    }

    /// What the codes of RFC 1928, 6 mean.
    fn socks5_refusal(&self, code: u8, port: u16) -> Refusal {
        let unreachable = match code {
            1 => "a general failure",
            3 => "its network is unreachable",
            4 => "the host is unreachable",
            5 => "the connection was refused",
            6 => "the time to live expired",
            2 => return self.refused(format!("allows no port {port} there (SOCKS5 reply 2)")),
            7 => return self.refused("doesn't do CONNECT (SOCKS5 reply 7)"),
            8 => return self.refused("doesn't take this kind of address (SOCKS5 reply 8)"),
            other => return self.broken(format!("refuses (SOCKS5 reply {other})")),
        };
        self.unreachable(port, format!("{unreachable} (SOCKS5 reply {code})"))
    }

    fn unreachable(&self, port: u16, why: impl std::fmt::Display) -> Refusal {
        let why = format!("can't reach port {port} of the server: {why}");
        self.refusal(FaultCode::FtpUnreachable, FaultClass::Transient, why)
    }

    async fn connect(&self, tcp: &mut TcpStream, port: u16) -> Result<(), Refusal> {
        let lost = |error| self.lost(&error);
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let mut request =
            Zeroizing::new(format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n"));
        if let Some((user, password)) = self.proxy.user.as_ref().zip(self.password.as_ref()) {
            let pair = Zeroizing::new(format!("{user}:{}", password.expose_secret()));
            let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
            for piece in ["Proxy-Authorization: Basic ", &encoded, "\r\n"] {
                request.push_str(piece);
            }
        }
        request.push_str("\r\n");
        tcp.write_all(request.as_bytes()).await.map_err(lost)?;
        let mut head = Vec::with_capacity(256);
        // Byte by byte, up to the empty line: what stands behind it is the server's.
        while !head.ends_with(b"\r\n\r\n") && !head.ends_with(b"\n\n") {
            if head.len() >= HEAD_BYTES_MAX {
                return Err(self.broken("answers without end"));
            }
            head.push(tcp.read_u8().await.map_err(lost)?);
            if head.len() == 5 && head != b"HTTP/" {
                return Err(self.refused("doesn't speak HTTP"));
            }
        }
        match status_of(&head) {
            Some(200..=299) => Ok(()),
            // 401 is a server's word for it (RFC 9110, 15.5.2); tinyproxy says it, too.
            Some(code @ (401 | 407)) => Err(self.refused(match self.proxy.user {
                Some(_) => format!("refuses the user or password (HTTP status {code})"),
                None => format!("wants a user and password (HTTP status {code})"),
            })),
            Some(403) => Err(self.refused(format!("allows no port {port} there (HTTP status 403)"))),
            Some(code @ (408 | 425 | 429)) => Err(self.broken(format!("is busy (HTTP status {code})"))),
            Some(code @ 500..=599) => Err(self.unreachable(port, format!("HTTP status {code}"))),
            Some(code) => Err(self.refused(format!("doesn't do CONNECT (HTTP status {code})"))),
            None => Err(self.refused("doesn't speak HTTP")),
        }
    }
}

/// The code in `HTTP/1.1 200 words` (RFC 9112, 4).
fn status_of(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\n').next()?;
    let code = line.split(|byte| *byte == b' ').nth(1)?;
    let code = std::str::from_utf8(code).ok()?.trim_end();
    code.parse().ok().filter(|code| (100..=599).contains(code))
}
