//! `schedule backfill`: the firings of a span once more, or for the first time.

use orchestrator_host::node::{Error, Reply, Request, ScheduleAnswer, ScheduleAsk};
use orchestrator_host::schedule::{self, Backfill, End, Filled, Which};
use serde_json::{Value, json};

use super::add::invalid;
use super::{ask, ask_one, document, must_have_state};
use crate::args::Format;
use crate::commands::drive;
use crate::context::Context;
use crate::exit::Exit;
use crate::output;
use crate::report::Failure;
use crate::signals::Signals;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The runs are begun beside the schedule's own, so many at a time as --parallel says. One that is interrupted
is begun again by the same command: firings that have a run are left out, but for --failed and --all.

Examples:
  orchestrator schedule backfill nightly --from 2026-12-01 --to 2026-12-05 --dry-run
  orchestrator schedule backfill nightly --from 2026-12-01 --to 2026-12-05T12:00 --failed --parallel 2")]
pub(super) struct Args {
    /// Which schedule
    name: String,
    /// From this instant on, which counts; by the clocks of the schedule's zone, or with an offset
    #[arg(long, value_name = "TIME")]
    from: String,
    /// Up to this instant, which counts
    #[arg(long, value_name = "TIME")]
    to: String,
    /// Firings for which no run was ever begun; this is what is done if nothing is said
    #[arg(long, group = "which")]
    missed: bool,
    /// Firings whose last run failed, was cancelled, or couldn't be begun
    #[arg(long, group = "which")]
    failed: bool,
    /// All firings, also those whose runs are done
    #[arg(long, group = "which")]
    all: bool,
    /// So many runs at a time, 1 to 64
    #[arg(long, value_name = "N", default_value_t = 1)]
    parallel: usize,
    /// The latest first
    #[arg(long)]
    reverse: bool,
    /// Only show which they are
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let config = context.config()?;
    must_have_state(&config, &args.name)?;
    context.block_on(async {
        let show = ScheduleAsk::Show { name: args.name.clone(), next: 1, rows: 0 };
        let timing = ask_one(context, config.clone(), show).await?.definition.timing;
        let zone = schedule::zone(&timing.zone).map_err(invalid)?;
        let instant = |text: &str| schedule::parse_instant(text, &zone).map_err(invalid);
        let which = match (args.failed, args.all) {
            (true, _) => Which::Failed,
            (false, true) => Which::All,
            (false, false) => Which::Missed,
        };
        let (from, to) = (instant(&args.from)?, instant(&args.to)?);
        let backfill = Backfill { from, to, which, parallel: args.parallel, reverse: args.reverse };
        let wanted = ScheduleAsk::Backfill { name: args.name, backfill, dry_run: args.dry_run };
        if args.dry_run {
            return match ask(context, config, wanted).await? {
                ScheduleAnswer::Planned { times } => {
                    let documents = times.iter().map(|next| document::instant(next.nominal, &next.local));
                    match context.format {
                        Format::Json => output::json(&Value::Array(documents.collect()))?,
                        Format::Jsonl => documents.into_iter().try_for_each(|one| output::json(&one))?,
                        Format::Text => {
                            let rows =
                                times.iter().map(|next| [next.local.clone(), output::rfc3339(next.nominal)]);
                            output::print(&output::table(["LOCAL", "UTC"], rows))?;
                            output::say(format_args!("{} runs would be begun", times.len()));
                        }
                    }
                    Ok(Exit::Ok)
                }
                _ => Err(Error::unanswered().into()),
            };
        }
        let filled = fill(context, config, wanted).await?;
        report(context, &filled)
    })
}

/// Sees a backfill to its end. A signal ends its runs so that they can be resumed.
async fn fill(
    context: &Context,
    config: orchestrator_host::config::Config,
    wanted: ScheduleAsk,
) -> Result<Vec<Filled>, Failure> {
    let mut signals = Signals::listen()?;
    let mut access = context.access(config).await?;
    let mut call = access.ask(Request::Schedule { ask: Box::new(wanted) }).await?;
    let interrupting = call.interrupter();
    loop {
        let reply = tokio::select! {
            reply = call.next() => reply,
            _ = signals.next() => {
                output::say("ending in good order; `orchestrator resume` goes on with what was under way");
                interrupting.interrupt(&access).await;
                continue;
            }
        };
        match reply {
            Some(Reply::Schedule { answer }) => match *answer {
                ScheduleAnswer::Filling { filled } => say(context, &filled),
                ScheduleAnswer::Filled { filled } => {
                    drive::leave(&access).await?;
                    return Ok(filled);
                }
                _ => return Err(Error::unanswered().into()),
            },
            Some(Reply::Error { error }) => return Err(error.into()),
            Some(_) | None => return Err(Error::unanswered().into()),
        }
    }
}

fn say(context: &Context, filled: &Filled) {
    if context.verbosity < 0 {
        return;
    }
    let at = output::rfc3339(filled.nominal);
    match (&filled.run, filled.ended, &filled.reason) {
        (_, _, Some(reason)) => output::say(format_args!("{at}: {reason}")),
        (Some(run), None, _) => output::say(format_args!("{at}: run {run}")),
        (Some(run), Some(end), _) => output::say(format_args!("{at}: run {run}: {}", end.as_str())),
        (None, ..) => {}
    }
}

fn report(context: &Context, filled: &[Filled]) -> Result<Exit, Failure> {
    let failed = filled.iter().filter(|one| one.ended != Some(End::Done)).count();
    let documents: Vec<Value> = filled.iter().map(document::filled).collect();
    match context.format {
        Format::Json => {
            output::json(&json!({ "$type": "orchestrator.schedule-backfilled/1", "firings": documents }))?;
        }
        Format::Jsonl => documents.iter().try_for_each(output::json)?,
        Format::Text => output::say(format_args!("{} done, {failed} not", filled.len() - failed)),
    }
    if failed == 0 {
        return Ok(Exit::Ok);
    }
    Err(Failure::new(Exit::Failed, "schedule.backfill", format!("{failed} of {} runs failed", filled.len()))
        .with_hint("look at them with `orchestrator list`; `--failed` does only those once more"))
}
