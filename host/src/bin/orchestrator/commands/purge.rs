//! `purge`: forgets runs that have ended.

use std::time::Duration;

use orchestrator_host::config::parse_duration;
use orchestrator_host::node::{Error, Reply, Request};
use serde_json::json;

use super::drive::ask;
use super::runs;
use crate::args::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::output;
use crate::report::Failure;

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true))]
pub(crate) struct Args {
    /// These runs, by their ids or the first letters of them; they must have ended
    #[arg(value_name = "RUN", group = "which")]
    runs: Vec<String>,
    /// Only runs that ended so long ago, as `30d`
    #[arg(long, value_name = "AGE", group = "which", value_parser = parse_duration)]
    older_than: Option<Duration>,
    /// Let so many of the newest stay
    #[arg(long, value_name = "N", group = "which")]
    keep: Option<usize>,
    /// Only show which they are
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let config = context.config()?;
    let dry_run = args.dry_run;
    let request = Request::Purge {
        runs: args.runs.clone(),
        older_than_ms: args.older_than.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        keep: args.keep.unwrap_or(0),
        dry_run,
    };
    context.block_on(async {
        let purged = if config.state.0.exists() {
            match ask(context, config, request).await? {
                Reply::Runs { runs } => runs,
                _ => return Err(Error::unanswered().into()),
            }
        } else if let Some(wanted) = args.runs.into_iter().next() {
            return Err(Error::NoSuchRun { wanted }.into());
        } else {
            Vec::new()
        };
        match context.format {
            Format::Json => output::json(&json!({
                "$type": "orchestrator.purged/1", "dry_run": dry_run, "runs": runs::documents(&purged),
            }))?,
            Format::Jsonl => runs::documents(&purged).iter().try_for_each(output::json)?,
            Format::Text => {
                output::print(&runs::table(&purged))?;
                let (count, runs) = (purged.len(), if purged.len() == 1 { "run" } else { "runs" });
                let done = if dry_run { "would be removed" } else { "removed" };
                output::say(format_args!("{count} {runs} {done}"));
            }
        }
        Ok(Exit::Ok)
    })
}
