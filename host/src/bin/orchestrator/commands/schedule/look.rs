//! `schedule list` and `schedule show`.

use orchestrator_host::node::{Error, ScheduleAnswer, ScheduleAsk, ScheduleDetails, ScheduleRow};
use orchestrator_host::schedule::What;
use serde_json::{Value, json};

use super::{ask, ask_one, document, must_have_state};
use crate::args::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::output;
use crate::report::Failure;

/// Arguments of `schedule show`.
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// Which
    name: String,
    /// So many rows of its history, the latest first
    #[arg(short = 'n', long = "max", value_name = "N", default_value_t = 20)]
    max: usize,
}

pub(super) fn list(context: &Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    context.block_on(async {
        let schedules = if config.state.0.exists() {
            match ask(context, config, ScheduleAsk::List).await? {
                ScheduleAnswer::Schedules { schedules } => schedules,
                _ => return Err(Error::unanswered().into()),
            }
        } else {
            Vec::new()
        };
        let documents: Vec<Value> = schedules.iter().map(document::schedule).collect();
        match context.format {
            Format::Json => {
                output::json(&json!({ "$type": "orchestrator.schedules/1", "schedules": documents }))?;
            }
            Format::Jsonl => documents.iter().try_for_each(output::json)?,
            Format::Text => output::print(&table(&schedules))?,
        }
        Ok(Exit::Ok)
    })
}

fn table(schedules: &[ScheduleDetails]) -> String {
    let rows = schedules.iter().map(|schedule| {
        let note = match (&schedule.paused, schedule.late) {
            (Some(pause), _) => pause.reason.clone(),
            (None, Some(_)) => "late: no run has succeeded in time".to_owned(),
            (None, None) => String::new(),
        };
        [
            schedule.definition.name.clone(),
            schedule.state.clone(),
            schedule.definition.workflow.clone(),
            schedule.words.clone(),
            schedule.next.first().map_or_else(String::new, |next| next.local.clone()),
            schedule.last_end.map_or("", |(end, _)| end.as_str()).to_owned(),
            note,
        ]
    });
    output::table(["NAME", "STATE", "WORKFLOW", "WHEN", "NEXT", "LAST", "NOTE"], rows)
}

pub(super) fn show(context: &Context, args: Show) -> Result<Exit, Failure> {
    let config = context.config()?;
    must_have_state(&config, &args.name)?;
    context.block_on(async {
        let show = ScheduleAsk::Show { name: args.name, next: 5, rows: args.max };
        let schedule = ask_one(context, config, show).await?;
        match context.format {
            Format::Text => output::print(&text(&schedule))?,
            Format::Json | Format::Jsonl => output::json(&document::schedule(&schedule))?,
        }
        Ok(Exit::Ok)
    })
}

fn text(schedule: &ScheduleDetails) -> String {
    let definition = &schedule.definition;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| text.push_str(&format!("{name:<12} {value}\n"));
    line("schedule", &definition.name);
    line("state", &schedule.state);
    if let Some(pause) = &schedule.paused {
        line("paused", &format!("by {} at {}: {}", pause.by, output::local_time(pause.at), pause.reason));
    }
    line("when", &schedule.words);
    for next in &schedule.next {
        line("next", &format!("{}  ({})", next.local, output::rfc3339(next.nominal)));
    }
    line("workflow", &format!("{} (sha256 {})", definition.workflow, schedule.digest));
    line("input", &definition.input.to_string());
    if !definition.grants.sites.is_empty() {
        line("sites", &definition.grants.sites.join(", "));
    }
    for folder in &definition.grants.folders {
        line("folder", &format!("{} = {}", folder.name, folder.path.display()));
    }
    // The plainest way to a name that the flags have too.
    let named = |value: Value| value.as_str().unwrap_or_default().to_owned();
    line("overlap", &named(json!(definition.overlap)));
    line("catch-up", &named(json!(definition.catch_up.which)));
    if let Some(expect_by) = &definition.expect_by {
        line("expect by", expect_by);
    }
    if let Some(late) = schedule.late {
        line("late", &format!("no run had succeeded by {}", output::local_time(late)));
    }
    line("firings", &schedule.firings.to_string());
    for run in &schedule.running {
        line("running", run.as_str());
    }
    if schedule.waiting > 0 {
        line("waiting", &schedule.waiting.to_string());
    }
    if !schedule.rows.is_empty() {
        text.push('\n');
        text.push_str(&history(&schedule.rows));
    }
    text
}

fn history(rows: &[ScheduleRow]) -> String {
    let rows = rows.iter().map(|row| {
        let what = match row.row.what {
            What::Missed { count, more } => format!("missed {count}{}", if more { "+" } else { "" }),
            what => what.as_str().to_owned(),
        };
        let cause = match row.row.cause {
            orchestrator_host::schedule::Cause::Scheduled => String::new(),
            cause => json!(cause).as_str().unwrap_or_default().to_owned(),
        };
        [
            row.local.clone(),
            what,
            row.run.as_ref().map_or_else(String::new, ToString::to_string),
            row.row.ended.map_or("", |(end, _)| end.as_str()).to_owned(),
            cause,
            row.row.reason.clone().unwrap_or_default(),
        ]
    });
    output::table(["TIME", "WHAT", "RUN", "ENDED", "CAUSE", "WHY"], rows)
}
