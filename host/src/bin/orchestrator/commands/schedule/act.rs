//! `schedule pause`, `resume`, `trigger` and `remove`.

use orchestrator_host::node::{Error, Request, ScheduleAnswer, ScheduleAsk};
use orchestrator_host::schedule::Overlap;

use super::add::{told, user};
use super::settings::OnOverlap;
use super::{ask, ask_one, must_have_state};
use crate::args::Format;
use crate::commands::drive;
use crate::context::Context;
use crate::exit::Exit;
use crate::output;
use crate::report::Failure;

/// Arguments of `schedule resume` and `schedule remove`.
#[derive(Debug, clap::Args)]
pub(super) struct Name {
    /// Which
    name: String,
}

/// Arguments of `schedule pause`.
#[derive(Debug, clap::Args)]
pub(super) struct Pause {
    /// Which
    name: String,
    /// Why; `schedule list` shows it
    #[arg(long, value_name = "WHY")]
    reason: String,
}

/// Arguments of `schedule trigger`.
#[derive(Debug, clap::Args)]
pub(super) struct Trigger {
    /// Which; also one that is paused
    name: String,
    /// What happens when a run of it is still under way, instead of what the schedule says
    #[arg(long, value_name = "WHAT")]
    overlap: Option<OnOverlap>,
}

pub(super) fn pause(context: &Context, args: Pause) -> Result<Exit, Failure> {
    let config = context.config()?;
    must_have_state(&config, &args.name)?;
    let by = user(&context.environment);
    context.block_on(async {
        let pause = ScheduleAsk::Pause { name: args.name, reason: args.reason, by };
        told(context, "paused", &ask_one(context, config, pause).await?)
    })
}

pub(super) fn resume(context: &Context, args: Name) -> Result<Exit, Failure> {
    let config = context.config()?;
    must_have_state(&config, &args.name)?;
    context.block_on(async {
        let resume = ScheduleAsk::Resume { name: args.name };
        told(context, "resumed", &ask_one(context, config, resume).await?)
    })
}

pub(super) fn remove(context: &Context, args: Name) -> Result<Exit, Failure> {
    let config = context.config()?;
    must_have_state(&config, &args.name)?;
    context.block_on(async {
        let remove = ScheduleAsk::Remove { name: args.name.clone() };
        match ask(context, config, remove).await? {
            ScheduleAnswer::Removed => {}
            _ => return Err(Error::unanswered().into()),
        }
        if context.format == Format::Text {
            output::say(format_args!("removed {}; its runs stay", args.name));
        } else {
            output::json(
                &serde_json::json!({ "$type": "orchestrator.schedule-removed/1", "name": args.name }),
            )?;
        }
        Ok(Exit::Ok)
    })
}

pub(super) fn trigger(context: &Context, args: Trigger) -> Result<Exit, Failure> {
    let config = context.config()?;
    must_have_state(&config, &args.name)?;
    let overlap = args.overlap.map(Overlap::from);
    let ask = Box::new(ScheduleAsk::Trigger { name: args.name, overlap });
    context.block_on(drive::run(context, config, Request::Schedule { ask }, None))
}
