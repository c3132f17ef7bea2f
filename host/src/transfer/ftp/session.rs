//! One logged-in control connection: its state, and the one way to send a command.
//!
//! A session is idle, has a data connection open, or is *poisoned*. It is poisoned while a command
//! is under way, so that a caller who gives up in the middle leaves it so; only a complete answer
//! that the command may have makes it idle again. A poisoned session has closed its sockets.
//!
//! ```text
//!            answer                     end of data, final reply
//!   Idle ───command──▶ (Poisoned) ──▶ Idle ──RETR/STOR──▶ Moving ──finish──▶ Idle
//!     ╰── late, cut off, or out of step ──▶ Poisoned ◀──────╯
//! ```

use std::io;
use std::sync::Arc;
use std::time::Duration;

use suppaftp::tokio::ImplAsyncFtpStream;
use suppaftp::{FtpError, FtpResult};

use super::encoding;
use super::learned::Learned;
use super::list::Zone;
use super::place::Place;
use super::replies::{self, Meaning, Reply};
use super::tls::{TlsContext, tls_fault, wants_certificate};
use super::transfer::Moving;
use super::wire::{Malformed, Signals, Unasked, Wire};
use crate::clock::Clock;
use crate::crash;
use crate::model::{DataMode, Fault, FaultCode, HashAlgorithm, RemotePath, SiteLimits};
use crate::transfer::Features;
use crate::transfer::throttle::Bucket;

/// suppaftp over our own streams.
pub(super) type Control = ImplAsyncFtpStream<Wire>;

/// What a session is doing.
pub(super) enum State {
    /// Ready for a command.
    Idle,
    /// A transfer is under way.
    Moving(Box<Moving>),
    /// Never to be used again; or a command is under way.
    Poisoned,
}

/// A logged-in session.
pub(super) struct Session {
    /// Gone once poisoned: dropping it closes the socket.
    pub(super) control: Option<Control>,
    pub(super) state: State,
    pub(super) signals: Arc<Signals>,
    pub(super) tls: Option<Arc<TlsContext>>,
    pub(super) learned: Arc<Learned>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) place: Place,
    pub(super) limits: SiteLimits,
    pub(super) mode: DataMode,
    pub(super) features: Features,
    /// How this server sets modification times.
    pub(super) set_mtime: super::features::SetMtime,
    /// What HASH computes, where we chose it.
    pub(super) hash_chosen: Option<HashAlgorithm>,
    /// SITE CHMOD was refused as unknown.
    pub(super) no_chmod: bool,
    /// The zone of LIST's times, where the site names one.
    pub(super) list_zone: Option<Zone>,
    /// The limit on commands per second that all sessions of the site share.
    pub(super) commands: Option<Arc<Bucket>>,
    /// The site's root as an absolute path of the server, without a trailing slash.
    pub(super) base: String,
}

impl Session {
    /// A path as the server knows it.
    pub(super) fn absolute(&self, path: &RemotePath) -> String {
        match (self.base.is_empty(), path.is_root()) {
            (true, true) => "/".to_owned(),
            (false, true) => self.base.clone(),
            (_, false) => format!("{}/{}", self.base, path.as_str()),
        }
    }

    /// `doing` with the path and the site: the start of every message.
    pub(super) fn saying(&self, doing: &str, path: &RemotePath) -> String {
        format!("{doing} `{path}` on {}", self.place)
    }

    /// No further data connection can resume the TLS session, and a new session will do better.
    pub(super) fn has_no_ticket(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_spent()) && !self.learned.tls13_only.is_set()
    }

    /// A new session will do better: this one has TLS 1.3 with a server that is better met with 1.2.
    pub(super) fn is_spent(&self) -> bool {
        self.has_no_ticket()
            || self.learned.tls12.is_set()
                && !self.learned.tls13_only.is_set()
                && self.tls.as_ref().is_some_and(|tls| tls.is_tls13())
    }

    /// Remembers for the site that its server refuses data connections that don't resume the TLS
    /// session, where a reply says so: 522, or ProFTPD's 425 (F15).
    pub(super) fn blame_tls13(&self, reply: &Reply) {
        let is_tls13 = self.tls.as_ref().is_some_and(|tls| tls.is_tls13());
        if is_tls13 && replies::wants_resumption(reply) {
            self.learned.tls12.set();
        }
    }

    /// Closes both connections; the session answers nothing any more.
    pub(super) fn poison(&mut self) {
        self.state = State::Poisoned;
        self.control = None;
    }

    /// Takes the session out of `Idle` for one command.
    pub(super) fn take_turn(&mut self, doing: &str) -> Result<(), Fault> {
        match std::mem::replace(&mut self.state, State::Poisoned) {
            State::Idle => Ok(()),
            State::Moving(moving) => {
                self.state = State::Moving(moving);
                Err(Fault::new(
                    FaultCode::HostBug,
                    format!("{doing}: a transfer is under way on this session"),
                ))
            }
            State::Poisoned => {
                self.control = None;
                Err(Fault::new(FaultCode::FtpConnectionLost, format!("{doing}: the session is closed")))
            }
        }
    }

    /// Refuses a command that can't be written as the server wants, before anything is sent.
    pub(super) fn check_letters(&self, command: &str, doing: &str) -> Result<(), Fault> {
        let Some(why) = encoding::refusal(self.signals.encoding(), command) else {
            return Ok(());
        };
        Err(Fault::new(FaultCode::FtpBadName, format!("{doing}: {why}"))
            .with_hint(format!("see `encoding` under [site.{}]", self.place.site)))
    }

    /// Waits until so many commands may be sent. Nothing is under way meanwhile, and no deadline runs.
    pub(super) async fn await_turn(&self, commands: u64) {
        if let Some(bucket) = &self.commands {
            bucket.turn(commands, &*self.clock).await;
        }
    }

    /// Sends one command and reads its answer, whatever that says. Fails, and poisons, only when no
    /// proper answer came in time.
    pub(super) async fn ask(&mut self, command: &str, doing: &str, wait: Duration) -> Result<Reply, Fault> {
        self.check_letters(command, doing)?;
        self.await_turn(1).await;
        self.take_turn(doing)?;
        self.signals.set_wait(wait);
        let answer = match &mut self.control {
            // No code is expected, so each comes back whole, as a refusal.
            Some(control) => control.custom_command(command, &[]).await.map(|_| ()),
            None => Err(FtpError::BadResponse),
        };
        match reply_of(answer) {
            Ok(reply) => {
                if replies::meaning(&reply).ends_session() && !(200..400).contains(&reply.code) {
                    self.poison();
                } else {
                    self.state = State::Idle;
                }
                Ok(reply)
            }
            Err(error) => {
                self.poison();
                Err(control_fault(&error, doing, &self.place))
            }
        }
    }

    /// [`Session::ask`] for a command that changes something on the server.
    pub(super) async fn change(&mut self, command: &str, doing: &str) -> Result<Reply, Fault> {
        crash::point("ftp.command");
        let reply = self.ask(command, doing, self.limits.reply).await;
        crash::point("ftp.reply");
        reply
    }

    /// The fault of a reply that isn't the hoped-for one. A code that no command may answer with
    /// means that the two sides are out of step: the session is poisoned.
    pub(super) fn refused(&mut self, reply: &Reply, doing: &str) -> Fault {
        if replies::meaning(reply) == Meaning::OutOfStep {
            self.poison();
        }
        replies::fault(reply, doing, false)
    }
}

/// The reply in what suppaftp gives back, or the error without one.
pub(super) fn reply_of(answer: FtpResult<()>) -> Result<Reply, FtpError> {
    match answer {
        Err(FtpError::UnexpectedResponse(response)) => {
            Reply::parse(&response.body).ok_or(FtpError::BadResponse)
        }
        Err(error) => Err(error),
        Ok(()) => Err(FtpError::BadResponse),
    }
}

/// The fault of a control connection on which no proper reply came.
pub(super) fn control_fault(error: &FtpError, doing: &str, place: &Place) -> Fault {
    match error {
        FtpError::ConnectionError(error) => {
            let inner = error.get_ref();
            if let Some(Unasked(text)) = inner.and_then(|inner| inner.downcast_ref()) {
                return unasked_fault(text, doing);
            }
            // Under TLS 1.3 a server tells only after the handshake that it refuses our certificate.
            if let Some(rustls::Error::AlertReceived(alert)) = inner.and_then(|inner| inner.downcast_ref())
                && wants_certificate(*alert)
            {
                return tls_fault(error, doing, place);
            }
            let code = match error.kind() {
                _ if inner.is_some_and(|inner| inner.is::<Malformed>()) => FaultCode::FtpProtocol,
                io::ErrorKind::TimedOut => FaultCode::FtpTimeout,
                io::ErrorKind::InvalidInput => FaultCode::FtpBadName,
                _ => FaultCode::FtpConnectionLost,
            };
            let words = match error.kind() {
                io::ErrorKind::UnexpectedEof => "the server closed the control connection".to_owned(),
                _ => error.to_string(),
            };
            Fault::new(code, format!("{doing}: {words}"))
        }
        FtpError::SecureError(words) => Fault::new(FaultCode::FtpTls, format!("{doing}: {words}")),
        FtpError::UnexpectedResponse(response) => match Reply::parse(&response.body) {
            Some(reply) => replies::fault(&reply, doing, false),
            None => Fault::new(FaultCode::FtpProtocol, format!("{doing}: the answer isn't an FTP reply")),
        },
        FtpError::BadResponse | FtpError::InvalidAddress(_) => {
            Fault::new(FaultCode::FtpProtocol, format!("{doing}: the answer isn't an FTP reply"))
        }
        FtpError::DataConnectionAlreadyOpen => {
            Fault::new(FaultCode::HostBug, format!("{doing}: a data connection is open already"))
        }
    }
}

/// Between commands a server says goodbye with a 421; anything else puts the two sides out of step.
fn unasked_fault(text: &str, doing: &str) -> Fault {
    match Reply::parse(text.as_bytes()) {
        Some(reply) if reply.code == 421 => replies::fault(&reply, doing, false),
        _ => {
            let shown: String = text.chars().take(200).collect();
            let words = format!("{doing}: the server sent \"{}\" unasked", shown.escape_debug());
            Fault::new(FaultCode::FtpProtocol, words)
        }
    }
}
