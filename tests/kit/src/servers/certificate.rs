//! A certificate authority for one test, and the certificate that it gives a server.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The files of an authority and of a server's certificate for `localhost` and `127.0.0.1`.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The authority's certificate, PEM: what a client must trust.
    pub authority: PathBuf,
    /// The server's certificate, PEM.
    pub chain: PathBuf,
    /// The server's private key, PEM.
    pub key: PathBuf,
    /// The server's certificate and key in one file, for servers that want it so.
    pub both: PathBuf,
}

impl Certificate {
    /// Makes them in the folder, with OpenSSL's program.
    ///
    /// # Errors
    /// When `openssl` isn't installed or refuses.
    pub fn make(folder: &Path) -> Result<Self> {
        let file = |name: &str| folder.join(name);
        let made = Self {
            authority: file("authority.pem"),
            chain: file("server.pem"),
            key: file("server.key"),
            both: file("server-and-key.pem"),
        };
        let authority_key = file("authority.key");
        request(
            &authority_key,
            &made.authority,
            "test authority",
            &["basicConstraints=critical,CA:TRUE"],
            None,
        )?;
        let extensions = ["basicConstraints=critical,CA:FALSE", "subjectAltName=IP:127.0.0.1,DNS:localhost"];
        let issuer = Some((made.authority.as_path(), authority_key.as_path()));
        request(&made.key, &made.chain, "localhost", &extensions, issuer)?;

        let mut both = std::fs::read(&made.chain)?;
        both.extend(std::fs::read(&made.key)?);
        std::fs::write(&made.both, both)?;
        Ok(made)
    }
}

/// One `openssl req -x509`: a new P-256 key and a certificate, self-signed or by the issuer.
fn request(
    key: &Path,
    certificate: &Path,
    name: &str,
    extensions: &[&str],
    issuer: Option<(&Path, &Path)>,
) -> Result<()> {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
    openssl.args(["-days", "3650", "-subj", &format!("/CN={name}")]);
    openssl.arg("-keyout").arg(key).arg("-out").arg(certificate);
    for extension in extensions {
        openssl.args(["-addext", extension]);
    }
    if let Some((authority, authority_key)) = issuer {
        openssl.arg("-CA").arg(authority).arg("-CAkey").arg(authority_key);
    }
    let output = openssl.output().context("start openssl")?;
    if !output.status.success() {
        bail!("openssl made no certificate: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
