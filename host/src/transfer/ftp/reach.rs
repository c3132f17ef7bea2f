//! Reaching a site's server: its addresses, the first that greets, and why none does.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use suppaftp::FtpError;
use suppaftp::tokio::ImplAsyncFtpStream;
use tokio::time::Instant;

use super::dial::{Dial, Progress};
use super::place::Place;
use super::proxy::{Refusal, Via};
use super::replies::{self, Reply};
use super::session::{Control, control_fault};
use super::tls::{TlsContext, tls_fault};
use super::wire::{Late, Signals};
use crate::model::{Fault, FaultClass, FaultCode, Site};

/// How long an address has to answer before the next one is tried beside it (RFC 8305, 5).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// Most addresses of a name that are tried: with a moment for each, all of them within any sane deadline.
const ADDRESSES_MAX: usize = 8;

/// The addresses of the site's host, or of its proxy, in the order in which to try them.
pub(super) async fn resolve(
    site: &Site,
    via: Option<&Via>,
    deadline: Instant,
    doing: &str,
) -> Result<Vec<SocketAddr>, Fault> {
    let (host, port) = match via {
        Some(via) => (via.proxy.host.as_str(), via.proxy.port),
        None => (site.host.as_str(), site.port),
    };
    let lookup = tokio::net::lookup_host((host, port));
    let found = tokio::time::timeout_at(deadline, lookup).await.map_err(|_| {
        Fault::new(FaultCode::FtpTimeout, format!("{doing}: looking up `{host}` took too long"))
    })?;
    let unknown = |why: &str| match via {
        Some(via) => via.broken(format!("is unknown{why}")).fault(doing, &site.name),
        None => Fault::new(FaultCode::FtpUnknownHost, format!("{doing}: the host `{host}` is unknown{why}"))
            .with_hint(format!("check `url` under [site.{}] in the configuration", site.name)),
    };
    let all: Vec<_> = found.map_err(|error| unknown(&format!(" ({error})")))?.collect();
    let addresses = in_turns(&all);
    if addresses.is_empty() { Err(unknown("")) } else { Ok(addresses) }
}

/// The families in turn, beginning with the one that the resolver prefers (RFC 8305, 4).
fn in_turns(all: &[SocketAddr]) -> Vec<SocketAddr> {
    let first_is_v6 = all.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = all.iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for at in 0..first.len().max(second.len()) {
        for address in first.get(at).into_iter().chain(second.get(at)) {
            if !addresses.contains(address) {
                addresses.push(*address);
            }
        }
    }
    addresses.truncate(ADDRESSES_MAX);
    addresses
}

/// Why there is no greeting.
#[derive(Debug)]
pub(super) enum NoGreeting {
    Ftp(FtpError),
    /// The proxy didn't let us through.
    Proxy(Refusal),
}

/// A control connection with its greeting, from the first address that answers. A server behind a
/// dead address must not cost a whole deadline (F57), and two logins at once are rude: the next
/// address is tried when one fails, or has no TCP connection after a moment. By `deadline` the way has
/// to stand; TLS and the greeting have deadlines of their own.
pub(super) async fn greeted(
    site: &Site,
    addresses: &[SocketAddr],
    via: Option<&Arc<Via>>,
    tls: Option<&Arc<TlsContext>>,
    signals: &Arc<Signals>,
    deadline: Instant,
) -> Result<Control, NoGreeting> {
    let attempt = |address: SocketAddr, progress: Arc<Progress>| async move {
        let door = via.map(|via| (Arc::clone(via), site.port));
        let dial = Dial::new(tls.cloned(), Arc::clone(signals), Arc::clone(&progress), door);
        let mut greeting = pin!(ImplAsyncFtpStream::connect_secure_implicit(address, dial, &site.host));
        let outcome = match tokio::time::timeout_at(deadline, greeting.as_mut()).await {
            Ok(outcome) => outcome,
            Err(_) if progress.is_through() => greeting.await,
            Err(_) => Err(FtpError::ConnectionError(io::Error::from(io::ErrorKind::TimedOut))),
        };
        progress.end();
        outcome.map_err(|error| {
            let why = |error: &io::Error| match error.kind() {
                io::ErrorKind::TimedOut => {
                    let wait = site.limits.connect.as_secs_f32();
                    format!("doesn't answer within {wait} s")
                }
                _ => format!("can't be reached: {error}"),
            };
            let failed = match (progress.take_refusal(), via, &error) {
                (Some(refusal), ..) => NoGreeting::Proxy(refusal),
                (None, Some(via), FtpError::ConnectionError(error)) if !progress.is_through() => {
                    NoGreeting::Proxy(via.broken(why(error)))
                }
                _ => NoGreeting::Ftp(error),
            };
            (progress.is_through(), failed)
        })
    };
    let mut waiting = addresses.iter().copied();
    let mut trying = FuturesUnordered::new();
    let mut answering: Vec<Arc<Progress>> = Vec::new();
    let mut failure: Option<(bool, NoGreeting)> = None;
    loop {
        let somebody_answers = answering.iter().any(|progress| progress.stands());
        // The first is tried whatever the look-up took: its timer says that there is no time left.
        let in_time = answering.is_empty() || Instant::now() < deadline;
        if !somebody_answers
            && in_time
            && let Some(address) = waiting.next()
        {
            let progress = Arc::new(Progress::default());
            answering.push(Arc::clone(&progress));
            trying.push(attempt(address, progress));
        }
        tokio::select! {
            done = trying.next() => match done {
                Some(Ok(control)) => return Ok(control),
                // An address that answered knows best why it won't do.
                Some(Err(error)) if error.0 || failure.as_ref().is_none_or(|known| !known.0) => {
                    failure = Some(error);
                }
                Some(Err(_)) => {}
                None => {
                    return Err(failure.map_or(NoGreeting::Ftp(FtpError::BadResponse), |(_, error)| error));
                }
            },
            () = tokio::time::sleep(NEXT_ADDRESS_AFTER),
                if !somebody_answers && in_time && waiting.len() > 0 => {}
        }
    }
}

/// Why there is no greeting.
pub(super) fn connect_fault(
    error: &NoGreeting,
    site: &Site,
    tls: Option<&TlsContext>,
    doing: &str,
    place: &Place,
) -> Fault {
    let error = match error {
        NoGreeting::Proxy(refusal) => return refusal.fault(doing, &site.name),
        NoGreeting::Ftp(error) => error,
    };
    if let Some(cause) = tls.and_then(TlsContext::take_failure) {
        return tls_fault(&cause, doing, place);
    }
    let test = format!("`orchestrator site test {}` tries each stage", site.name);
    match error {
        FtpError::ConnectionError(error) => match error.kind() {
            io::ErrorKind::TimedOut => {
                // The control stream's own deadline is that of the greeting; TCP stood by then.
                let limits = &site.limits;
                let (awaited, wait) = match error.get_ref().is_some_and(|inner| inner.is::<Late>()) {
                    true => ("greeting", limits.greeting),
                    false => ("answer", limits.connect),
                };
                let wait = wait.as_secs_f32();
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
        let fault = tls_fault(&cause, doing, place);
        let inner = cause.get_ref().and_then(|inner| inner.downcast_ref());
        // After its 234 a server speaks TLS; one that says something in clear is in trouble (F19), or has
        // lost a race with our first words, as libunftp does under load.
        let in_clear = matches!(inner, Some(rustls::Error::InvalidMessage(_)));
        return if in_clear { fault.with_class(FaultClass::Transient) } else { fault };
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
    use tokio::net::{TcpListener, TcpSocket, TcpStream};

    use super::super::scripted::Scripted;
    use super::*;

    /// An address that neither answers nor refuses: its queue of connections is full, so the kernel
    /// drops whatever asks for another.
    struct Hole {
        listener: TcpListener,
        _queue: Vec<TcpStream>,
    }

    impl Hole {
        async fn dig() -> Self {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let listener = socket.listen(0).unwrap();
            let address = listener.local_addr().unwrap();
            let mut queue = Vec::new();
            while let Ok(tcp) =
                tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await
            {
                queue.push(tcp.unwrap());
                assert!(queue.len() < 10, "the queue of this kernel has no end");
            }
            Self { listener, _queue: queue }
        }

        fn address(&self) -> SocketAddr {
            self.listener.local_addr().unwrap()
        }
    }

    async fn try_all(
        server: &Scripted,
        addresses: &[SocketAddr],
        within: Duration,
    ) -> Result<Control, NoGreeting> {
        let signals = Arc::new(Signals::default());
        signals.set_wait(Duration::from_secs(20));
        let deadline = Instant::now() + within;
        greeted(&server.site(), addresses, None, None, &signals, deadline).await
    }

    #[tokio::test]
    async fn a_dead_address_does_not_hide_a_live_one() {
        let server = Scripted::start(|_| None).await;
        let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let live = SocketAddr::new(dead.ip(), server.port);
        let hole = Hole::dig().await;
        // Who waited for the dead ones to be given up would wait for an hour.
        let hour = Duration::from_secs(3600);
        for addresses in [vec![dead, live], vec![hole.address(), live], vec![hole.address(), dead, live]] {
            let patience = Duration::from_secs(60);
            let tried = tokio::time::timeout(patience, try_all(&server, &addresses, hour)).await;
            assert!(tried.expect("F57: still waiting").is_ok(), "F57: {addresses:?}");
        }
        assert!(try_all(&server, &[dead, dead], hour).await.is_err());
    }

    #[tokio::test]
    async fn no_address_is_begun_with_after_the_deadline() {
        let server = Scripted::start(|_| None).await;
        let hole = Hole::dig().await;
        let live = SocketAddr::new(hole.address().ip(), server.port);
        let tried = try_all(&server, &[hole.address(), live], NEXT_ADDRESS_AFTER / 3).await;
        let error = tried.map(drop).unwrap_err();
        let timed_out = |error: &NoGreeting| match error {
            NoGreeting::Ftp(FtpError::ConnectionError(error)) => error.kind() == io::ErrorKind::TimedOut,
            _ => false,
        };
        assert!(timed_out(&error), "{error:?}");
    }

    #[test]
    fn the_families_take_turns() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (six, seven) = (address("[2001:db8::6]:21"), address("[2001:db8::7]:21"));
        let (four, five) = (address("192.0.2.4:21"), address("192.0.2.5:21"));
        assert_eq!(in_turns(&[six, seven, four, five]), [six, four, seven, five]);
        assert_eq!(in_turns(&[four, five, six]), [four, six, five]);
        assert_eq!(in_turns(&[four, four]), [four]);
        let many: Vec<_> = (1..100).map(|port| SocketAddr::new(four.ip(), port)).collect();
        assert_eq!(in_turns(&many).len(), ADDRESSES_MAX);
    }
}
