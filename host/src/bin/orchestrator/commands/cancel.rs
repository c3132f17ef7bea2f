//! `cancel RUN`: has a run cancelled, and sees it to its end.

use orchestrator_host::node::{Request, RunRef};

use super::drive;
use crate::context::Context;
use crate::exit::Exit;
use crate::report::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run, or the first letters of its id
    #[arg(value_name = "RUN")]
    run: String,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let (config, run) = drive::or_refused(context, || {
        let config = context.config()?;
        let run = RunRef::Prefix(args.run);
        super::runs::must_have_state(&config, &run)?;
        Ok((config, run))
    })?;
    let exit = context.block_on(drive::run(context, config, Request::Cancel { run }, None))?;
    // That the run is cancelled is what was asked for.
    Ok(if exit == Exit::Cancelled { Exit::Ok } else { exit })
}
