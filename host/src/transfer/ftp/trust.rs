//! How a server's certificate is judged: by the system's roots, by a `ca_file`, or not at all.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use rustls_platform_verifier::Verifier;

use super::tls::{Provider, is_authority};
use crate::model::{Fault, FaultCode, Site, TlsVerify};

type Judge = Arc<dyn ServerCertVerifier>;

/// The verifiers of a connector. Reading the roots takes longer than a handshake, so each is made
/// once; a changed `ca_file` counts from the next start.
#[derive(Debug, Default)]
pub(super) struct Trust {
    made: Mutex<HashMap<Option<PathBuf>, Judge>>,
}

impl Trust {
    /// The verifier that a site asks for.
    ///
    /// # Errors
    /// `config.invalid` for a `ca_file` without usable certificates or a system without roots.
    pub(super) fn verifier(&self, site: &Site, provider: &Provider) -> Result<Judge, Fault> {
        if site.tls.verify == TlsVerify::None {
            return Ok(Arc::new(AcceptAny(Arc::clone(provider))));
        }
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(judge) = made.get(&site.tls.ca_file) {
            return Ok(Arc::clone(judge));
        }
        let judge: Judge = match &site.tls.ca_file {
            Some(file) => Arc::new(OwnRoots::read(file, provider).map_err(|why| {
                let doing = format!("read `ca_file` of site `{}`, {}", site.name, file.display());
                Fault::new(FaultCode::ConfigInvalid, format!("{doing}: {why}"))
                    .with_hint("a PEM file with the server's certificate or that of its issuer")
            })?),
            None => Arc::new(Verifier::new(Arc::clone(provider)).map_err(|error| {
                let doing = format!("load the system's certificates for site `{}`", site.name);
                Fault::new(FaultCode::ConfigInvalid, format!("{doing}: {error}"))
                    .with_hint("install the package ca-certificates, or set `ca_file`")
            })?),
        };
        made.insert(site.tls.ca_file.clone(), Arc::clone(&judge));
        Ok(judge)
    }
}

/// Chain and name against the certificates of one file. A server's own self-signed certificate may
/// stand there too, as `openssl req -x509` makes it: marked as an authority, which path building
/// refuses for a server.
#[derive(Debug)]
struct OwnRoots {
    chains: Arc<WebPkiServerVerifier>,
    listed: Vec<CertificateDer<'static>>,
}

impl OwnRoots {
    fn read(file: &Path, provider: &Provider) -> Result<Self, String> {
        let listed = CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| error.to_string())?;
        let mut roots = RootCertStore::empty();
        for certificate in &listed {
            roots.add(certificate.clone()).map_err(|error| error.to_string())?;
        }
        if listed.is_empty() {
            return Err("there is no certificate in it".to_owned());
        }
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { chains, listed })
    }
}

impl ServerCertVerifier for OwnRoots {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.chains.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            // webpki looks at the dates before it looks at this flag, so they are in order.
            Err(Error::InvalidCertificate(why))
                if is_authority(&why) && self.listed.iter().any(|listed| listed == end_entity) =>
            {
                let parsed = ParsedCertificate::try_from(end_entity)?;
                rustls::client::verify_server_name(&parsed, name)?;
                Ok(ServerCertVerified::assertion())
            }
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// `tls_verify = "none"`: any certificate, whose key must still have signed the handshake.
#[derive(Debug)]
struct AcceptAny(Provider);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
