//! What the server shows under TLS.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::model::{Fault, FaultCode};

/// Reads a chain, leaf first, and its key, both PEM.
///
/// # Errors
/// `config.invalid` when they can't be read or don't belong together.
pub(super) fn acceptor(chain: &Path, key: &Path) -> Result<TlsAcceptor, Fault> {
    let wrong = |what: &str, path: &Path, error: &dyn std::fmt::Display| {
        Fault::new(FaultCode::ConfigInvalid, format!("read the {what} {}: {error}", path.display()))
            .with_hint("`tls_cert` and `tls_key` of [server] name a chain and its key, both PEM")
    };
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong("certificate", chain, &error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong("key", key, &error))?;
    let mut configuration = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong("certificate", chain, &error))?
        .with_no_client_auth()
        .with_single_cert(certificates, private)
        .map_err(|error| wrong("certificate", chain, &error))?;
    configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(configuration)))
}
