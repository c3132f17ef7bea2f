//! From a site to a logged-in session.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{FuturesUnordered, StreamExt};
use secrecy::SecretString;
use suppaftp::tokio::ImplAsyncFtpStream;
use suppaftp::{FtpError, Utf8Encoding};

use super::dial::{Dial, open_data};
use super::features::{self, SetMtime};
use super::learned::{Learned, Notes};
use super::place::Place;
use super::replies::{self, Meaning, Reply};
use super::secret::{self, PasswordLine, STAND_IN};
use super::session::{Control, Session, State, control_fault};
use super::tls::{TlsContext, tls_fault};
use super::trust::Trust;
use super::wire::Signals;
use crate::clock::Clock;
use crate::model::{Fault, FaultCode, Site, TlsMode};
use crate::transfer::{Connect, Features, Remote};

/// The conventional password of `anonymous` (RFC 1635).
const ANONYMOUS_PASSWORD: &str = "anonymous@";

/// How long an address has to answer before the next one is tried beside it (RFC 8305, 5).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// Most addresses of a name that are tried.
const ADDRESSES_MAX: usize = 8;

/// Makes FTP sessions, and remembers what servers taught it about themselves.
#[derive(Debug)]
pub struct FtpConnector {
    clock: Arc<dyn Clock>,
    notes: Notes,
    trust: Trust,
}

impl FtpConnector {
    /// A connector that has met no server yet. The clock dates the lines of LIST, which have no year.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, notes: Notes::default(), trust: Trust::default() }
    }
}

#[async_trait]
impl Connect for FtpConnector {
    async fn connect(&self, site: &Site) -> Result<Box<dyn Remote>, Fault> {
        let learned = self.notes.of(site);
        let password = match &site.password {
            Some(reference) => secret::read(reference, &site.name).await?,
            None => SecretString::from(ANONYMOUS_PASSWORD),
        };
        let session = match self.open(site, &learned, &password).await {
            // Not one data connection could resume: go down to TLS 1.2 before the first is refused.
            Ok(mut session) if session.is_spent() => {
                learned.tls12.set();
                session.close().await;
                self.open(site, &learned, &password).await
            }
            opened => opened,
        };
        let session = match session {
            Err(fault) if fault.code == FaultCode::FtpTls && learned.tls12.is_set() => {
                // The server has TLS 1.3 only: then its tickets must do.
                learned.tls13_only.set();
                self.open(site, &learned, &password).await
            }
            opened => opened,
        };
        Ok(Box::new(session?))
    }
}

impl FtpConnector {
    /// One control connection, from its address to the site's root.
    async fn open(
        &self,
        site: &Site,
        learned: &Arc<Learned>,
        password: &SecretString,
    ) -> Result<Session, Fault> {
        let place = Place::of(site);
        let doing = format!("connect to {place}");
        let signals = Arc::new(Signals::default());
        signals.set_wait(site.limits.connect);
        let tls = match site.tls.mode {
            TlsMode::None => None,
            TlsMode::Explicit | TlsMode::Implicit => {
                let tls12 = learned.tls12.is_set() && !learned.tls13_only.is_set();
                Some(Arc::new(TlsContext::new(site, &self.trust, tls12)?))
            }
        };
        let from_start = tls.clone().filter(|_| site.tls.mode == TlsMode::Implicit);
        let addresses = resolve(site, &doing).await?;
        let control = greeted(site, &addresses, from_start.as_ref(), &signals)
            .await
            .map_err(|error| connect_fault(&error, site, tls.as_deref(), &doing, &place))?;
        let wait = site.limits.connect;
        let mut control = control
            .passive_stream_builder(move |address| open_data(address, wait))
            .active_mode(site.limits.connect);
        // The address in a PASV reply is never used, only its port (F23).
        control.set_passive_nat_workaround(true);
        if let (TlsMode::Explicit, Some(context)) = (site.tls.mode, &tls) {
            let dial = Dial::new(Some(Arc::clone(context)), Arc::clone(&signals));
            signals.set_wait(site.limits.reply);
            control = control
                .into_secure(dial, &site.host)
                .await
                .map_err(|error| secure_fault(&error, context, &doing, &place))?;
        }
        let mut session = Session {
            control: Some(control),
            state: State::Idle,
            signals,
            tls,
            learned: Arc::clone(learned),
            clock: Arc::clone(&self.clock),
            place,
            limits: site.limits.clone(),
            mode: site.mode,
            features: Features::default(),
            set_mtime: SetMtime::Mdtm,
            hash_chosen: None,
            base: String::new(),
        };
        session.log_in(site, password).await?;
        session.prepare().await?;
        session.find_root(&site.root).await?;
        Ok(session)
    }
}

/// The addresses of the site's host, in the order in which to try them.
async fn resolve(site: &Site, doing: &str) -> Result<Vec<SocketAddr>, Fault> {
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
async fn greeted(
    site: &Site,
    addresses: &[SocketAddr],
    tls: Option<&Arc<TlsContext>>,
    signals: &Arc<Signals>,
) -> Result<Control, FtpError> {
    let attempt = |address: SocketAddr| {
        let dial = Dial::new(tls.cloned(), Arc::clone(signals));
        let connected = Arc::clone(&dial.connected);
        let host = site.host.clone();
        let future = async move { ImplAsyncFtpStream::connect_secure_implicit(address, dial, &host).await };
        (future, connected)
    };
    let race = async {
        let mut waiting = addresses.iter().copied();
        let mut trying = FuturesUnordered::new();
        let mut started = Vec::new();
        let mut failure = None;
        loop {
            let someone_answers =
                started.iter().any(|flag: &Arc<std::sync::atomic::AtomicBool>| flag.load(Ordering::Relaxed));
            if !someone_answers && let Some(address) = waiting.next() {
                let (future, connected) = attempt(address);
                trying.push(future);
                started.push(connected);
            }
            tokio::select! {
                done = trying.next() => match done {
                    Some(Ok(control)) => return Ok(control),
                    Some(Err(error)) => {
                        failure = Some(error);
                        started.clear();
                    }
                    None => return Err(failure.unwrap_or(FtpError::BadResponse)),
                },
                () = tokio::time::sleep(NEXT_ADDRESS_AFTER), if !someone_answers && waiting.len() > 0 => {}
            }
        }
    };
    // TCP, TLS and the greeting: each within the deadline, all of them within two.
    match tokio::time::timeout(site.limits.connect * 2, race).await {
        Ok(outcome) => outcome,
        Err(_) => Err(FtpError::ConnectionError(io::Error::from(io::ErrorKind::TimedOut))),
    }
}

/// Why there is no greeting.
fn connect_fault(
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
                let wait = site.limits.connect.as_secs_f32();
                Fault::new(FaultCode::FtpTimeout, format!("{doing}: no greeting within {wait} s"))
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
fn secure_fault(error: &FtpError, tls: &TlsContext, doing: &str, place: &Place) -> Fault {
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

impl Session {
    async fn log_in(&mut self, site: &Site, password: &SecretString) -> Result<(), Fault> {
        let doing = format!("log in to {} as `{}`", self.place, site.user.escape_debug());
        if site.user.chars().any(char::is_control) {
            return Err(Fault::new(
                FaultCode::ConfigInvalid,
                format!("{doing}: the name has a control character"),
            ));
        }
        if site.tls.mode == TlsMode::Implicit {
            // suppaftp does this only after AUTH TLS. A server that can't may still protect its data
            // connections; if not, their handshakes fail.
            for command in ["PBSZ 0", "PROT P"] {
                let reply = self.ask(command, &doing, self.limits.reply).await?;
                if !reply.is_completion() && replies::meaning(&reply) != Meaning::Unsupported {
                    return Err(self.refused(&reply, &doing));
                }
            }
        }
        let mut reply = self.ask(&format!("USER {}", site.user), &doing, self.limits.reply).await?;
        if reply.code == 331 {
            if let Some(control) = &mut self.control {
                control.set_encoding(PasswordLine(password.clone())).await;
            }
            reply = self.ask(&format!("PASS {STAND_IN}"), &doing, self.limits.reply).await?;
            if let Some(control) = &mut self.control {
                control.set_encoding(Utf8Encoding).await;
            }
        }
        if matches!(reply.code, 230 | 202 | 232) {
            return Ok(());
        }
        let fault = replies::fault(&reply, &doing, false);
        self.poison();
        Err(match replies::meaning(&reply) {
            Meaning::Login | Meaning::Refused | Meaning::Denied | Meaning::OutOfStep => {
                let wants_account = reply.code == 332;
                let fault = Fault { code: FaultCode::FtpLogin, class: FaultCode::FtpLogin.class(), ..fault };
                fault.with_hint(if wants_account {
                    "the server wants an account (ACCT) beside the password, which isn't supported".to_owned()
                } else if site.tls.mode == TlsMode::None && mentions_tls(&reply) {
                    format!("the server wants TLS: `tls = \"explicit\"` under [site.{}]", site.name)
                } else {
                    format!("check the user in `url` and `password` under [site.{}]", site.name)
                })
            }
            _ => fault,
        })
    }

    /// Binary for good, and what the server can do.
    async fn prepare(&mut self) -> Result<(), Fault> {
        let doing = format!("prepare the session with {}", self.place);
        let wait = self.limits.reply;
        let reply = self.ask("FEAT", &doing, wait).await?;
        let tls = self.tls.is_some();
        (self.features, self.set_mtime) = match reply.code {
            211 => features::parse(&reply.text, tls),
            _ => features::unannounced(tls),
        };
        self.features.set_mtime &= !self.learned.no_set_mtime.is_set();
        if self.features.utf8 {
            // A server that has it on already may refuse the command.
            self.ask("OPTS UTF8 ON", &doing, wait).await?;
        }
        let reply = self.ask("TYPE I", &doing, wait).await?;
        if reply.is_completion() { Ok(()) } else { Err(self.refused(&reply, &doing)) }
    }

    /// Where the site's root is on the server (RFC 1738, 3.2.2): the folder of the login and the path
    /// of the URL from there, or the absolute path where the server has no such folder.
    async fn find_root(&mut self, root: &str) -> Result<(), Fault> {
        let doing = format!("find the root of {}", self.place);
        if root.chars().any(char::is_control) {
            return Err(Fault::new(FaultCode::ConfigInvalid, format!("{doing}: it has a control character")));
        }
        if !root.is_empty() {
            let mut refused = self.enter(root, &doing).await?;
            if refused.is_some() && !root.starts_with('/') {
                refused = self.enter(&format!("/{root}"), &doing).await?;
            }
            if let Some(reply) = refused {
                let fault = replies::fault(&reply, &format!("{doing}, `{root}`"), false);
                return Err(Fault { code: FaultCode::FtpNotFound, ..fault }
                    .with_hint(format!("check the path in `url` under [site.{}]", self.place.site)));
            }
        }
        let reply = self.ask("PWD", &doing, self.limits.reply).await?;
        let told = if reply.code == 257 { quoted(reply.words()) } else { None };
        let path = told.unwrap_or_else(|| format!("/{}", root.trim_start_matches('/')));
        if path.chars().any(char::is_control) {
            return Err(Fault::new(
                FaultCode::FtpProtocol,
                format!("{doing}: its path has a control character"),
            ));
        }
        self.base = path.trim_end_matches('/').to_owned();
        Ok(())
    }
}

fn mentions_tls(reply: &Reply) -> bool {
    let text = reply.text.to_lowercase();
    ["tls", "ssl", "encrypt", "secure"].iter().any(|word| text.contains(word))
}

/// The path in a reply to PWD: between quotes, where a doubled quote is one (RFC 959, appendix II).
fn quoted(words: &str) -> Option<String> {
    let inside = words.strip_prefix('"').or_else(|| words.split_once('"').map(|(_, rest)| rest))?;
    let mut path = String::new();
    let mut chars = inside.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('"', Some('"')) => {
                chars.next();
                path.push('"');
            }
            ('"', _) => return Some(path),
            _ => path.push(c),
        }
    }
    None
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
        signals.set_wait(Duration::from_secs(1));
        let site = server.site();
        assert!(greeted(&site, &[dead, live], None, &signals).await.is_ok(), "F57");
        assert!(greeted(&site, &[dead, dead], None, &signals).await.is_err());
    }

    #[test]
    fn the_path_of_pwd_is_unquoted() {
        assert_eq!(quoted("\"/home/u\" is the current directory").as_deref(), Some("/home/u"));
        assert_eq!(quoted("\"/a \"\"b\"\"\"").as_deref(), Some("/a \"b\""));
        assert_eq!(quoted("current is \"/\".").as_deref(), Some("/"));
        assert_eq!(quoted("/home"), None);
        assert_eq!(quoted("\"/home"), None);
    }
}
