//! Reaching a site's server: its addresses, the first that greets, and why none does.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use suppaftp::FtpError;
use suppaftp::tokio::ImplAsyncFtpStream;

use super::dial::Dial;
use super::place::Place;
use super::replies::{self, Reply};
use super::session::{Control, control_fault};
use super::tls::{TlsContext, tls_fault};
use super::wire::{Late, Signals};
use crate::model::{Fault, FaultCode, Site};

/// How long an address has to answer before the next one is tried beside it (RFC 8305, 5).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// Most addresses of a name that are tried.
const ADDRESSES_MAX: usize = 8;

/// The addresses of the site's host, in the order in which to try them.
pub(super) async fn resolve(site: &Site, doing: &str) -> Result<Vec<SocketAddr>, Fault> {
    let lookup = tokio::net::lookup_host((site.host.as_str(), site.port));
    let found = tokio::time::timeout(site.limits.connect, lookup).await.map_err(|_| {
        Fault::new(FaultCode::FtpTimeout, format!("{doing}: looking up `{}` took too long", site.host))
    })?;
    let unknown = |why: &str| {
        Fault::new(FaultCode::FtpUnknownHost, format!("{doing}: the host `{}` is unknown{why}", site.host))
            .with_hint(format!("check `url` under [site.{}] in the configuration", site.name))
    };
    let all: Vec<_> = found.map_err(|error| unknown(&format!(" ({error})")))?.collect();
    // The families in turn, beginning with the one that the resolver prefers (RFC 8305, 4).
    let first_is_v6 = all.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = all.iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut addresses = Vec::new();
    for at in 0..first.len().max(second.len()) {
        addresses.extend(first.get(at));
        addresses.extend(second.get(at));
    }
    addresses.truncate(ADDRESSES_MAX);
    if addresses.is_empty() { Err(unknown("")) } else { Ok(addresses) }
}

/// A control connection with its greeting, from the first address that answers. A server behind a
/// dead address must not cost a whole deadline (F57), and two logins at once are rude: the next
/// address is tried when one fails, or has no TCP connection after a moment.
pub(super) async fn greeted(
    site: &Site,
    addresses: &[SocketAddr],
    tls: Option<&Arc<TlsContext>>,
    signals: &Arc<Signals>,
) -> Result<Control, FtpError> {
    let attempt = |address: SocketAddr, answers: Arc<AtomicBool>| async move {
        let dial = Dial::new(tls.cloned(), Arc::clone(signals), Arc::clone(&answers));
        let mut greeting = pin!(ImplAsyncFtpStream::connect_secure_implicit(address, dial, &site.host));
        let outcome = match tokio::time::timeout(site.limits.connect, greeting.as_mut()).await {
            Ok(outcome) => outcome,
            // TLS and the greeting have deadlines of their own.
            Err(_) if answers.load(Ordering::Relaxed) => greeting.await,
            Err(_) => Err(FtpError::ConnectionError(io::Error::from(io::ErrorKind::TimedOut))),
        };
        answers.store(false, Ordering::Relaxed);
        outcome
    };
    let mut waiting = addresses.iter().copied();
    let mut trying = FuturesUnordered::new();
    let mut answering: Vec<Arc<AtomicBool>> = Vec::new();
    let mut failure = None;
    loop {
        let somebody_answers = answering.iter().any(|answers| answers.load(Ordering::Relaxed));
        if !somebody_answers && let Some(address) = waiting.next() {
            let answers = Arc::new(AtomicBool::new(false));
            answering.push(Arc::clone(&answers));
            trying.push(attempt(address, answers));
        }
        tokio::select! {
            done = trying.next() => match done {
                Some(Ok(control)) => return Ok(control),
                Some(Err(error)) => failure = Some(error),
                None => return Err(failure.unwrap_or(FtpError::BadResponse)),
            },
            () = tokio::time::sleep(NEXT_ADDRESS_AFTER), if !somebody_answers && waiting.len() > 0 => {}
        }
    }
}

/// Why there is no greeting.
pub(super) fn connect_fault(
    error: &FtpError,
    site: &Site,
    tls: Option<&TlsContext>,
    doing: &str,
    place: &Place,
) -> Fault {
    if let Some(cause) = tls.and_then(TlsContext::take_failure) {
        return tls_fault(&cause, doing, place);
    }
    let test = format!("`orchestrator site test {}` tries each stage", site.name);
    match error {
        FtpError::ConnectionError(error) => match error.kind() {
            io::ErrorKind::TimedOut => {
                // The control stream's own deadline is that of the greeting; TCP stood by then.
                let awaited = if error.get_ref().is_some_and(|inner| inner.is::<Late>()) {
                    "greeting"
                } else {
                    "answer"
                };
                let wait = site.limits.connect.as_secs_f32();
                Fault::new(FaultCode::FtpTimeout, format!("{doing}: no {awaited} within {wait} s"))
                    .with_hint(test)
            }
            io::ErrorKind::UnexpectedEof => {
                Fault::new(FaultCode::FtpConnectionLost, format!("{doing}: the server closed the connection"))
                    .with_hint(test)
            }
            io::ErrorKind::InvalidData => {
                Fault::new(FaultCode::FtpProtocol, format!("{doing}: {error}; it may be no FTP server"))
                    .with_hint(test)
            }
            io::ErrorKind::ConnectionRefused => {
                Fault::new(FaultCode::FtpUnreachable, format!("{doing}: connection refused")).with_hint(test)
            }
            _ => Fault::new(FaultCode::FtpUnreachable, format!("{doing}: {error}")).with_hint(test),
        },
        // A greeting that says 230 promises a login before TLS: it isn't taken (F21).
        other => control_fault(other, doing, place),
    }
}

/// Why there is no TLS after AUTH TLS. There is no going on in clear (F20).
pub(super) fn secure_fault(error: &FtpError, tls: &TlsContext, doing: &str, place: &Place) -> Fault {
    if let Some(cause) = tls.take_failure() {
        return tls_fault(&cause, doing, place);
    }
    match error {
        FtpError::UnexpectedResponse(response) => {
            let Some(reply) = Reply::parse(&response.body) else {
                return control_fault(error, doing, place);
            };
            if replies::meaning(&reply).ends_session() {
                return replies::fault(&reply, doing, false);
            }
            let words = format!("{doing}: the server has no TLS: it says \"{}\"", reply.for_people());
            Fault::new(FaultCode::FtpTls, words).with_reply(reply.code).with_hint(format!(
                "`tls = \"none\"` under [site.{}] sends everything in clear, the password too",
                place.site
            ))
        }
        other => control_fault(other, doing, place),
    }
}

#[cfg(test)]
mod tests {
    use super::super::scripted::Scripted;
    use super::*;

    #[tokio::test]
    async fn a_dead_address_does_not_hide_a_live_one() {
        let server = Scripted::start(|_| None).await;
        let dead = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let live = SocketAddr::new(dead.ip(), server.port);
        let signals = Arc::new(Signals::default());
        signals.set_wait(Duration::from_secs(20));
        let site = server.site();
        assert!(greeted(&site, &[dead, live], None, &signals).await.is_ok(), "F57");
        assert!(greeted(&site, &[dead, dead], None, &signals).await.is_err());
    }
}
