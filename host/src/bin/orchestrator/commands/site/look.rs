//! `site test` and `site ls`: looking, without a run.

use orchestrator_host::config::Config;
use orchestrator_host::model::{ByteCount, Fault, FileInfo, FileKind, Select, Site};
use orchestrator_host::node::SERVERS;
use orchestrator_host::transfer::ftp::Profile;
use orchestrator_host::transfer::{Features, ListItem, Trial};
use serde_json::{Value, json};

use super::show::address;
use super::target::Target;
use crate::args::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::output;
use crate::report::Failure;

/// Arguments of `site test`.
#[derive(Debug, clap::Args)]
pub(super) struct Test {
    /// Its name
    name: String,
    /// Forget what its servers taught before
    #[arg(long)]
    fresh: bool,
}

/// Arguments of `site ls`.
#[derive(Debug, clap::Args)]
pub(super) struct Ls {
    /// NAME:PATH; PATH starts at the site's root
    #[arg(value_name = "NAME:PATH")]
    target: Target,
    /// Only names that match, as `*.csv`
    #[arg(long)]
    glob: Option<String>,
    /// All folders below it too
    #[arg(short, long)]
    recursive: bool,
}

pub(super) fn test(context: &Context, args: &Test) -> Result<Exit, Failure> {
    let config = context.config()?;
    let site = config.site(&args.name)?.clone();
    context.block_on(async {
        let (mut documents, mut failed) = (Vec::new(), None);
        let endpoints = site.endpoints();
        for endpoint in &endpoints {
            let here = site.at(endpoint);
            if args.fresh {
                Profile::forget(&config.state.0.join(SERVERS), &here);
            }
            match tried(&config, &here).await {
                Ok(tried) if context.format == Format::Text => output::print(&text(&tried, &here))?,
                Ok(tried) => documents.push(trial_document(&tried, &here)),
                Err(fault) if endpoints.len() == 1 => return Err(fault.into()),
                // Each of several is tried, and the first that failed is what the command ends with.
                Err(fault) => {
                    output::say(format_args!("{endpoint}: {fault}"));
                    failed = failed.or(Some(fault));
                }
            }
        }
        documents.iter().try_for_each(output::json)?;
        failed.map_or(Ok(Exit::Ok), |fault| Err(fault.into()))
    })
}

async fn tried(config: &Config, site: &Site) -> Result<Trial, Fault> {
    let transfers = super::transfers(config);
    let trial = transfers.try_out(site).await;
    transfers.close().await;
    trial
}

fn text(trial: &Trial, site: &Site) -> String {
    format!(
        "{} answers at {} after {} ms; logged in as {}, {}\nit knows   {}\nits root   {} {}\n",
        site.name,
        address(site),
        trial.login.as_millis(),
        site.user,
        if trial.features.tls { "under TLS" } else { "in clear" },
        feature_names(&trial.features).join(", "),
        trial.entries,
        if trial.entries == 1 { "entry" } else { "entries" },
    )
}

fn trial_document(trial: &Trial, site: &Site) -> Value {
    json!({
        "$type": "orchestrator.site-test/1",
        "site": site.name,
        "address": address(site),
        "login_ms": u64::try_from(trial.login.as_millis()).unwrap_or(u64::MAX),
        "tls": trial.features.tls,
        "features": feature_names(&trial.features),
        "entries": trial.entries,
    })
}

/// What a server can do, as the words of RFC 2389 and its friends.
pub(super) fn feature_names(features: &Features) -> Vec<String> {
    let flags = [
        ("REST STREAM", features.rest),
        ("SIZE", features.size),
        ("MDTM", features.mdtm),
        ("MLST", features.mlst),
        ("UTF8", features.utf8),
        ("set time", features.set_mtime),
    ];
    let hashes = features.hashes.iter().map(|hash| format!("hash {}", hash.as_str()));
    flags.into_iter().filter(|(_, has)| *has).map(|(name, _)| name.to_owned()).chain(hashes).collect()
}

pub(super) fn ls(context: &Context, args: &Ls) -> Result<Exit, Failure> {
    let config = context.config()?;
    let site = config.site(&args.target.site)?.clone();
    context.block_on(async {
        let transfers = super::transfers(&config);
        let (mut entries, mut unparsed) = (Vec::new(), Vec::new());
        let glob = args.glob.as_deref();
        let path = &args.target.path;
        let listed = transfers
            .list(&site, path, &Select::of(glob, args.recursive), &mut |item| match item {
                ListItem::Entry(entry) => entries.push(entry),
                ListItem::Unparsed(line) => unparsed.push(line),
            })
            .await;
        if let Err(fault) = listed {
            // As with `ls`: a file is shown itself.
            match transfers.stat(&site, path).await {
                Ok(Some(file)) if fault.reply.is_some() && file.kind == FileKind::File => entries.push(file),
                _ => return Err(fault.into()),
            }
        }
        transfers.close().await;
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        let name = |entry: &FileInfo| name_below(&entry.path, path.as_str()).to_owned();
        match context.format {
            Format::Json => {
                let entries: Vec<Value> = entries.iter().map(|entry| document(entry, &name(entry))).collect();
                output::json(&json!({ "entries": entries, "unparsed": unparsed }))?;
            }
            Format::Jsonl => {
                entries.iter().try_for_each(|entry| output::json(&document(entry, &name(entry))))?;
            }
            Format::Text => {
                let rows = entries.iter().map(|entry| {
                    [
                        kind(entry.kind).to_owned(),
                        entry.size.map_or_else(|| "-".to_owned(), |size: ByteCount| size.0.to_string()),
                        entry.modified.map_or_else(|| "-".to_owned(), output::local_time),
                        name(entry).escape_debug().to_string(),
                    ]
                });
                output::print(&output::table(["KIND", "SIZE", "MODIFIED", "NAME"], rows))?;
                for line in &unparsed {
                    output::say(format_args!("not understood: {line}"));
                }
            }
        }
        Ok(Exit::Ok)
    })
}

/// The path of an entry below the folder that was listed.
fn name_below<'a>(path: &'a str, folder: &str) -> &'a str {
    match path.strip_prefix(folder) {
        Some(inside) if !folder.is_empty() && inside.starts_with('/') => &inside[1..],
        _ => path,
    }
}

fn document(entry: &FileInfo, name: &str) -> Value {
    json!({
        "name": name,
        "kind": kind(entry.kind),
        "size": entry.size,
        "modified": entry.modified.map(output::rfc3339),
    })
}

fn kind(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "file",
        FileKind::Dir => "dir",
        FileKind::Link => "link",
        FileKind::Other => "other",
    }
}

#[cfg(test)]
mod tests {
    use orchestrator_host::model::Timestamp;

    use super::*;

    #[test]
    fn a_document_has_the_fixed_keys() {
        let mut entry = FileInfo {
            path: "in/a b".to_owned(),
            kind: FileKind::File,
            size: Some(ByteCount(3)),
            modified: Some(Timestamp(1_000)),
            unique: Some("u".to_owned()),
        };
        assert_eq!(
            document(&entry, name_below(&entry.path, "in")).to_string(),
            r#"{"kind":"file","modified":"1970-01-01T00:00:01Z","name":"a b","size":3}"#
        );
        entry.modified = None;
        assert_eq!(document(&entry, "x")["modified"], Value::Null);
        assert_eq!(name_below("in/a b", ""), "in/a b");
        assert_eq!(name_below("inner", "in"), "inner");
    }
}
