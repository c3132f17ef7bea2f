//! `retry RUN`: a run that has ended goes back to one of its steps, and on from there.

use orchestrator_host::model::StepSeq;
use orchestrator_host::node::{Request, RunRef};

use super::drive;
use super::runs;
use crate::context::Context;
use crate::exit::Exit;
use crate::report::Failure;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Steps before STEP keep their results. What STEP and those after it did stays done, and is \
                        done again: look first what that means on the servers (`orchestrator history RUN`)."
)]
pub(crate) struct Args {
    /// The run, or the first letters of its id
    #[arg(value_name = "RUN")]
    run: String,
    /// The first step to be done again [default: the last one that gave the workflow a fault]
    #[arg(long, value_name = "STEP")]
    from: Option<u64>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let (config, request) = drive::or_refused(context, || {
        let run = RunRef::Prefix(args.run);
        let config = context.config()?;
        runs::must_have_state(&config, &run)?;
        Ok((config, Request::Retry { run, from: args.from.map(StepSeq) }))
    })?;
    context.block_on(drive::run(context, config, request, None))
}
