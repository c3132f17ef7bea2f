//! Starting and stopping the server.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use libunftp::ServerBuilder;
use libunftp::options::FtpsRequired;
use rustls::ServerConfig;
use secrecy::SecretString;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::certificate::{self, Tls};
use super::effects::EffectLog;
use super::login::OneUser;
use super::storage::Folder;

/// Control connections served at a time; one more is closed at once. Each may hold a listening
/// port and a file, so this stays well below the usual limit of 1,024 descriptors.
const CONNECTIONS_MAX: usize = 256;

/// How long [`Handle::stop`] lets transfers under way come to their end.
const GRACE: Duration = Duration::from_secs(5);

/// A silent control connection is closed after this time.
const IDLE_TIMEOUT_SECONDS: u64 = 600;

/// What is served, to whom and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// The served folder, which must exist. Nothing outside it is reached, not by symlinks either.
    pub root: PathBuf,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The one user.
    pub user: String,
    /// The user's password.
    pub password: SecretString,
    /// Explicit TLS; then nothing goes in clear. Plain FTP without.
    pub tls: Option<Tls>,
    /// Where data connections are accepted; `None` leaves the choice to the library (49152–65535).
    pub passive_ports: Option<RangeInclusive<u16>>,
    /// The file that effects are appended to.
    pub effect_log: Option<PathBuf>,
}

/// Why the server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken or isn't ours.
    #[error("listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file or folder could not be used.
    #[error("{what} {}", path.display())]
    File {
        /// What was to be done with it.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The certificate could not be made, read or used.
    #[error("use the certificate")]
    Certificate {
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The embedded server; see the [module](super).
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Starts to serve; returns once connections are accepted.
    ///
    /// # Errors
    /// When the root, the certificate or the effect log can't be used, or the address is taken.
    pub async fn start(options: Options) -> Result<Handle, Error> {
        let tls = options.tls.as_ref().map(certificate::configuration).transpose()?;
        let effects = match &options.effect_log {
            None => EffectLog::default(),
            Some(path) => EffectLog::append_to(path).map_err(|source| Error::File {
                what: "open the effect log",
                path: path.clone(),
                source,
            })?,
        };
        let (transfers, under_way) = watch::channel(0);
        let folder = Folder::open(&options.root, effects, transfers).map_err(|source| Error::File {
            what: "serve the folder",
            path: options.root.clone(),
            source,
        })?;

        let address = options.listen;
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| Error::Listen { address, source })?;
        let address = listener.local_addr().map_err(|source| Error::Listen { address, source })?;
        let (stop, stopped) = watch::channel(false);
        let login = Arc::new(OneUser { user: options.user, password: options.password });
        let service = Service { login, folder, tls, passive_ports: options.passive_ports };
        let accepting = tokio::spawn(accept(listener, Arc::new(service), stopped));
        Ok(Handle { address, accepting, stop, under_way })
    }
}

/// A server that runs. Dropping the handle stops it at once.
#[derive(Debug)]
pub struct Handle {
    address: SocketAddr,
    accepting: JoinHandle<()>,
    stop: watch::Sender<bool>,
    under_way: watch::Receiver<usize>,
}

impl Handle {
    /// The address that it listens on, with the port that was taken.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections, closes those that are idle, and waits up to five seconds for
    /// transfers under way.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let _ = (&mut self.accepting).await;
        let _ = tokio::time::timeout(GRACE, self.under_way.wait_for(|count| *count == 0)).await;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What each connection is served with.
struct Service {
    login: Arc<OneUser>,
    folder: Folder,
    tls: Option<Arc<ServerConfig>>,
    passive_ports: Option<RangeInclusive<u16>>,
}

impl Service {
    /// Serves one control connection to its end. libunftp gets a server for each, since only when
    /// we listen ourselves do we know the port.
    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let folder = self.folder.clone();
        let login = Arc::clone(&self.login);
        let mut builder = ServerBuilder::with_authenticator(Box::new(move || folder.clone()), login)
            .greeting("orchestrator ftpd")
            .idle_session_timeout(IDLE_TIMEOUT_SECONDS);
        if let Some(ports) = &self.passive_ports {
            builder = builder.passive_ports(ports.clone());
        }
        if let Some(tls) = &self.tls {
            builder = builder
                .ftps_manual::<PathBuf>(Arc::clone(tls))
                .ftps_required(FtpsRequired::All, FtpsRequired::All);
        }
        let served = match builder.build() {
            Ok(server) => server.service(stream).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = served {
            tracing::debug!(error, "a control connection ended early");
        }
    }
}

/// Accepts connections until it is told to stop; what it serves ends with it.
async fn accept(listener: TcpListener, service: Arc<Service>, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopped.changed() => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() < CONNECTIONS_MAX => {
                    connections.spawn(Arc::clone(&service).serve(stream));
                }
                Ok((_, peer)) => tracing::warn!(%peer, "too many connections; one more was closed"),
                Err(error) => {
                    // Most often no descriptor is left: give connections time to end.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
}
