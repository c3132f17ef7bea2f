//! From a site to a logged-in session.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;

use super::dial::{Dial, open_data};
use super::features::SetMtime;
use super::learned::{Learned, Notes};
use super::place::Place;
use super::reach::{connect_fault, greeted, resolve, secure_fault};
use super::secret;
use super::session::{Session, State};
use super::tls::TlsContext;
use super::trust::Trust;
use super::wire::Signals;
use crate::clock::Clock;
use crate::model::{Fault, FaultCode, Site, TlsMode};
use crate::transfer::{Connect, Features, Remote};

/// The conventional password of `anonymous` (RFC 1635).
const ANONYMOUS_PASSWORD: &str = "anonymous@";

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

    /// What servers teach is kept in this folder for a week, and read from there; see [`super::Profile`].
    #[must_use]
    pub fn remembering(self, folder: PathBuf) -> Self {
        Self { notes: Notes::kept_in(folder), ..self }
    }
}

#[async_trait]
impl Connect for FtpConnector {
    async fn connect(&self, site: &Site) -> Result<Box<dyn Remote>, Fault> {
        let learned = self.notes.of(site, self.clock.now());
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
        let session = session?;
        self.notes.met(site, &session.features);
        Ok(Box::new(session))
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
            let dial = Dial::new(Some(Arc::clone(context)), Arc::clone(&signals), Arc::default());
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
