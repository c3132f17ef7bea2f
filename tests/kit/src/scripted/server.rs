//! The listener, and what its sessions share.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;

use super::effects::{Effect, EffectLog};
use super::files::Files;
use super::line::{Cuttable, Line};
use super::plan::{Act, Plan, Progress};
use super::session::Session;
use super::tls::Identity;

/// The user that the server knows.
pub const USER: &str = "mirror";

/// The password; nothing but the server's log may ever hold it.
pub const PASSWORD: &str = crate::servers::PASSWORD;

/// What the sessions of one server share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) plan: Plan,
    progress: Mutex<Progress>,
    pub(super) files: Files,
    pub(super) log: EffectLog,
    pub(super) identity: Option<Identity>,
    pub(super) open: AtomicUsize,
    ended: AtomicBool,
}

impl Shared {
    /// What the rules say to a line; `None` where none fits.
    pub(super) fn acts(&self, line: &str) -> Option<Vec<Act>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).acts(&self.plan, line)
    }
}

/// A running server; it ends when this is dropped.
#[derive(Debug)]
pub struct Scripted {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Scripted {
    /// Starts a server on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port is free, or no certificate can be made.
    pub fn start(plan: Plan) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let identity = plan.tls.as_ref().map(|tls| Identity::make(tls.doubt)).transpose()?;
        let log = EffectLog::default();
        let shared = Arc::new(Shared {
            progress: Mutex::default(),
            files: Files::new(log.clone()),
            log,
            identity,
            open: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            plan,
        });
        let served = shared.clone();
        std::thread::spawn(move || accept(&listener, &served));
        Ok(Self { address, shared })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its files.
    pub fn files(&self) -> &Files {
        &self.shared.files
    }

    /// What was done to it.
    pub fn log(&self) -> &EffectLog {
        &self.shared.log
    }

    /// The authority that vouches for its certificate, PEM.
    pub fn authority(&self) -> Option<&str> {
        self.shared.identity.as_ref().map(|identity| identity.authority.as_str())
    }

    /// How many control connections are open.
    pub fn sessions(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the listener for the last time.
        let _ = TcpStream::connect(self.address);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let numbers = AtomicU32::new(0);
    for tcp in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(tcp) = tcp else { continue };
        let _ = tcp.set_nodelay(true);
        let number = numbers.fetch_add(1, Ordering::SeqCst) + 1;
        shared.log.add(Effect::Connected(number));
        let cut = shared.plan.cut_control.filter(|(session, _)| *session == number);
        let left = cut.map(|(_, bytes)| Arc::new(AtomicU64::new(bytes)));
        let line = Line::new(Cuttable::new(tcp, left));
        let shared = shared.clone();
        std::thread::spawn(move || {
            let others = shared.open.fetch_add(1, Ordering::SeqCst);
            // A client that goes in the middle of something is no fault of the server's.
            let _ = Session::new(number, line, shared.clone()).serve(others);
            shared.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}
