//! `signal RUN NAME [JSON]`: tells a run something, which it receives now or later.

use orchestrator_host::node::{Error, Reply, Request, RunRef};
use serde_json::json;

use super::drive::ask;
use crate::args::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::output;
use crate::report::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run, or the first letters of its id
    #[arg(value_name = "RUN")]
    run: String,
    /// The signal's name, as the workflow receives it
    #[arg(value_name = "NAME")]
    name: String,
    /// What it says, as JSON
    #[arg(value_name = "JSON", default_value = "null")]
    payload: String,
    /// Names this very signal, so that it can be sent again where it isn't known whether it came
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let config = context.config()?;
    let run = RunRef::Prefix(args.run);
    super::runs::must_have_state(&config, &run)?;
    let request = Request::Signal { run, name: args.name.clone(), payload: args.payload, id: args.id };
    context.block_on(async {
        let Reply::Signalled { run, again } = ask(context, config, request).await? else {
            return Err(Error::unanswered().into());
        };
        match context.format {
            Format::Text if again => output::say(format_args!("run {run} has this signal already")),
            Format::Text => output::say(format_args!("sent to run {run}")),
            Format::Json | Format::Jsonl => output::json(&json!({
                "$type": "orchestrator.signalled/1", "run": run, "name": args.name, "again": again,
            }))?,
        }
        Ok(Exit::Ok)
    })
}
