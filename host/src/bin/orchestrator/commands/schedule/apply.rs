//! `schedule apply`: makes the schedules those of the configuration file.

use orchestrator_host::node::{Error, ScheduleAnswer, ScheduleAsk};
use orchestrator_host::schedule::Change;

use super::{ask, document};
use crate::args::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::output;
use crate::report::Failure;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A schedule in the file:
  [schedule.nightly]
  workflow = \"pull.wasm\"
  cron = \"0 2 * * mon-fri\"
  tz = \"Europe/Berlin\"
  sites = [\"acme\"]
  dirs = { in = \"/srv/in\" }
  input = { site = \"acme\", from = \"/out\", to = \"in\" }

What `schedule add` made stays, unless it has a name of the file.")]
pub(super) struct Args {
    /// Only show what would change
    #[arg(long)]
    dry_run: bool,
    /// Remove schedules that an earlier `apply` made and that the file no longer has
    #[arg(long)]
    prune: bool,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let config = context.config()?;
    for schedule in config.schedules.values() {
        for site in &schedule.grants.sites {
            config.site(site)?;
        }
    }
    let desired = config.schedules.values().cloned().collect();
    context.block_on(async {
        let apply = ScheduleAsk::Apply { desired, dry_run: args.dry_run, prune: args.prune };
        let ScheduleAnswer::Applied { changes } = ask(context, config, apply).await? else {
            return Err(Error::unanswered().into());
        };
        match context.format {
            Format::Json | Format::Jsonl => output::json(&document::changes(&changes, args.dry_run))?,
            Format::Text => {
                output::print(&text(&changes))?;
                let (count, done) = (changes.len(), if args.dry_run { "would be" } else { "were" });
                output::say(format_args!("{count} schedules {done} changed"));
            }
        }
        Ok(Exit::Ok)
    })
}

fn text(changes: &[Change]) -> String {
    let mut text = String::new();
    for change in changes {
        match change {
            Change::Add { name } => text.push_str(&format!("+ {name}\n")),
            Change::Remove { name } => text.push_str(&format!("- {name}\n")),
            Change::Edit { name, differences } => {
                text.push_str(&format!("~ {name}\n"));
                for one in differences {
                    text.push_str(&format!("    {}: {} → {}\n", one.field, one.from, one.to));
                }
            }
        }
    }
    text
}
