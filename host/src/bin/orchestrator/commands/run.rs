//! `run W.wasm`: begins a run and sees it to its end.

use std::path::{Path, PathBuf};

use orchestrator_host::config::{Config, parse_size};
use orchestrator_host::model::{FolderGrant, Grants};
use orchestrator_host::node::Request;

use super::drive;
use crate::context::Context;
use crate::exit::Exit;
use crate::inputs::{self, Pair};
use crate::report::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The workflow: a WebAssembly component
    #[arg(value_name = "W.wasm")]
    workflow: PathBuf,
    /// A field of the input. Numbers, true, false, null, objects and lists are taken as JSON,
    /// anything else as text; KEY:=JSON takes any JSON, also text in quotes
    #[arg(short, long = "field", value_name = "KEY=VALUE")]
    input: Vec<Pair>,
    /// The input as a JSON file, `-` for standard input; fields given by -i come on top
    #[arg(long = "input", value_name = "FILE|-")]
    file: Option<PathBuf>,
    /// A site that the workflow may use
    #[arg(long = "site", value_name = "NAME")]
    sites: Vec<String>,
    /// A folder that the workflow may use, as NAME/…
    #[arg(long = "dir", value_name = "NAME=PATH", value_parser = folder)]
    folders: Vec<(String, PathBuf)>,
    /// The most bytes of files per second, all transfers of the run together, as 2MiB; it is not kept with
    /// the run, so a later resume has none
    #[arg(long, value_name = "SIZE", value_parser = rate)]
    rate_limit: Option<u64>,
    /// When the run has ended, write the metrics to this file, for a collector of such files
    #[arg(long, value_name = "FILE")]
    metrics_file: Option<PathBuf>,
}

/// `2MiB`
pub(crate) fn rate(text: &str) -> Result<u64, String> {
    match parse_size(text)? {
        0 => Err("a limit slows, it doesn't stop: write at least 1B".to_owned()),
        rate => Ok(rate),
    }
}

/// `NAME=PATH`
pub(crate) fn folder(text: &str) -> Result<(String, PathBuf), String> {
    let (name, path) = text.split_once('=').ok_or("write NAME=PATH, as `out=/srv/out`")?;
    if name.is_empty()
        || name == "."
        || name == ".."
        || name.contains('/')
        || name.chars().any(char::is_control)
    {
        return Err(format!("`{}` can't be the first part of a path", name.escape_debug()));
    }
    if path.is_empty() {
        return Err("the path is missing after the `=`".to_owned());
    }
    Ok((name.to_owned(), PathBuf::from(path)))
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let request = drive::or_refused(context, || {
        let config = context.config()?;
        let input = inputs::read(context, args.file.as_deref(), args.input)?;
        let grants = grants(context, &config, args.sites, args.folders)?;
        let workflow = workflow(context, &args.workflow)?;
        Ok((config, Request::Run { workflow, input, grants, rate_limit: args.rate_limit }))
    });
    let (config, request) = request?;
    let metrics = args.metrics_file.map(|file| context.absolute(&file));
    context.block_on(drive::run(context, config, request, metrics.as_deref()))
}

/// The absolute path of a workflow, which can be read. It is looked at here, where the path was typed:
/// whoever holds the state may stand elsewhere.
pub(crate) fn workflow(context: &Context, typed: &Path) -> Result<PathBuf, Failure> {
    let workflow = context.absolute(typed);
    let opened = std::fs::File::open(&workflow)
        .and_then(|file| file.metadata())
        .map_err(|error| Failure::local(format_args!("read the workflow {}", workflow.display()), &error))?;
    if opened.is_dir() {
        return Err(Failure::usage(format!("{} is a folder, not a workflow", workflow.display())));
    }
    Ok(workflow)
}

/// What the run may reach, checked while somebody is there to be told.
pub(crate) fn grants(
    context: &Context,
    config: &Config,
    sites: Vec<String>,
    folders: Vec<(String, PathBuf)>,
) -> Result<Grants, Failure> {
    for name in &sites {
        config.site(name)?;
    }
    let mut granted: Vec<FolderGrant> = Vec::new();
    for (name, path) in folders {
        if granted.iter().any(|grant| grant.name == name) {
            return Err(Failure::usage(format!("--dir {name}=… is given twice")));
        }
        granted.push(FolderGrant { path: existing_folder(&context.absolute(&path))?, name });
    }
    Ok(Grants { sites, folders: granted, config: config.file.clone() })
}

/// A folder without links in its path, so that a resumed run finds the same one.
fn existing_folder(path: &Path) -> Result<PathBuf, Failure> {
    let doing = || format!("grant the folder {}", path.display());
    let real = std::fs::canonicalize(path).map_err(|error| {
        Failure::local(doing(), &error).with_hint(format!("make it first: mkdir -p {}", path.display()))
    })?;
    if !real.is_dir() {
        return Err(Failure::usage(format!("{}: it is a file", doing())));
    }
    Ok(real)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_a_plain_name_and_a_path() {
        assert_eq!(folder("out=/srv/a=b"), Ok(("out".to_owned(), PathBuf::from("/srv/a=b"))));
        for wrong in ["out", "=x", "a/b=x", "..=x", "out="] {
            assert!(folder(wrong).is_err(), "{wrong}");
        }
    }
}
