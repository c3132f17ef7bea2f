//! From a site to a logged-in session.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::time::Instant;

use super::dial::{Dial, open_data};
use super::features::SetMtime;
use super::learned::{Learned, Notes};
use super::list::Zone;
use super::place::Place;
use super::proxy::Via;
use super::reach::{connect_fault, greeted, resolve, secure_fault};
use super::secret;
use super::session::{Session, State};
use super::tls::TlsContext;
use super::trust::Trust;
use super::wire::Signals;
use crate::clock::Clock;
use crate::model::{DataMode, Fault, FaultCode, RateLimit, Site, TlsMode};
use crate::transfer::throttle::Buckets;
use crate::transfer::{Connect, Features, Remote};

/// The conventional password of `anonymous` (RFC 1635).
const ANONYMOUS_PASSWORD: &str = "anonymous@";

/// Makes FTP sessions, and remembers what servers taught it about themselves.
#[derive(Debug)]
pub struct FtpConnector {
    clock: Arc<dyn Clock>,
    notes: Notes,
    trust: Trust,
    /// The limits on commands per second, by site.
    commands: Buckets,
}

impl FtpConnector {
    /// A connector that has met no server yet. The clock dates the lines of LIST, which have no year.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, notes: Notes::default(), trust: Trust::default(), commands: Buckets::default() }
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
            Some(reference) => secret::read(reference, &site.name, "password").await?,
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
        if site.proxy.is_some() && site.mode == DataMode::Active {
            let words = format!("{doing}: no server can connect to us through a proxy");
            return Err(Fault::new(FaultCode::ConfigInvalid, words)
                .with_hint(format!("`mode = \"passive\"` under [site.{}]", site.name)));
        }
        let signals = Arc::new(Signals::new(site.encoding));
        signals.set_wait(site.limits.greeting);
        let tls = match site.tls.mode {
            TlsMode::None => None,
            TlsMode::Explicit | TlsMode::Implicit => {
                let tls12 = learned.tls12.is_set() && !learned.tls13_only.is_set();
                Some(Arc::new(TlsContext::new(site, &self.trust, tls12)?))
            }
        };
        let from_start = tls.clone().filter(|_| site.tls.mode == TlsMode::Implicit);
        let via = Via::of(site).await?.map(Arc::new);
        let commands = site
            .limits
            .commands_per_second
            .map(|rate| self.commands.of(&site.name, &RateLimit::Fixed(u64::from(rate))));
        let deadline = Instant::now() + site.limits.connect;
        let addresses = resolve(site, via.as_deref(), deadline, &doing).await?;
        let control = greeted(site, &addresses, via.as_ref(), from_start.as_ref(), &signals, deadline)
            .await
            .map_err(|error| connect_fault(&error, site, tls.as_deref(), &doing, &place))?;
        let wait = site.limits.connect;
        let mut control = control
            .passive_stream_builder(move |address| open_data(address, wait, via.clone()))
            .active_mode(site.limits.connect);
        // The address in a PASV reply is never used, only its port (F23).
        control.set_passive_nat_workaround(true);
        if let (TlsMode::Explicit, Some(context)) = (site.tls.mode, &tls) {
            let dial = Dial::new(Some(Arc::clone(context)), Arc::clone(&signals), Arc::default(), None);
            if let Some(commands) = &commands {
                // AUTH, PBSZ and PROT.
                commands.turn(3, &*self.clock).await;
            }
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
            no_chmod: false,
            list_zone: zone_of(site)?,
            commands,
            base: String::new(),
        };
        session.log_in(site, password).await?;
        session.prepare().await?;
        session.find_root(&site.root).await?;
        Ok(session)
    }
}

/// The zone that the site names for the times of LIST.
fn zone_of(site: &Site) -> Result<Option<Zone>, Fault> {
    let Some(name) = &site.list_time_zone else {
        return Ok(None);
    };
    let zone = jiff::tz::TimeZone::get(name).map_err(|_| {
        let words = format!("`list_time_zone` of site `{}`: there is no zone `{name}`", site.name);
        Fault::new(FaultCode::ConfigInvalid, words)
    })?;
    Ok(Some(Zone::Named(zone)))
}
