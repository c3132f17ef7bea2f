//! The embedded server, inside the test's own process, with its effect log.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use orchestrator_host::ftpd::effects::{self, Effect};
use orchestrator_host::ftpd::{Handle, Options, Server, Tls};
use testkit::servers::PASSWORD;
use testkit::witness::Seen;

/// A server that ends with this.
pub struct Embedded {
    options: Options,
    running: Option<Running>,
    folder: tempfile::TempDir,
}

struct Running {
    runtime: tokio::runtime::Runtime,
    handle: Handle,
}

impl Running {
    fn start(options: &Options) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let handle = runtime.block_on(Server::start(options.clone())).unwrap();
        Self { runtime, handle }
    }
}

impl Embedded {
    /// Starts a server with an empty folder.
    pub fn start(tls: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("root")).unwrap();
        let mut options = Options {
            root: folder.path().join("root"),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            user: "mirror".into(),
            password: PASSWORD.into(),
            tls: tls.then(|| Tls::SelfSigned {
                names: vec!["127.0.0.1".into(), "localhost".into()],
                certificate_file: folder.path().join("server.pem"),
            }),
            passive_ports: None,
            effect_log: Some(folder.path().join("effects.jsonl")),
        };
        let running = Running::start(&options);
        options.listen = running.handle.address();
        Self { options, running: Some(running), folder }
    }

    /// Tears all connections and answers none, as a machine that lost its power.
    pub fn vanish(&mut self) {
        if let Some(Running { runtime, handle }) = self.running.take() {
            drop(handle);
            runtime.shutdown_background();
        }
    }

    /// Comes back at the same address, with the same files.
    pub fn come_back(&mut self) {
        self.running = Some(Running::start(&self.options));
    }

    /// The served folder.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.options.listen
    }

    /// The `[site.NAME]` table of a configuration file for this server.
    pub fn site(&self, name: &str) -> String {
        let certificate = self.folder.path().join("server.pem");
        let tls = match self.options.tls.is_some() {
            true => format!("tls = \"explicit\"\nca_file = \"{}\"\n", certificate.display()),
            false => "tls = \"none\"\n".to_owned(),
        };
        let address = self.address();
        format!(
            "[site.{name}]\nurl = \"ftp://mirror@{address}/\"\npassword = {{ env = \"SITE_PASSWORD\" }}\n{tls}"
        )
    }

    /// All that clients did, in order.
    pub fn effects(&self) -> Vec<Effect> {
        effects::read(&self.folder.path().join("effects.jsonl")).unwrap()
    }

    /// The renames and removals below the folder that were done, by their paths inside it.
    pub fn seen(&self, folder: &str) -> Vec<Seen> {
        let inside =
            |path: &str| Path::new(path).strip_prefix(Path::new("/").join(folder)).map(Path::to_owned);
        let seen = self.effects().into_iter().filter_map(|effect| match effect {
            Effect::Rename { path, to, ok: true } => {
                Some(Seen::Renamed(inside(&path).ok()?, inside(&to).ok()?))
            }
            Effect::Delete { path, ok: true } => Some(Seen::Removed(inside(&path).ok()?)),
            _ => None,
        });
        seen.collect()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Some(Running { runtime, handle }) = self.running.take() {
            let _ = runtime.block_on(async {
                tokio::time::timeout(std::time::Duration::from_secs(1), handle.stop()).await
            });
        }
    }
}
