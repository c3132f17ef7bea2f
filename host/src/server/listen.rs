//! The listener and its connections, until the process stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;
use tracing::{debug, warn};

use super::app::App;
use super::{router, tls};
use crate::clock::Clock;
use crate::config::Config;
use crate::model::{Fault, FaultCode};
use crate::node::{Serve, Service};

/// Connections at a time: each may have a buffer of 64 KiB. One more is told to come back.
const CONNECTIONS_MAX: usize = 512;

/// How long a client may take for the head of a request, or to say nothing between two.
const HEAD_WITHIN: Duration = Duration::from_secs(15);

/// How long the greetings of TLS may take.
const TLS_WITHIN: Duration = Duration::from_secs(10);

/// The most bytes of a request's head, and of a response that waits to be read.
const BUFFER_BYTES_MAX: usize = 64 << 10;

/// How long responses under way have once the process is ending.
const END_WITHIN: Duration = Duration::from_secs(4);

/// What a client is told that comes when all connections are taken. Under TLS it is only closed.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// What a [`Server`] is made from.
pub struct Options {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whom it asks.
    pub node: Arc<dyn Serve>,
    /// The configuration in force.
    pub config: watch::Receiver<Arc<Config>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// The address of a request's client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// The HTTP server: bound already, so that whoever starts it knows that it will be reached.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    config: watch::Receiver<Arc<Config>>,
    tls: Option<TlsAcceptor>,
    app: App,
}

impl Server {
    /// Binds the address.
    ///
    /// # Errors
    /// `config.invalid` where others than this machine would be let in without a token and TLS, or the
    /// certificate can't be read; the address is taken or isn't ours.
    pub async fn bind(options: Options) -> Result<Self, Fault> {
        let Options { listen, node, config, clock } = options;
        let settings = config.borrow().server.clone();
        settings.may_listen_at(listen).map_err(|why| Fault::new(FaultCode::ConfigInvalid, why))?;
        let tls = settings.tls.as_ref().map(|(chain, key)| tls::acceptor(chain, key)).transpose()?;
        let bound = async {
            let listener = TcpListener::bind(listen).await?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = bound.await.map_err(|error: std::io::Error| {
            Fault::local(format_args!("listen on {listen}"), &error).with_hint(
                "name another address with --listen or `listen` of [server]; port 0 takes a free one",
            )
        })?;
        let app = App::new(node, config.clone(), clock, address);
        Ok(Self { listener, address, config, tls, app })
    }

    /// Where it is reached.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/", self.address)
    }

    /// Takes connections until it is dropped.
    async fn accept(&mut self, connections: &mut JoinSet<()>) {
        let router = router::router(self.app.clone());
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Ok(()) = self.config.changed() => {
                    self.reload();
                    continue;
                }
                // Their results are nothing; but a set that is never asked keeps them.
                Some(_) = connections.join_next() => continue,
            };
            let Ok((stream, peer)) = accepted else {
                // Out of descriptors: some may be free a little later.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let Ok(place) = places.clone().try_acquire_owned() else {
                turn_away(stream, self.tls.is_some());
                continue;
            };
            let (router, tls, stop) = (router.clone(), self.tls.clone(), self.app.stopping());
            connections.spawn(async move {
                let _place = place;
                let _ = stream.set_nodelay(true);
                match tls {
                    None => serve(stream, peer, router, stop).await,
                    Some(tls) => match tokio::time::timeout(TLS_WITHIN, tls.accept(stream)).await {
                        Ok(Ok(stream)) => serve(stream, peer, router, stop).await,
                        Ok(Err(error)) => debug!(%peer, %error, "no TLS with a client"),
                        Err(_) => debug!(%peer, "a client took too long for TLS"),
                    },
                }
            });
        }
    }

    /// Takes over a renewed certificate. Whether there is TLS at all is settled at the start.
    fn reload(&mut self) {
        let settings = self.config.borrow_and_update().server.tls.clone();
        if let (Some((chain, key)), Some(acceptor)) = (settings, &mut self.tls) {
            match tls::acceptor(&chain, &key) {
                Ok(renewed) => *acceptor = renewed,
                Err(fault) => warn!(%fault, "the old certificate is shown on"),
            }
        }
    }
}

#[async_trait]
impl Service for Server {
    fn name(&self) -> &'static str {
        "http"
    }

    async fn run(mut self: Box<Self>, mut stop: watch::Receiver<bool>) -> Result<(), Fault> {
        let mut connections = JoinSet::new();
        tokio::select! {
            () = self.accept(&mut connections) => {}
            _ = stop.wait_for(|now| *now) => {}
        }
        self.app.stop();
        let Self { listener, .. } = *self;
        // Who comes now is refused by the system, and not left waiting.
        drop(listener);
        let ending = async { while connections.join_next().await.is_some() {} };
        // What isn't read by then is cut off with the set.
        let _ = tokio::time::timeout(END_WITHIN, ending).await;
        Ok(())
    }
}

/// Tells a client that there is no room, without waiting for it.
fn turn_away(mut stream: TcpStream, tls: bool) {
    if !tls {
        tokio::spawn(async move {
            // It fits the socket's buffer; a client that can't take it isn't waited for.
            let _ = tokio::time::timeout(Duration::from_secs(1), stream.write_all(FULL)).await;
        });
    }
}

async fn serve<S>(stream: S, peer: SocketAddr, router: Router, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        router.clone().oneshot(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let stopped = async move { drop(stop.wait_for(|now| *now).await) };
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stopped => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "a client went away");
    }
}
