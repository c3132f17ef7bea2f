//! Opens TCP connections, and wraps each stream that suppaftp makes: its two hooks.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::net::sockopt;
use suppaftp::tokio::AsyncTlsConnector;
use suppaftp::{FtpError, FtpResult};
use tokio::net::TcpStream;

use super::tls::TlsContext;
use super::wire::{Io, Signals, Wire};

/// Ports below this belong to other services; a server that names one is wrong or wants us to talk
/// to somebody else's (F24).
const DATA_PORT_MIN: u16 = 1024;

/// suppaftp hands every new stream to its TLS connector: the first is the control connection, the
/// others carry data. Ours makes [`Wire`]s of them, under TLS or not.
#[derive(Debug)]
pub(super) struct Dial {
    /// TLS from the first byte of each stream.
    tls: Option<Arc<TlsContext>>,
    /// Shared with the session that owns the control connection.
    signals: Arc<Signals>,
    control_made: AtomicBool,
    /// Set once the control connection's TCP stands.
    connected: Arc<AtomicBool>,
}

impl Dial {
    /// A hook whose first stream becomes the control connection; `connected` is false until then.
    pub(super) fn new(
        tls: Option<Arc<TlsContext>>,
        signals: Arc<Signals>,
        connected: Arc<AtomicBool>,
    ) -> Self {
        Self { tls, signals, control_made: AtomicBool::new(false), connected }
    }
}

#[async_trait::async_trait]
impl AsyncTlsConnector for Dial {
    type Stream = Wire;

    async fn connect(&self, _domain: &str, tcp: TcpStream) -> FtpResult<Wire> {
        let is_control = !self.control_made.swap(true, Ordering::Relaxed);
        if is_control {
            self.connected.store(true, Ordering::Relaxed);
            prepare_control(&tcp);
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

/// A control connection is silent for hours while a file passes; firewalls forget it unless
/// keep-alive packets go. Failures don't matter: it is an optimisation.
fn prepare_control(tcp: &TcpStream) {
    let _ = tcp.set_nodelay(true);
    keep_alive(tcp);
}

fn keep_alive(tcp: &TcpStream) {
    let _ = sockopt::set_socket_keepalive(tcp, true);
    let _ = sockopt::set_tcp_keepidle(tcp, Duration::from_secs(60));
    let _ = sockopt::set_tcp_keepintvl(tcp, Duration::from_secs(15));
    let _ = sockopt::set_tcp_keepcnt(tcp, 4);
}

/// A data connection didn't come to stand; the control connection is as before.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoData(String);

fn no_data(kind: io::ErrorKind, why: String) -> FtpError {
    FtpError::ConnectionError(io::Error::new(kind, NoData(why)))
}

/// Opens a passive data connection within `wait`.
pub(super) fn open_data(
    address: SocketAddr,
    wait: Duration,
) -> Pin<Box<dyn Future<Output = FtpResult<TcpStream>> + Send + Sync>> {
    Box::pin(async move {
        let port = address.port();
        if port < DATA_PORT_MIN {
            let why = format!("the server names port {port}, which can't be for data");
            return Err(no_data(io::ErrorKind::AddrNotAvailable, why));
        }
        let tcp = match tokio::time::timeout(wait, TcpStream::connect(address)).await {
            Ok(connected) => {
                connected.map_err(|error| no_data(error.kind(), format!("port {port}: {error}")))?
            }
            Err(_) => return Err(no_data(io::ErrorKind::TimedOut, format!("port {port} doesn't answer"))),
        };
        keep_alive(&tcp);
        Ok(tcp)
    })
}
