//! `schedule …`: which runs are begun when.

mod act;
mod add;
mod apply;
mod backfill;
mod document;
mod look;
mod next;
mod settings;

use orchestrator_host::config::Config;
use orchestrator_host::node::{Error, Reply, Request, ScheduleAnswer, ScheduleAsk, ScheduleDetails};

use super::drive;
use crate::context::Context;
use crate::exit::Exit;
use crate::report::Failure;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orchestrator schedule add nightly pull.wasm --cron \"0 2 * * mon-fri\" --tz Europe/Berlin --site acme
  orchestrator schedule next --cron \"*/15 9-17 * * *\" --tz Asia/Shanghai -n 3
  orchestrator schedule pause nightly --reason \"acme moves its server\"
  orchestrator schedule backfill nightly --from 2026-12-01 --to 2026-12-05 --failed
  orchestrator schedule apply --dry-run

Schedules fire while `orchestrator serve` runs; all of these work with and without it.")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Add a schedule; says in words when it fires
    Add(add::Add),
    /// The schedules of this state, with the next firing of each
    List,
    /// All that is known of a schedule, with what became of its last firings
    Show(look::Show),
    /// The coming firings of a schedule, or of an expression that isn't one yet
    Next(next::Args),
    /// Change what is named, and nothing else
    Edit(add::Edit),
    /// Let none of its times fire until it is resumed; they aren't made up for
    Pause(act::Pause),
    /// Let a paused schedule fire again, from now on
    Resume(act::Name),
    /// Begin a run now with a schedule's settings, and see it to its end
    Trigger(act::Trigger),
    /// Begin runs for the firings of a span, and see them to their ends
    Backfill(backfill::Args),
    /// Forget a schedule with its history; its runs stay
    Remove(act::Name),
    /// Make the schedules those of the configuration file
    Apply(apply::Args),
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    match args.command {
        Command::Add(args) => add::add(context, args),
        Command::List => look::list(context),
        Command::Show(args) => look::show(context, args),
        Command::Next(args) => next::run(context, args),
        Command::Edit(args) => add::edit(context, args),
        Command::Pause(args) => act::pause(context, args),
        Command::Resume(args) => act::resume(context, args),
        Command::Trigger(args) => act::trigger(context, args),
        Command::Backfill(args) => backfill::run(context, args),
        Command::Remove(args) => act::remove(context, args),
        Command::Apply(args) => apply::run(context, &args),
    }
}

/// Asks something of schedules that is answered at once.
async fn ask(context: &Context, config: Config, ask: ScheduleAsk) -> Result<ScheduleAnswer, Failure> {
    match drive::ask(context, config, Request::Schedule { ask: Box::new(ask) }).await? {
        Reply::Schedule { answer } => Ok(*answer),
        _ => Err(Error::unanswered().into()),
    }
}

/// The same, where one schedule comes back.
async fn ask_one(context: &Context, config: Config, of: ScheduleAsk) -> Result<ScheduleDetails, Failure> {
    match ask(context, config, of).await? {
        ScheduleAnswer::Schedule { schedule } => Ok(*schedule),
        _ => Err(Error::unanswered().into()),
    }
}

/// Fails where there is no state yet: looking for a schedule shouldn't make it.
fn must_have_state(config: &Config, name: &str) -> Result<(), Failure> {
    if config.state.0.exists() {
        return Ok(());
    }
    let message = format!("there is no schedule `{}`", name.escape_debug());
    Err(Failure::new(Exit::NotFound, "schedule.not-found", message)
        .with_hint("`orchestrator schedule add` adds one"))
}
