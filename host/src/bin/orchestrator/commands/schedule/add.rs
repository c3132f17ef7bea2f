//! `schedule add` and `schedule edit`.

use std::path::PathBuf;

use clap::ValueEnum;
use orchestrator_host::config::{Environment, ZONE, environment};
use orchestrator_host::model::Grants;
use orchestrator_host::node::{ScheduleAsk, ScheduleDetails};
use orchestrator_host::schedule::{Definition, Field, Patch, Timing, When};

use super::settings::{Settings, of_invalid};
use super::{ask_one, document};
use crate::args::Format;
use crate::commands::run::workflow;
use crate::context::Context;
use crate::exit::Exit;
use crate::output;
use crate::report::Failure;

/// Arguments of `schedule add`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orchestrator schedule add nightly pull.wasm --cron \"0 2 * * *\" --tz Asia/Shanghai --site acme --dir in=/srv/in
  orchestrator schedule add poll pull.wasm --cron \"@every 15m\" --overlap queue-one -i site=acme
  orchestrator schedule add once pull.wasm --at 2026-12-01T02:00 --tz Europe/Berlin
  orchestrator schedule add report r.wasm --cron \"0 4 * * 1-5\" --exclude 2026-12-25 --expect-by 06:00")]
pub(super) struct Add {
    /// Its name: letters, digits, `-` and `_`
    name: String,
    /// The workflow: a WebAssembly component. Its runs are pinned to what the file holds now
    #[arg(value_name = "W.wasm")]
    workflow: PathBuf,
    #[command(flatten)]
    settings: Settings,
    /// Begin paused, and why
    #[arg(long, value_name = "REASON")]
    paused: Option<String>,
}

/// Arguments of `schedule edit`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What isn't named stays as it is. Another workflow, or another content of its file, is pinned only with
--workflow. Another timing counts from now on.

Examples:
  orchestrator schedule edit nightly --cron \"30 2 * * *\"
  orchestrator schedule edit nightly --workflow pull.wasm
  orchestrator schedule edit nightly --clear expect-by --clear exclusions")]
pub(super) struct Edit {
    /// Which
    name: String,
    /// Pin its runs to what this file holds now
    #[arg(long, value_name = "W.wasm")]
    workflow: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    /// Take something away again
    #[arg(long, value_name = "WHAT")]
    clear: Vec<Clear>,
}

/// What can be taken away.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Clear {
    RateLimit,
    RunTime,
    Start,
    End,
    Firings,
    Jitter,
    Exclusions,
    Concurrency,
    PauseOnFailure,
    ExpectBy,
}

impl From<Clear> for Field {
    fn from(clear: Clear) -> Self {
        match clear {
            Clear::RateLimit => Self::RateLimit,
            Clear::RunTime => Self::RunTime,
            Clear::Start => Self::Start,
            Clear::End => Self::End,
            Clear::Firings => Self::Firings,
            Clear::Jitter => Self::Jitter,
            Clear::Exclusions => Self::Exclusions,
            Clear::Concurrency => Self::Concurrency,
            Clear::PauseOnFailure => Self::PauseOnFailure,
            Clear::ExpectBy => Self::ExpectBy,
        }
    }
}

pub(super) fn add(context: &Context, args: Add) -> Result<Exit, Failure> {
    let config = context.config()?;
    if !args.settings.says_when() {
        return Err(Failure::usage("it isn't said when the schedule fires")
            .with_hint("name --cron \"0 2 * * *\", --cron \"@every 15m\" or --at 2026-12-01T02:00"));
    }
    let file = workflow(context, &args.workflow)?;
    let zone = args.settings.zone().unwrap_or(ZONE).to_owned();
    let patch = args.settings.patch(context, &config, &zone)?;
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    // The patch says when; this stands for it until then.
    let timing = Timing::new(patch.when.clone().unwrap_or(When::Cron(String::new())), zone);
    let mut definition = Definition::new(args.name, stem, timing);
    definition.file = Some(file);
    definition.grants = Grants { config: config.file.clone(), ..Grants::default() };
    patch.apply(&mut definition);
    definition.check().map_err(|error| Failure::from(error.to_fault()))?;
    let by = user(&context.environment);
    let paused = args.paused.map(|reason| (reason, by));
    let definition = Box::new(definition);
    context.block_on(async {
        let added = ask_one(context, config, ScheduleAsk::Add { definition, paused }).await?;
        told(context, "added", &added)
    })
}

pub(super) fn edit(context: &Context, args: Edit) -> Result<Exit, Failure> {
    let config = context.config()?;
    super::must_have_state(&config, &args.name)?;
    let pinned = args.workflow.as_deref().map(|path| workflow(context, path)).transpose()?;
    context.block_on(async {
        let zone = match args.settings.zone() {
            Some(zone) => zone.to_owned(),
            // Local times are by the clocks that the schedule has.
            None if args.settings.has_times() => {
                let show = ScheduleAsk::Show { name: args.name.clone(), next: 1, rows: 0 };
                ask_one(context, config.clone(), show).await?.definition.timing.zone
            }
            None => ZONE.to_owned(),
        };
        let mut patch = args.settings.patch(context, &config, &zone)?;
        patch.clear = args.clear.into_iter().map(Field::from).collect();
        patch.workflow = pinned.map(|file| {
            let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            (stem, file)
        });
        if patch == Patch::default() {
            return Err(Failure::usage("nothing is named that is to change")
                .with_hint("`orchestrator schedule edit --help` shows what can be"));
        }
        let patch = Box::new(patch);
        let edited = ask_one(context, config, ScheduleAsk::Edit { name: args.name, patch }).await?;
        told(context, "changed", &edited)
    })
}

/// Who sits there.
pub(super) fn user(environment: &Environment) -> String {
    environment.text(environment::USER).unwrap_or("somebody").to_owned()
}

/// Says how a schedule stands after a change: when it fires in words, and the next instants.
pub(super) fn told(context: &Context, done: &str, schedule: &ScheduleDetails) -> Result<Exit, Failure> {
    if context.format == Format::Text {
        output::say(format_args!("{done} {}: {}", schedule.definition.name, schedule.words));
        if let Some(pause) = &schedule.paused {
            output::say(format_args!("it is paused by {}: {}", pause.by, pause.reason));
        }
        for next in &schedule.next {
            output::say(format_args!("next: {}  ({})", next.local, output::rfc3339(next.nominal)));
        }
    } else {
        output::json(&document::schedule(schedule))?;
    }
    Ok(Exit::Ok)
}

/// What can't be meant of an expression, for those who only ask.
pub(super) fn invalid(invalid: orchestrator_host::schedule::Invalid) -> Failure {
    of_invalid(invalid)
}
