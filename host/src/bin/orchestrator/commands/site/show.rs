//! `site list` and `site show`.

use orchestrator_host::model::{Site, TlsMode};
use serde_json::json;

use crate::args::Format;
use crate::commands::config::{site_document, site_text};
use crate::context::Context;
use crate::exit::Exit;
use crate::output;
use crate::report::Failure;

/// Arguments of `site show`.
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// Its name
    name: String,
}

pub(super) fn list(context: &Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let documents = config.sites.values().map(|site| site_document(site));
    match context.format {
        Format::Json => {
            let sites: Vec<_> = documents.collect();
            output::json(&json!({ "$type": "orchestrator.sites/1", "sites": sites }))?;
        }
        Format::Jsonl => documents.into_iter().try_for_each(|site| output::json(&site))?,
        Format::Text => {
            let rows = config.sites.values().map(|site| {
                [site.name.clone(), address(site), site.user.clone(), tls(site).to_owned(), site.root.clone()]
            });
            output::print(&output::table(["NAME", "ADDRESS", "USER", "TLS", "ROOT"], rows))?;
        }
    }
    Ok(Exit::Ok)
}

pub(super) fn show(context: &Context, args: &Show) -> Result<Exit, Failure> {
    let config = context.config()?;
    let site = config.site(&args.name).map_err(|error| Failure { exit: Exit::NotFound, ..error.into() })?;
    match context.format {
        Format::Text => output::print(&site_text(site))?,
        Format::Json | Format::Jsonl => output::json(&site_document(site))?,
    }
    Ok(Exit::Ok)
}

/// Host and port as one reads them.
pub(super) fn address(site: &Site) -> String {
    if site.host.contains(':') {
        format!("[{}]:{}", site.host, site.port)
    } else {
        format!("{}:{}", site.host, site.port)
    }
}

fn tls(site: &Site) -> &'static str {
    match site.tls.mode {
        TlsMode::Explicit => "explicit",
        TlsMode::Implicit => "implicit",
        TlsMode::None => "none",
    }
}
