//! `site add` and `site remove`: changes to the configuration file.

use std::path::PathBuf;

use clap::{ArgGroup, ValueEnum};
use orchestrator_host::config::{NewSite, add_site, remove_site};
use orchestrator_host::model::{SecretRef, TlsMode, TlsVerify};

use crate::context::Context;
use crate::exit::Exit;
use crate::output;
use crate::report::Failure;

/// Arguments of `site add`.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("password").multiple(false))]
pub(super) struct Add {
    /// Its name: letters, digits, `-` and `_`
    name: String,
    /// ftp://user@host:port/root, without a password
    url: String,
    /// The password is in this environment variable
    #[arg(long, value_name = "NAME", group = "password")]
    password_env: Option<String>,
    /// The password is the content of this file
    #[arg(long, value_name = "FILE", group = "password")]
    password_file: Option<PathBuf>,
    /// The password is what this command prints
    #[arg(long, value_name = "COMMAND", group = "password")]
    password_command: Option<String>,
    /// When TLS begins [default: explicit, or implicit for ftps://]
    #[arg(long, value_name = "WHEN")]
    tls: Option<Tls>,
    /// Take any certificate: anybody can sit in between
    #[arg(long)]
    no_verify: bool,
    /// PEM file of the roots to trust instead of the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Tls {
    /// AUTH TLS on the plain port
    Explicit,
    /// From the first byte, port 990
    Implicit,
    /// None at all: passwords and files go in clear
    None,
}

/// Arguments of `site remove`.
#[derive(Debug, clap::Args)]
pub(super) struct Remove {
    /// Its name
    name: String,
}

pub(super) fn add(context: &Context, args: Add) -> Result<Exit, Failure> {
    // A file that can't be meant is mended first: what is added to it couldn't be used.
    let file = context.file_to_change();
    if file.exists() {
        context.config()?;
    }
    let password = args
        .password_env
        .map(SecretRef::Env)
        // Paths in the file are relative to the file, those typed here to the working folder.
        .or(args.password_file.map(|path| SecretRef::File(context.absolute(&path))))
        .or(args.password_command.map(SecretRef::Command));
    let site = NewSite {
        name: args.name,
        url: args.url,
        password,
        tls: args.tls.map(|tls| match tls {
            Tls::Explicit => TlsMode::Explicit,
            Tls::Implicit => TlsMode::Implicit,
            Tls::None => TlsMode::None,
        }),
        tls_verify: args.no_verify.then_some(TlsVerify::None),
        ca_file: args.ca_file.map(|path| context.absolute(&path)),
    };
    add_site(&file, &site)?;
    output::say(format_args!(
        "added [site.{}] to {}; `orchestrator site test {}` tries it",
        site.name,
        file.display(),
        site.name
    ));
    Ok(Exit::Ok)
}

pub(super) fn remove(context: &Context, args: &Remove) -> Result<Exit, Failure> {
    let config = context.config()?;
    config.site(&args.name).map_err(|error| Failure { exit: Exit::NotFound, ..error.into() })?;
    let file = context.file_to_change();
    if remove_site(&file, &args.name)? {
        output::say(format_args!("took [site.{}] out of {}", args.name, file.display()));
        return Ok(Exit::Ok);
    }
    Err(Failure::new(
        Exit::NotFound,
        "config.invalid",
        format!("{} has no [site.{}]", file.display(), args.name),
    ))
}
