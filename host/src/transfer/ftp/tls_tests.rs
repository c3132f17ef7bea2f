//! TLS of control and data connections against a server of rustls that plays what real ones do.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::FtpConnector;
use super::scripted::{Answer, Scripted, ServerTls, path};
use crate::clock::SystemClock;
use crate::model::{Fault, FaultCode, Offset, Site, TlsMode, TlsVerify};
use crate::transfer::{Connect, Finish, Remote, StoreFrom};

const TLS13_AND_12: &[&rustls::SupportedProtocolVersion] =
    &[&rustls::version::TLS13, &rustls::version::TLS12];
const TLS13: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// Issuers of one name would be mistaken for one another.
static ISSUERS: AtomicU32 = AtomicU32::new(0);

/// A certificate for 127.0.0.1 and its key.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
    /// PEM of what vouches for it.
    root: String,
}

fn loopback() -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.subject_alt_names = vec![SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST))];
    params
}

fn issued(params: CertificateParams) -> Identity {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let name = format!("issuer {}", ISSUERS.fetch_add(1, Ordering::Relaxed));
    ca.distinguished_name.push(rcgen::DnType::CommonName, name);
    let issuer = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    Identity { chain: vec![certificate.der().clone()], key: key.serialize_der(), root: issuer.pem() }
}

/// As `openssl req -x509` makes it: self-signed, and marked as an authority.
fn self_signed() -> Identity {
    let mut params = loopback();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Identity { chain: vec![certificate.der().clone()], key: key.serialize_der(), root: certificate.pem() }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn server_config(
    identity: &Identity,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ServerConfig {
    let key = PrivateKeyDer::try_from(identity.key.clone()).unwrap();
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(identity.chain.clone(), key)
        .unwrap();
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
    config
}

/// TLS that requires resumption on data connections, which themselves give `data_tickets` each.
fn strict(
    identity: &Identity,
    versions: &[&'static rustls::SupportedProtocolVersion],
    data_tickets: usize,
) -> ServerTls {
    let control = server_config(identity, versions);
    let mut data = control.clone();
    data.send_tls13_tickets = data_tickets;
    ServerTls { control: Arc::new(control), data: Arc::new(data), strict: true }
}

async fn serve(tls: ServerTls) -> Scripted {
    Scripted::start_with(Answer::Text("220 ready\r\n"), Some(tls), |_| None).await
}

fn explicit(server: &Scripted) -> Site {
    let mut site = server.site();
    site.tls.mode = TlsMode::Explicit;
    site
}

/// Connects with full verification against `root`.
async fn verified(identity: &Identity, root: &str) -> Result<Box<dyn Remote>, Fault> {
    let server = serve(strict(identity, TLS13_AND_12, 2)).await;
    let folder = tempfile::tempdir().unwrap();
    let mut site = explicit(&server);
    site.tls.verify = TlsVerify::Full;
    site.tls.ca_file = Some(write(&folder, "ca.pem", root));
    server.connect(&site).await
}

fn write(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let file = folder.path().join(name);
    std::fs::write(&file, text).unwrap();
    file
}

async fn store(session: &mut Box<dyn Remote>) -> Finish {
    session.begin_store(&path("a"), StoreFrom::Start).await.unwrap();
    session.write(b"hello").await.unwrap();
    session.finish().await.unwrap()
}

#[tokio::test]
async fn certificates_are_judged_by_chain_name_and_date() {
    let good = issued(loopback());
    verified(&good, &good.root).await.unwrap();

    let other = issued(loopback());
    let fault = verified(&good, &other.root).await.map(drop).unwrap_err();
    assert_eq!(fault.code, FaultCode::FtpCertificate);
    assert!(fault.message.contains("unknown issuer"), "F22: {fault}");

    let elsewhere = issued(CertificateParams::new(vec!["elsewhere.example".to_owned()]).unwrap());
    let fault = verified(&elsewhere, &elsewhere.root).await.map(drop).unwrap_err();
    assert!(fault.message.contains("another name"), "F22: {fault}");

    let mut old = loopback();
    old.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let old = issued(old);
    let fault = verified(&old, &old.root).await.map(drop).unwrap_err();
    assert_eq!(fault.code, FaultCode::FtpCertificate);
    assert!(fault.message.contains("expired"), "F22: {fault}");
}

#[tokio::test]
async fn a_self_signed_certificate_counts_where_it_is_listed() {
    let own = self_signed();
    verified(&own, &own.root).await.unwrap();
    let fault = verified(&own, &self_signed().root).await.map(drop).unwrap_err();
    assert_eq!(fault.code, FaultCode::FtpCertificate, "{fault}");
    assert!(fault.hint.unwrap().contains("ca_file"));
}

#[tokio::test]
async fn a_wanted_client_certificate_is_named() {
    let identity = issued(loopback());
    let ours = issued(loopback());
    let mut roots = rustls::RootCertStore::empty();
    let root =
        <CertificateDer as rustls_pki_types::pem::PemObject>::from_pem_slice(ours.root.as_bytes()).unwrap();
    roots.add(root).unwrap();
    let judge = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build().unwrap();
    let key = PrivateKeyDer::try_from(identity.key.clone()).unwrap();
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(TLS13_AND_12)
        .unwrap()
        .with_client_cert_verifier(judge)
        .with_single_cert(identity.chain.clone(), key)
        .unwrap();
    let config = Arc::new(config);
    let server = serve(ServerTls { control: Arc::clone(&config), data: config, strict: false }).await;
    let mut site = explicit(&server);
    let fault = server.connect(&site).await.map(drop).unwrap_err();
    assert_eq!(fault.code, FaultCode::FtpCertificate, "F22: {fault}");

    let folder = tempfile::tempdir().unwrap();
    let chain = pem("CERTIFICATE", &ours.chain[0]);
    site.tls.client_cert = Some(write(&folder, "client.pem", &chain));
    site.tls.client_key = Some(write(&folder, "client.key", &pem("PRIVATE KEY", &ours.key)));
    server.connect(&site).await.unwrap();
}

fn pem(label: &str, der: &[u8]) -> String {
    use std::fmt::Write;
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = format!("-----BEGIN {label}-----\n");
    for three in der.chunks(3) {
        let bits =
            three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place > three.len() { '=' } else { char::from(digit) });
        }
    }
    writeln!(text, "\n-----END {label}-----").unwrap();
    text
}

#[tokio::test]
async fn data_connections_resume_the_session_of_their_control_connection() {
    let identity = issued(loopback());
    for versions in [TLS13_AND_12, &[&rustls::version::TLS12]] {
        let server = serve(strict(&identity, versions, 2)).await;
        let mut session = server.connect(&explicit(&server)).await.unwrap();
        for _ in 0..20 {
            assert_eq!(store(&mut session).await, Finish::Confirmed);
        }
        session.begin_retrieve(&path("a"), Offset::ZERO).await.unwrap();
        assert_eq!(session.read().await.unwrap().as_deref(), Some(&b"hello"[..]));
        assert_eq!(session.read().await.unwrap(), None);
        assert_eq!(session.finish().await.unwrap(), Finish::Confirmed);
        assert_eq!(server.count("AUTH"), 1);
    }
}

#[tokio::test]
async fn a_server_without_new_tickets_is_met_with_tls12_before_it_refuses() {
    let identity = issued(loopback());
    let server = serve(strict(&identity, TLS13_AND_12, 0)).await;
    let connector = FtpConnector::new(Arc::new(SystemClock::new()));
    let site = explicit(&server);
    let mut session = connector.connect(&site).await.unwrap();
    for _ in 0..20 {
        if session.is_poisoned() {
            session = connector.connect(&site).await.unwrap();
        }
        assert_eq!(store(&mut session).await, Finish::Confirmed, "F17");
    }
    assert_eq!(server.count("AUTH"), 2, "one session of TLS 1.3, then one of TLS 1.2");
    connector.connect(&site).await.unwrap();
    assert_eq!(server.count("AUTH"), 3, "what was learned is kept for the site");
}

#[tokio::test]
async fn a_server_with_tls13_alone_and_no_tickets_still_works() {
    let identity = issued(loopback());
    let mut config = server_config(&identity, TLS13);
    config.send_tls13_tickets = 0;
    let config = Arc::new(config);
    let server = serve(ServerTls { control: Arc::clone(&config), data: config, strict: false }).await;
    let connector = FtpConnector::new(Arc::new(SystemClock::new()));
    let mut session = connector.connect(&explicit(&server)).await.unwrap();
    for _ in 0..3 {
        assert_eq!(store(&mut session).await, Finish::Confirmed);
    }
}

#[tokio::test]
async fn a_refused_data_connection_is_not_an_empty_file() {
    let identity = issued(loopback());
    let tls = strict(&identity, TLS13_AND_12, 2);
    // Data connections whose tickets nobody knows: never resumed.
    let tls = ServerTls { data: Arc::new(server_config(&identity, TLS13_AND_12)), ..tls };
    let server = serve(tls).await;
    let mut session = server.connect(&explicit(&server)).await.unwrap();
    session.begin_retrieve(&path("a"), Offset::ZERO).await.unwrap();
    assert_eq!(session.read().await.unwrap(), None);
    let finish = session.finish().await.unwrap();
    let Finish::Unconfirmed(fault) = finish else { panic!("F15: taken for an empty file") };
    assert!(fault.is_transient());
    assert_eq!((fault.code, fault.reply), (FaultCode::FtpNoDataConnection, Some(522)));
    assert!(session.is_poisoned(), "the next session uses TLS 1.2");
}

#[tokio::test]
async fn data_that_ends_without_a_goodbye_is_not_confirmed() {
    let identity = issued(loopback());
    let tls = strict(&identity, TLS13_AND_12, 2);
    let server = Scripted::start_with(Answer::Text("220 ready\r\n"), Some(tls), |line| {
        line.starts_with("RETR").then_some(Answer::Cut("150 here\r\n", b"hel", "226 done\r\n"))
    })
    .await;
    let mut session = server.connect(&explicit(&server)).await.unwrap();
    session.begin_retrieve(&path("a"), Offset::ZERO).await.unwrap();
    assert_eq!(session.read().await.unwrap().as_deref(), Some(&b"hel"[..]));
    assert_eq!(session.read().await.unwrap(), None);
    let finish = session.finish().await.unwrap();
    assert!(
        matches!(finish, Finish::Unconfirmed(fault) if fault.code == FaultCode::FtpTruncated),
        "F13, F14"
    );
    assert!(session.probe().await, "the control connection is in step");
}
