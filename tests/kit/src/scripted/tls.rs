//! The server's TLS: its certificate, its tickets, and what it asks of data connections.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// What is wrong with the certificate (F22).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Doubt {
    /// Nothing.
    #[default]
    None,
    /// It has expired.
    Expired,
    /// It is for another address.
    OtherName,
    /// Somebody else vouches for it.
    OtherIssuer,
}

/// The server's TLS.
#[derive(Clone, Debug)]
pub struct TlsPlan {
    /// What is wrong with the certificate.
    pub doubt: Doubt,
    /// TLS 1.3 is there; TLS 1.2 always is.
    pub tls13: bool,
    /// How many tickets a control connection gets under TLS 1.3, and a data connection.
    pub tickets: (usize, usize),
    /// A data connection that doesn't resume the session of its own control connection is refused so.
    pub resumption: Option<String>,
    /// The client needs a certificate of its own.
    pub wants_client: bool,
}

impl Default for TlsPlan {
    fn default() -> Self {
        Self { doubt: Doubt::None, tls13: true, tickets: (4, 4), resumption: None, wants_client: false }
    }
}

/// Issuers of one name would be mistaken for one another.
static ISSUERS: AtomicU32 = AtomicU32::new(0);

/// The certificate of one server and who vouches for it.
#[derive(Debug)]
pub(super) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
    /// The authority that a client is told to trust, PEM.
    pub(super) authority: String,
    issuer: CertificateDer<'static>,
}

impl Identity {
    pub(super) fn make(doubt: Doubt) -> Result<Self> {
        let (issuer, other) = (authority()?, authority()?);
        let mut params = CertificateParams::new(Vec::new())?;
        let address = if doubt == Doubt::OtherName { [192, 0, 2, 1] } else { Ipv4Addr::LOCALHOST.octets() };
        params.subject_alt_names = vec![SanType::IpAddress(IpAddr::V4(address.into()))];
        if doubt == Doubt::Expired {
            params.not_before = rcgen::date_time_ymd(2001, 1, 1);
            params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        }
        let key = KeyPair::generate()?;
        let signer = if doubt == Doubt::OtherIssuer { &other } else { &issuer };
        let certificate = params.signed_by(&key, signer)?;
        Ok(Self {
            chain: vec![certificate.der().clone()],
            key: key.serialize_der(),
            authority: issuer.pem(),
            issuer: issuer.der().clone(),
        })
    }

    /// The TLS of one control connection and of its data connections, whose sessions no other shares.
    pub(super) fn configs(&self, plan: &TlsPlan) -> Result<Configs> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions: &[_] = if plan.tls13 {
            &[&rustls::version::TLS13, &rustls::version::TLS12]
        } else {
            &[&rustls::version::TLS12]
        };
        let builder =
            ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions)?;
        let builder = if plan.wants_client {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(self.issuer.clone())?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::try_from(self.key.clone()).map_err(anyhow::Error::msg)?;
        let mut control = builder.with_single_cert(self.chain.clone(), key)?;
        control.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
        control.send_tls13_tickets = plan.tickets.0;
        let mut data = control.clone();
        data.send_tls13_tickets = plan.tickets.1;
        Ok(Configs { control: Arc::new(control), data: Arc::new(data) })
    }
}

/// See [`Identity::configs`].
#[derive(Clone, Debug)]
pub(super) struct Configs {
    pub(super) control: Arc<ServerConfig>,
    pub(super) data: Arc<ServerConfig>,
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let name = format!("scripted issuer {}", ISSUERS.fetch_add(1, Ordering::Relaxed));
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}
