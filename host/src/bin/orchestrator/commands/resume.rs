//! `resume RUN|--last`: goes on with a run where it was, and sees it to its end.

use std::path::PathBuf;

use orchestrator_host::node::{Request, RunRef};

use super::drive;
use crate::context::Context;
use crate::exit::Exit;
use crate::report::Failure;

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub(crate) struct Args {
    /// The run, or the first letters of its id
    #[arg(value_name = "RUN", group = "which")]
    run: Option<String>,
    /// The newest run that hasn't ended
    #[arg(long, group = "which")]
    last: bool,
    /// Go on with this workflow instead of the one that the run was begun with. It is first replayed
    /// along all that is recorded; where it does anything else, the run stays as it was
    #[arg(long, value_name = "W.wasm")]
    workflow: Option<PathBuf>,
    /// The most bytes of files per second, all transfers of the run together, as 2MiB; it is not kept with
    /// the run, so a later resume has none
    #[arg(long, value_name = "SIZE", value_parser = super::run::rate)]
    rate_limit: Option<u64>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let (config, request) = drive::or_refused(context, || {
        let run = args.run.map_or(RunRef::Last, RunRef::Prefix);
        let config = context.config()?;
        super::runs::must_have_state(&config, &run)?;
        let workflow = args.workflow.map(|path| super::run::workflow(context, &path)).transpose()?;
        Ok((config, Request::Resume { run, workflow, rate_limit: args.rate_limit }))
    })?;
    context.block_on(drive::run(context, config, request, None))
}
