//! `resume RUN|--last`: goes on with a run where it was, and sees it to its end.

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
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let (config, run) = drive::or_refused(context, || {
        let run = args.run.map_or(RunRef::Last, RunRef::Prefix);
        let config = context.config()?;
        super::runs::must_have_state(&config, &run)?;
        Ok((config, run))
    })?;
    context.block_on(drive::run(context, config, Request::Resume { run }))
}
