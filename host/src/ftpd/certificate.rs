//! What the server shows under TLS: a certificate made for the occasion, or one from files.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::Error;

/// Where the server's certificate comes from. With either, login and transfers in clear are refused.
#[derive(Clone, Debug)]
pub enum Tls {
    /// A new self-signed certificate for these host names and addresses. It is written to the file
    /// as PEM, so that a client can be told to trust it (`ca_file`); its key is never written.
    SelfSigned {
        /// The names and addresses that clients connect to, such as `localhost` and `127.0.0.1`.
        names: Vec<String>,
        /// Where the certificate is written to.
        certificate_file: PathBuf,
    },
    /// A chain, leaf first, and its key, both PEM.
    Files {
        /// The file with the certificate chain.
        chain: PathBuf,
        /// The file with the private key.
        key: PathBuf,
    },
}

/// One configuration for all connections, so that a data connection can resume the TLS session of
/// its control connection.
pub(super) fn configuration(tls: &Tls) -> Result<Arc<ServerConfig>, Error> {
    let (chain, key) = match tls {
        Tls::SelfSigned { names, certificate_file } => self_signed(names, certificate_file)?,
        Tls::Files { chain, key } => from_files(chain, key)?,
    };
    let invalid = |error| Error::Certificate { source: Box::new(error) };
    let mut configuration = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(invalid)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(invalid)?;
    configuration.ticketer = aws_lc_rs::Ticketer::new().map_err(invalid)?;
    Ok(Arc::new(configuration))
}

type ChainAndKey = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn self_signed(names: &[String], certificate_file: &Path) -> Result<ChainAndKey, Error> {
    let made = rcgen::generate_simple_self_signed(names)
        .map_err(|error| Error::Certificate { source: Box::new(error) })?;
    std::fs::File::create(certificate_file)
        .and_then(|mut file| file.write_all(made.cert.pem().as_bytes()))
        .map_err(|source| Error::File { what: "write the certificate", path: certificate_file.into(), source })?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    Ok((vec![made.cert.der().clone()], key.into()))
}

fn from_files(chain: &Path, key: &Path) -> Result<ChainAndKey, Error> {
    let invalid = |error| Error::Certificate { source: Box::new(error) };
    let chain = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(invalid)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(invalid)?;
    Ok((chain, key))
}
