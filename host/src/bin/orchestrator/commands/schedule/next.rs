//! `schedule next`: coming firings, of a schedule or of an expression.

use orchestrator_host::clock::{Clock, SystemClock};
use orchestrator_host::config::ZONE;
use orchestrator_host::model::Timestamp;
use orchestrator_host::node::ScheduleAsk;
use orchestrator_host::schedule::{self, Rule, Timing, When};
use serde_json::Value;

use super::add::invalid;
use super::{ask_one, document, must_have_state};
use crate::args::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::output;
use crate::report::Failure;

/// The most firings that are printed.
const COUNT_MAX: usize = 100_000;

#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("of").required(true),
    after_help = "\
Examples:
  orchestrator schedule next nightly -n 5
  orchestrator schedule next --cron \"0 2 * * *\" --tz Europe/Berlin --from 2026-03-27T00:00:00Z -n 4 -o json"
)]
pub(super) struct Args {
    /// Which schedule
    #[arg(group = "of")]
    name: Option<String>,
    /// An expression instead
    #[arg(long, value_name = "EXPR", group = "of")]
    cron: Option<String>,
    /// The time zone whose clocks count, with --cron [default: UTC]
    #[arg(long, value_name = "ZONE", requires = "cron")]
    tz: Option<String>,
    /// Only firings after this instant, which isn't counted [default: now]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// How many
    #[arg(short = 'n', long = "max", value_name = "N", default_value_t = 5)]
    max: usize,
}

pub(super) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    if args.max > COUNT_MAX {
        return Err(Failure::usage(format!("-n {}: at most {COUNT_MAX} are printed", args.max)));
    }
    let timing = match (args.name, args.cron) {
        (Some(name), _) => of_schedule(context, name)?,
        (None, cron) => {
            let cron = cron.unwrap_or_default();
            Timing::new(When::Cron(cron), args.tz.as_deref().unwrap_or(ZONE))
        }
    };
    let rule = Rule::new(&timing).map_err(invalid)?;
    let from = match &args.from {
        Some(text) => schedule::parse_instant(text, rule.zone()).map_err(invalid)?,
        None => SystemClock::new().now(),
    };
    let times = std::iter::successors(rule.next(from), |last| rule.next(*last));
    let times: Vec<(Timestamp, String)> = times.take(args.max).map(|at| (at, rule.local(at))).collect();
    let documents = times.iter().map(|(at, local)| document::instant(*at, local));
    match context.format {
        Format::Json => output::json(&Value::Array(documents.collect()))?,
        Format::Jsonl => {
            for document in documents {
                output::json(&document)?;
            }
        }
        Format::Text => {
            let rows = times.iter().map(|(at, local)| [local.clone(), output::rfc3339(*at)]);
            output::say(rule.in_words());
            output::print(&output::table(["LOCAL", "UTC"], rows))?;
        }
    }
    Ok(Exit::Ok)
}

fn of_schedule(context: &Context, name: String) -> Result<Timing, Failure> {
    let config = context.config()?;
    must_have_state(&config, &name)?;
    let mut timing = None;
    context.block_on(async {
        let show = ScheduleAsk::Show { name, next: 1, rows: 0 };
        timing = Some(ask_one(context, config, show).await?.definition.timing);
        Ok(Exit::Ok)
    })?;
    timing.ok_or_else(|| orchestrator_host::node::Error::unanswered().into())
}
