//! `state check`: is the state whole?

use orchestrator_host::model::ByteCount;
use orchestrator_host::node::{Error, Reply, Request, StateReport};
use serde_json::json;

use crate::args::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::output;
use crate::report::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Read all of it: every entry, every blob
    Check,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    match args.command {
        Command::Check => check(context),
    }
}

fn check(context: &Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let state = config.state.0.clone();
    if !state.exists() {
        return Err(Failure::new(
            Exit::NotFound,
            "file.not-found",
            format!("there is no state in {}", state.display()),
        )
        .with_hint("name its folder with --state DIR"));
    }
    context.block_on(async {
        let mut access = context.access(config).await?;
        let Reply::Checked { report } = access.ask(Request::Check).await?.last().await? else {
            return Err(Error::unanswered().into());
        };
        access.finish().await;
        tell(context, &state, &report)
    })
}

fn tell(context: &Context, state: &std::path::Path, report: &StateReport) -> Result<Exit, Failure> {
    let StateReport { runs, entries, blobs, blob_bytes, wrong, findings } = report;
    match context.format {
        Format::Json | Format::Jsonl => output::json(&json!({
            "$type": "orchestrator.state-check/1",
            "state": state, "runs": runs, "entries": entries, "blobs": blobs, "blob_bytes": blob_bytes,
            "wrong": wrong, "findings": findings,
        }))?,
        Format::Text => output::line(format_args!(
            "{}: {runs} runs, {entries} entries, {blobs} blobs ({}), {wrong} wrong",
            state.display(),
            ByteCount(*blob_bytes)
        ))?,
    }
    if *wrong == 0 {
        return Ok(Exit::Ok);
    }
    let message = format!("the state in {} is damaged: {}", state.display(), findings.join("; "));
    Err(Failure::new(Exit::StateDamaged, "state.damaged", message)
        .with_hint("`orchestrator state restore` brings back a backup; keep the damaged folder until then"))
}
