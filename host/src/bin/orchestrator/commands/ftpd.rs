//! `ftpd --root DIR`: the embedded FTP(S) server, until a signal ends it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::ArgGroup;
use orchestrator_host::ftpd::{self, Server, Tls};
use secrecy::SecretString;
use serde_json::json;

use crate::args::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::output;
use crate::report::Failure;
use crate::signals::Signals;

#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("password").multiple(false))]
pub(crate) struct Args {
    /// The folder that is served; nothing outside it is reached
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:2121")]
    listen: SocketAddr,
    /// The one user
    #[arg(long, value_name = "NAME", default_value = "orchestrator")]
    user: String,
    /// The password is in this environment variable [default: a new one, shown at the start]
    #[arg(long, value_name = "NAME", group = "password")]
    password_env: Option<String>,
    /// The password is the content of this file
    #[arg(long, value_name = "FILE", group = "password")]
    password_file: Option<PathBuf>,
    /// Explicit TLS; nothing goes in clear then
    #[arg(long)]
    tls: bool,
    /// With --tls: a certificate chain in PEM [default: a new self-signed one]
    #[arg(long, value_name = "FILE", requires_all = ["tls", "key"])]
    certificate: Option<PathBuf>,
    /// With --certificate: its key in PEM
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// With --tls: where the self-signed certificate is written, for clients to trust
    #[arg(long, value_name = "FILE", default_value = "orchestrator-ftpd.pem")]
    certificate_out: PathBuf,
    /// Append what clients do to this file, one JSON object a line
    #[arg(long, value_name = "FILE")]
    effect_log: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    if !args.listen.ip().is_loopback() && !args.tls {
        return Err(Failure::usage(format!(
            "listening on {} in clear would show passwords to others",
            args.listen
        ))
        .with_hint("add --tls, or listen on 127.0.0.1"));
    }
    let (password, shown) = password(context, &args)?;
    let certificate_out = context.absolute(&args.certificate_out);
    let tls = args.tls.then(|| match (args.certificate, args.key) {
        (Some(chain), Some(key)) => {
            Tls::Files { chain: context.absolute(&chain), key: context.absolute(&key) }
        }
        _ => Tls::SelfSigned {
            names: vec!["localhost".to_owned(), args.listen.ip().to_string()],
            certificate_file: certificate_out.clone(),
        },
    });
    let own_certificate = matches!(tls, Some(Tls::SelfSigned { .. })).then_some(certificate_out);
    let options = ftpd::Options {
        root: context.absolute(&args.root),
        listen: args.listen,
        user: args.user.clone(),
        password,
        tls,
        passive_ports: None,
        effect_log: args.effect_log.map(|path| context.absolute(&path)),
    };
    context.block_on(async {
        let mut signals = Signals::listen()?;
        let server = Server::start(options).await.map_err(|error| failure(&error))?;
        let url = format!("ftp://{}@{}/", args.user, server.address());
        match context.format {
            Format::Text => output::line(format_args!("listening on {url}"))?,
            Format::Json | Format::Jsonl => output::json(&json!({
                "$type": "orchestrator.ftpd/1",
                "url": url,
                "port": server.address().port(),
                "certificate": own_certificate,
            }))?,
        }
        if let Some(password) = shown {
            output::say(format_args!("password {password}"));
        }
        if let Some(certificate) = &own_certificate {
            output::say(format_args!("clients trust it with ca_file = \"{}\"", certificate.display()));
        }
        signals.next().await;
        tokio::select! {
            () = server.stop() => {}
            _ = signals.next() => {}
        }
        Ok(Exit::Ok)
    })
}

/// The password, and its text where it was made up here and somebody has to be told.
fn password(context: &Context, args: &Args) -> Result<(SecretString, Option<String>), Failure> {
    if let Some(name) = &args.password_env {
        let value = std::env::var(name)
            .map_err(|_| Failure::usage(format!("the variable {name} isn't set, or is no UTF-8")))?;
        return Ok((SecretString::from(value), None));
    }
    if let Some(path) = &args.password_file {
        let path = context.absolute(path);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Failure::local(format_args!("read the password file {}", path.display()), &error)
        })?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        return Ok((SecretString::from(line.strip_suffix('\r').unwrap_or(line)), None));
    }
    let made = random_password()?;
    Ok((SecretString::from(made.as_str()), Some(made)))
}

/// 80 random bits in letters that can be read aloud.
pub(crate) fn random_password() -> Result<String, Failure> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new(Exit::Failed, "host.bug", format!("get random bytes: {error}")))?;
    Ok(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect())
}

/// The failure of a server that can't be started, with its chain.
pub(crate) fn failure(error: &ftpd::Error) -> Failure {
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        message.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    match error {
        ftpd::Error::Listen { .. } => {
            Failure::new(Exit::Failed, "usage", message).with_hint("--listen 127.0.0.1:0 takes a free port")
        }
        ftpd::Error::File { source, .. } => Failure { message, ..Failure::local("", source) },
        ftpd::Error::Certificate { .. } => Failure::new(Exit::Login, "ftp.certificate", message),
    }
}
