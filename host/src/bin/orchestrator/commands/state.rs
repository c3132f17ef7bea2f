//! `state check|backup|restore`

use std::path::{Path, PathBuf};

use orchestrator_host::config::Config;
use orchestrator_host::node::{self, Counts, Error, Reply, Request};
use serde_json::json;

use super::drive::ask;
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
    /// Read all of it and compare it with itself
    Check,
    /// Write all of it to one file, while runs go on
    Backup {
        /// The file; one that is there is replaced once the new one is whole
        file: PathBuf,
    },
    /// Make a state from a backup, where there is none; runs that hadn't ended are paused
    Restore {
        /// The backup
        file: PathBuf,
    },
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let config = context.config()?;
    match args.command {
        Command::Check => check(context, config),
        Command::Backup { file } => backup(context, config, &file),
        Command::Restore { file } => restore(context, &config, &file),
    }
}

/// Fails where there is no state: looking for one shouldn't make it.
fn must_be_there(config: &Config) -> Result<(), Failure> {
    let state = &config.state.0;
    if state.exists() {
        return Ok(());
    }
    Err(Failure::new(Exit::NotFound, "file.not-found", format!("there is no state in {}", state.display()))
        .with_hint("name its folder with --state DIR"))
}

fn check(context: &Context, config: Config) -> Result<Exit, Failure> {
    must_be_there(&config)?;
    let state = config.state.0.clone();
    context.block_on(async {
        let Reply::Checked { report } = ask(context, config, Request::Check).await? else {
            return Err(Error::unanswered().into());
        };
        match context.format {
            Format::Text => output::line(format_args!(
                "{}: {}, {} wrong",
                state.display(),
                words(report.holds),
                report.problems.len()
            ))?,
            Format::Json | Format::Jsonl => output::json(&json!({
                "$type": "orchestrator.state-check/1",
                "state": state,
                "holds": report.holds,
                "problems": report.problems,
            }))?,
        }
        if report.problems.is_empty() {
            return Ok(Exit::Ok);
        }
        let message = format!("the state in {} is damaged: {}", state.display(), report.problems.join("; "));
        Err(Failure::new(Exit::StateDamaged, "state.damaged", message).with_hint(
            "move the folder aside and keep it; `orchestrator state restore FILE` brings back a backup",
        ))
    })
}

fn backup(context: &Context, config: Config, file: &Path) -> Result<Exit, Failure> {
    must_be_there(&config)?;
    let to = context.absolute(file);
    context.block_on(async {
        let asked = Request::Backup { to: to.clone() };
        let Reply::BackedUp { holds } = ask(context, config, asked).await? else {
            return Err(Error::unanswered().into());
        };
        told(context, "backup", &to, holds)
    })
}

fn restore(context: &Context, config: &Config, file: &Path) -> Result<Exit, Failure> {
    let from = context.absolute(file);
    // Looked at first, so that a slip in the name isn't reported as damage.
    std::fs::File::open(&from)
        .map_err(|error| Failure::local(format_args!("read the backup {}", from.display()), &error))?;
    context.block_on(async {
        let holds = node::restore(&config.state.0, &from).await?;
        told(context, "restore", &config.state.0, holds)
    })
}

fn told(context: &Context, done: &str, path: &Path, holds: Counts) -> Result<Exit, Failure> {
    match context.format {
        Format::Text => output::line(format_args!("{}: {}", path.display(), words(holds)))?,
        Format::Json | Format::Jsonl => output::json(&json!({
            "$type": format!("orchestrator.state-{done}/1"), "path": path, "holds": holds,
        }))?,
    }
    Ok(Exit::Ok)
}

fn words(holds: Counts) -> String {
    let Counts { runs, entries, blobs, schedules } = holds;
    format!("{runs} runs, {entries} entries, {blobs} blobs, {schedules} schedules")
}
