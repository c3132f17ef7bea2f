//! Opens TCP connections, straight or through a proxy, and wraps each stream that suppaftp makes: its
//! two hooks.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::net::sockopt;
use suppaftp::tokio::AsyncTlsConnector;
use suppaftp::{FtpError, FtpResult};
use tokio::net::TcpStream;

use super::proxy::{Refusal, Via};
use super::tls::TlsContext;
use super::wire::{Io, Signals, Wire};
use crate::model::FaultCode;

/// Ports below this belong to other services; a server that names one is wrong or wants us to talk
/// to somebody else's (F24).
const DATA_PORT_MIN: u16 = 1024;

/// How far a control connection has come, for those who wait for it.
#[derive(Debug, Default)]
pub(super) struct Progress {
    stands: AtomicBool,
    through: AtomicBool,
    refusal: Mutex<Option<Refusal>>,
}

impl Progress {
    /// TCP stands, to the server or to its proxy.
    pub(super) fn stands(&self) -> bool {
        self.stands.load(Ordering::Relaxed)
    }

    /// The way to the server stands: what is awaited now has deadlines of its own.
    pub(super) fn is_through(&self) -> bool {
        self.through.load(Ordering::Relaxed)
    }

    /// The attempt has failed.
    pub(super) fn end(&self) {
        self.stands.store(false, Ordering::Relaxed);
    }

    /// Why the proxy didn't let us through, once. suppaftp would make bare text of it.
    pub(super) fn take_refusal(&self) -> Option<Refusal> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// suppaftp hands every new stream to its TLS connector: the first is the control connection, the
/// others carry data. Ours makes [`Wire`]s of them, under TLS or not.
#[derive(Debug)]
pub(super) struct Dial {
    /// TLS from the first byte of each stream.
    tls: Option<Arc<TlsContext>>,
    /// Shared with the session that owns the control connection.
    signals: Arc<Signals>,
    control_made: AtomicBool,
    progress: Arc<Progress>,
    /// The proxy that the first stream leads to, and the port to ask it for.
    via: Option<(Arc<Via>, u16)>,
}

impl Dial {
    /// A hook whose first stream becomes the control connection.
    pub(super) fn new(
        tls: Option<Arc<TlsContext>>,
        signals: Arc<Signals>,
        progress: Arc<Progress>,
        via: Option<(Arc<Via>, u16)>,
    ) -> Self {
        Self { tls, signals, control_made: AtomicBool::new(false), progress, via }
    }

    /// What is to be done on the control connection before the server's own first byte.
    async fn prepare_control(&self, tcp: &mut TcpStream) -> FtpResult<()> {
        self.progress.stands.store(true, Ordering::Relaxed);
        let _ = tcp.set_nodelay(true);
        if let Some((via, port)) = &self.via
            && let Err(refusal) = via.tunnel(tcp, *port).await
        {
            let error = FtpError::SecureError(refusal.to_string());
            *self.progress.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
            return Err(error);
        }
        self.progress.through.store(true, Ordering::Relaxed);
        Ok(())
    }
}

#[async_trait::async_trait]
impl AsyncTlsConnector for Dial {
    type Stream = Wire;

    async fn connect(&self, _domain: &str, mut tcp: TcpStream) -> FtpResult<Wire> {
        keep_alive(&tcp);
        let is_control = !self.control_made.swap(true, Ordering::Relaxed);
        if is_control {
            self.prepare_control(&mut tcp).await?;
        }
        let io = match &self.tls {
            Some(tls) => {
                tls.handshake(tcp).await.map_err(|error| FtpError::SecureError(error.to_string()))?
            }
            None => Io::Plain(tcp),
        };
        Ok(if is_control { Wire::control(io, Arc::clone(&self.signals)) } else { Wire::data(io) })
    }
}

/// A control connection is silent for hours while a file passes, and a data connection while a server
/// fetches the file from a tape; firewalls forget them unless keep-alive packets go (RFC 9293, 3.8.4).
/// Failures don't matter: it is an optimisation.
fn keep_alive(tcp: &TcpStream) {
    let _ = sockopt::set_socket_keepalive(tcp, true);
    let _ = sockopt::set_tcp_keepidle(tcp, Duration::from_secs(60));
    let _ = sockopt::set_tcp_keepintvl(tcp, Duration::from_secs(15));
    let _ = sockopt::set_tcp_keepcnt(tcp, 4);
}

/// A data connection didn't come to stand; the control connection is as before.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub(super) struct NoData {
    why: String,
    /// The proxy is to blame, and not the port: no other port would do better.
    pub(super) proxy: Option<Refusal>,
}

fn no_data(kind: io::ErrorKind, why: String) -> FtpError {
    FtpError::ConnectionError(io::Error::new(kind, NoData { why, proxy: None }))
}

/// What a proxy's refusal of a data connection is to suppaftp.
fn no_data_through(refusal: Refusal) -> FtpError {
    let why = refusal.to_string();
    let proxy = (refusal.code == FaultCode::FtpProxy).then_some(refusal);
    FtpError::ConnectionError(io::Error::other(NoData { why, proxy }))
}

/// Opens a passive data connection within `wait`. `address` is that of the control connection's other
/// end with the port that the server names: so it is the same one of several addresses that a name
/// may have. Where that end is a proxy, it is asked for the port.
pub(super) fn open_data(
    address: SocketAddr,
    wait: Duration,
    via: Option<Arc<Via>>,
) -> Pin<Box<dyn Future<Output = FtpResult<TcpStream>> + Send + Sync>> {
    Box::pin(async move {
        let port = address.port();
        if port < DATA_PORT_MIN {
            let why = format!("the server names port {port}, which can't be for data");
            return Err(no_data(io::ErrorKind::AddrNotAvailable, why));
        }
        let connected = async {
            let Some(via) = &via else {
                let failed = |error: io::Error| no_data(error.kind(), format!("port {port}: {error}"));
                return TcpStream::connect(address).await.map_err(failed);
            };
            let proxy = SocketAddr::new(address.ip(), via.proxy.port);
            let failed = |error| no_data_through(via.broken(format!("can't be reached: {error}")));
            let mut tcp = TcpStream::connect(proxy).await.map_err(failed)?;
            via.tunnel(&mut tcp, port).await.map_err(no_data_through)?;
            Ok(tcp)
        };
        match (tokio::time::timeout(wait, connected).await, &via) {
            (Ok(outcome), _) => outcome,
            (Err(_), None) => Err(no_data(io::ErrorKind::TimedOut, format!("port {port} doesn't answer"))),
            (Err(_), Some(via)) => {
                let wait = wait.as_secs_f32();
                let why = format!("didn't get through to port {port} within {wait} s");
                Err(no_data_through(via.slow(why)))
            }
        }
    })
}
