//! `export RUN FILE` and `import FILE`: a run with all that it refers to, as one file.

use std::path::PathBuf;

use orchestrator_host::node::{Error, Reply, Request, RunRef};
use serde_json::json;

use super::drive::ask;
use super::runs;
use crate::args::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::output;
use crate::report::Failure;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The file holds the workflow, its input, all that it was told, and the seed of its random \
                        numbers; no passwords. It is readable by its owner only."
)]
pub(crate) struct Export {
    /// The run, or the first letters of its id
    #[arg(value_name = "RUN")]
    run: String,
    /// The file; one that is there is replaced once the new one is whole
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "An imported run can be looked at and replayed, but not gone on with: it may be going on \
                        where it came from."
)]
pub(crate) struct Import {
    /// What `export` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(crate) fn export(context: &Context, args: Export) -> Result<Exit, Failure> {
    let config = context.config()?;
    let run = RunRef::Prefix(args.run);
    runs::must_have_state(&config, &run)?;
    let to = context.absolute(&args.file);
    context.block_on(async {
        let request = Request::Export { run, to: to.clone() };
        let Reply::BackedUp { holds } = ask(context, config, request).await? else {
            return Err(Error::unanswered().into());
        };
        match context.format {
            Format::Text => output::line(format_args!(
                "{}: {} entries, {} blobs",
                to.display(),
                holds.entries,
                holds.blobs
            ))?,
            Format::Json | Format::Jsonl => {
                output::json(&json!({ "$type": "orchestrator.export/1", "path": to, "holds": holds }))?;
            }
        }
        Ok(Exit::Ok)
    })
}

pub(crate) fn import(context: &Context, args: &Import) -> Result<Exit, Failure> {
    let config = context.config()?;
    let from = context.absolute(&args.file);
    // Looked at first, so that a slip in the name isn't reported as damage.
    std::fs::File::open(&from)
        .map_err(|error| Failure::local(format_args!("read the export {}", from.display()), &error))?;
    context.block_on(async {
        let Reply::Runs { runs } = ask(context, config, Request::Import { from }).await? else {
            return Err(Error::unanswered().into());
        };
        match context.format {
            Format::Text => output::print(&runs::table(&runs))?,
            Format::Json => {
                output::json(&json!({ "$type": "orchestrator.imported/1", "runs": runs::documents(&runs) }))?
            }
            Format::Jsonl => runs::documents(&runs).iter().try_for_each(output::json)?,
        }
        Ok(Exit::Ok)
    })
}
