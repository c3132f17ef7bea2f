//! TLS of one control connection and its data connections (RFC 4217).

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::{AlertDescription, CertificateError, ClientConfig, HandshakeKind, ProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::place::Place;
use super::tickets::Tickets;
use super::trust::Trust;
use super::wire::Io;
use crate::model::{Fault, FaultCode, Site, TlsPolicy};

/// The read buffer under TLS: eight records' worth for one system call.
const READ_AHEAD_BYTES: usize = 128 * 1024;

/// How much plain text rustls takes before it must be written out.
const WRITE_BEHIND_BYTES: usize = 256 * 1024;

/// The TLS of one control connection: its configuration, and its sessions to resume.
pub(super) struct TlsContext {
    connector: TlsConnector,
    name: ServerName<'static>,
    tickets: Arc<Tickets>,
    wait: Duration,
    /// Why the last handshake failed: suppaftp's error keeps a text only.
    failure: Mutex<Option<io::Error>>,
    /// Of the control connection.
    version: Mutex<Option<ProtocolVersion>>,
}

impl std::fmt::Debug for TlsContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsContext").field("name", &self.name).finish_non_exhaustive()
    }
}

impl TlsContext {
    /// A fresh context, with no session to resume.
    ///
    /// # Errors
    /// `config.invalid` for a host name or a file that can't be used.
    pub(super) fn new(site: &Site, trust: &Trust, tls12: bool) -> Result<Self, Fault> {
        let invalid = |what: String| Fault::new(FaultCode::ConfigInvalid, what);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions: &[_] = if tls12 {
            &[&rustls::version::TLS12]
        } else {
            &[&rustls::version::TLS13, &rustls::version::TLS12]
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(|error| invalid(format!("set up TLS for site `{}`: {error}", site.name)))?
            .dangerous()
            .with_custom_certificate_verifier(trust.verifier(site, &provider)?);
        let mut config = match client_certificate(&site.tls, &site.name)? {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|error| {
                invalid(format!("use the client certificate of site `{}`: {error}", site.name))
            })?,
            None => builder.with_no_client_auth(),
        };
        let tickets = Arc::new(Tickets::default());
        config.resumption = Resumption::store(Arc::clone(&tickets) as _);
        let name = ServerName::try_from(site.host.clone())
            .map_err(|_| invalid(format!("site `{}`: `{}` is no host name", site.name, site.host)))?;
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            name,
            tickets,
            wait: site.limits.connect,
            failure: Mutex::new(None),
            version: Mutex::new(None),
        })
    }

    /// TLS over a TCP connection that stands, within the site's connect deadline.
    pub(super) async fn handshake(&self, tcp: TcpStream) -> io::Result<Io> {
        let under = BufReader::with_capacity(READ_AHEAD_BYTES, tcp);
        let handshake = self.connector.connect_with(self.name.clone(), under, |connection| {
            connection.set_buffer_limit(Some(WRITE_BEHIND_BYTES));
        });
        let made = match tokio::time::timeout(self.wait, handshake).await {
            Ok(made) => made,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake wasn't answered")),
        };
        match made {
            Ok(stream) => {
                let connection = stream.get_ref().1;
                let resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
                tracing::debug!(version = ?connection.protocol_version(), resumed, "TLS stands");
                self.version
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_or_insert(connection.protocol_version().unwrap_or(ProtocolVersion::TLSv1_2));
                Ok(Io::Tls(Box::new(stream)))
            }
            Err(error) => {
                let text = io::Error::new(error.kind(), error.to_string());
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Err(text)
            }
        }
    }

    /// No further data connection can resume: TLS 1.3, and the tickets are used up.
    pub(super) fn is_spent(&self) -> bool {
        self.is_tls13() && self.tickets.tls13_left() == 0
    }

    /// Whether the control connection has TLS 1.3.
    pub(super) fn is_tls13(&self) -> bool {
        let version = *self.version.lock().unwrap_or_else(PoisonError::into_inner);
        version == Some(ProtocolVersion::TLSv1_3)
    }

    /// Why the last handshake failed, once.
    pub(super) fn take_failure(&self) -> Option<io::Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Our certificate chain and key, when the site has them.
fn client_certificate(
    policy: &TlsPolicy,
    site: &str,
) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>, Fault> {
    let Some(chain_file) = &policy.client_cert else {
        return Ok(None);
    };
    let unreadable = |what: &str, file: &Path, why: &dyn std::fmt::Display| {
        Fault::new(
            FaultCode::ConfigInvalid,
            format!("read {what} of site `{site}`, {}: {why}", file.display()),
        )
        .with_hint("a PEM file; without `client_key` it must hold the key too")
    };
    let chain = CertificateDer::pem_file_iter(chain_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable("`client_cert`", chain_file, &error))?;
    let key_file = policy.client_key.as_ref().unwrap_or(chain_file);
    let key = PrivateKeyDer::from_pem_file(key_file)
        .map_err(|error| unreadable("`client_key`", key_file, &error))?;
    Ok(Some((chain, key)))
}

/// The fault of TLS that didn't come to stand, saying which certificate is wrong and why.
pub(super) fn tls_fault(error: &io::Error, doing: &str, place: &Place) -> Fault {
    let Some(cause) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        let code = match error.kind() {
            io::ErrorKind::TimedOut => FaultCode::FtpTimeout,
            _ => FaultCode::FtpConnectionLost,
        };
        return Fault::new(code, format!("{doing}: TLS handshake: {error}"));
    };
    let site = &place.site;
    match cause {
        rustls::Error::InvalidCertificate(why) => {
            let fault = Fault::new(FaultCode::FtpCertificate, format!("{doing}: {}", certificate_words(why)));
            match why {
                why if matches!(why, CertificateError::UnknownIssuer | CertificateError::BadSignature)
                    || is_authority(why) =>
                {
                    fault.with_hint(format!(
                        "name the server's certificate or its issuer: `ca_file` under [site.{site}]; \
                     `tls_verify = \"none\"` lets anybody sit in between"
                    ))
                }
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => fault
                    .with_hint(format!(
                        "use the name that the certificate is for in `url` under [site.{site}]"
                    )),
                _ => fault,
            }
        }
        rustls::Error::AlertReceived(alert) => {
            if wants_certificate(*alert) {
                let why =
                    format!("{doing}: the server doesn't take our certificate (or wants one): {alert:?}");
                Fault::new(FaultCode::FtpCertificate, why)
                    .with_hint(format!("see `client_cert` and `client_key` under [site.{site}]"))
            } else {
                Fault::new(
                    FaultCode::FtpTls,
                    format!("{doing}: the server ended the TLS handshake: {alert:?}"),
                )
            }
        }
        rustls::Error::InvalidMessage(_) => {
            Fault::new(FaultCode::FtpTls, format!("{doing}: the answer to our TLS handshake isn't TLS"))
                .with_hint(format!("`tls = \"implicit\"` is for port 990; see `tls` under [site.{site}]"))
        }
        other => Fault::new(FaultCode::FtpTls, format!("{doing}: TLS handshake: {other}")),
    }
}

/// Whether an alert says that our certificate is missing or not accepted (RFC 8446, 6.2).
pub(super) fn wants_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as A;
    matches!(
        alert,
        A::CertificateRequired
            | A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::UnknownCA
            | A::AccessDenied
    )
}

fn certificate_words(why: &CertificateError) -> String {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate isn't valid yet".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the server's certificate is for another name".to_owned()
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the server's certificate is from an unknown issuer".to_owned()
        }
        why if is_authority(why) => "the server's certificate is self-signed and not known here".to_owned(),
        CertificateError::Revoked => "the server's certificate was revoked".to_owned(),
        other => format!("the server's certificate is not accepted: {other}"),
    }
}

/// Whether a certificate was refused because it is marked as an authority's, not a server's.
pub(super) fn is_authority(why: &CertificateError) -> bool {
    match why {
        CertificateError::Other(other) => {
            matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
        }
        _ => false,
    }
}

/// The cryptography of all sessions.
pub(super) type Provider = Arc<CryptoProvider>;
