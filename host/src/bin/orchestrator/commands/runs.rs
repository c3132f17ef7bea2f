//! `list`, `show`, `history` and `logs`: looking at runs.

use orchestrator_host::config::Config;
use orchestrator_host::model::{RunId, RunStatus};
use orchestrator_host::node::{Entry, Error, Reply, Request, RunDetails, RunRef, RunSummary};
use serde_json::{Map, Value, json};

use super::drive::{ask, leave, why_text};
use crate::args::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::output;
use crate::report::Failure;

/// Entries that are asked for at a time.
const PAGE: usize = 1_000;

/// Arguments of `list`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// How many at most, newest first
    #[arg(short = 'n', long = "max", value_name = "N", default_value_t = 50)]
    max: usize,
    /// Only runs that haven't ended
    #[arg(long)]
    open: bool,
    /// Only runs of the workflow of this name
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
}

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// The run, or the first letters of its id [default: the newest]
    #[arg(value_name = "RUN")]
    run: Option<String>,
}

/// Arguments of `history`.
#[derive(Debug, clap::Args)]
pub(crate) struct History {
    /// The run, or the first letters of its id [default: the newest]
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// From this entry on
    #[arg(long, value_name = "N", default_value_t = 1)]
    from: u64,
    /// Only entries of this step
    #[arg(long, value_name = "STEP")]
    step: Option<u64>,
    /// Only entries of this kind, as `step-finished`, or of this call, as `ftp.rename`
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only entries that tell of a fault
    #[arg(long)]
    faults: bool,
}

impl History {
    fn shows(&self, entry: &Entry) -> bool {
        let is_kind = |kind: &str| entry.kind == kind || entry.detail["call"] == kind;
        self.step.is_none_or(|wanted| entry.step.is_some_and(|step| step.0 == wanted))
            && self.kind.as_deref().is_none_or(is_kind)
            && (!self.faults || !entry.detail["fault"].is_null())
    }
}

/// Arguments of `logs`.
#[derive(Debug, clap::Args)]
pub(crate) struct Logs {
    /// The run, or the first letters of its id [default: the newest]
    #[arg(value_name = "RUN")]
    run: Option<String>,
}

/// Fails where there is no state yet: looking at one shouldn't make it.
pub(crate) fn must_have_state(config: &Config, run: &RunRef) -> Result<(), Failure> {
    if config.state.0.exists() {
        return Ok(());
    }
    Err(match run {
        RunRef::Last => Error::NothingToResume,
        RunRef::Prefix(wanted) => Error::NoSuchRun { wanted: wanted.clone() },
    }
    .into())
}

pub(crate) fn list(context: &Context, args: &List) -> Result<Exit, Failure> {
    let config = context.config()?;
    let statuses = if args.open {
        vec![RunStatus::Running, RunStatus::Paused, RunStatus::Cancelling]
    } else {
        Vec::new()
    };
    let request = Request::List { statuses, workflow: args.workflow.clone(), before: None, max: args.max };
    context.block_on(async {
        let runs = if config.state.0.exists() {
            match ask(context, config, request).await? {
                Reply::Runs { runs } => runs,
                _ => return Err(Error::unanswered().into()),
            }
        } else {
            Vec::new()
        };
        match context.format {
            Format::Json => {
                output::json(&json!({ "$type": "orchestrator.runs/1", "runs": documents(&runs) }))?
            }
            Format::Jsonl => documents(&runs).iter().try_for_each(output::json)?,
            Format::Text => output::print(&table(&runs))?,
        }
        Ok(Exit::Ok)
    })
}

pub(super) fn documents(runs: &[RunSummary]) -> Vec<Value> {
    runs.iter().map(summary_document).collect()
}

fn summary_document(run: &RunSummary) -> Value {
    json!({
        "$type": "orchestrator.run-summary/1",
        "run": run.run,
        "workflow": run.workflow,
        "digest": run.digest,
        "status": run.standing(),
        "live": run.live,
        "began_at": output::rfc3339(run.began_at),
        "updated_at": output::rfc3339(run.updated_at),
        "steps": run.last_step,
        "why": run.paused,
        "fault": run.fault,
    })
}

pub(super) fn table(runs: &[RunSummary]) -> String {
    let rows = runs.iter().map(|run| {
        let why = match (&run.fault, run.paused) {
            (Some(fault), _) => first_line(&fault.message),
            (None, Some(why)) => why_text(why).to_owned(),
            (None, None) => String::new(),
        };
        [
            run.run.to_string(),
            run.standing().to_owned(),
            run.workflow.clone(),
            output::local_time(run.began_at),
            run.last_step.to_string(),
            why,
        ]
    });
    output::table(["RUN", "STATUS", "WORKFLOW", "BEGAN", "STEPS", "WHY"], rows)
}

/// The first line of a message, cut to what a row takes.
fn first_line(message: &str) -> String {
    const SHOWN_MAX: usize = 80;
    let line = message.lines().next().unwrap_or_default();
    match line.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

pub(crate) fn show(context: &Context, args: Show) -> Result<Exit, Failure> {
    let config = context.config()?;
    let run = args.run.map_or(RunRef::Last, RunRef::Prefix);
    must_have_state(&config, &run)?;
    context.block_on(async {
        let details = match ask(context, config, Request::Show { run }).await? {
            Reply::Run { run } => run,
            _ => return Err(Error::unanswered().into()),
        };
        match context.format {
            Format::Text => output::print(&details_text(&details))?,
            Format::Json | Format::Jsonl => output::json(&details_document(&details))?,
        }
        Ok(Exit::Ok)
    })
}

fn details_document(details: &RunDetails) -> Value {
    let mut document = summary_document(&details.summary);
    document["$type"] = "orchestrator.run-details/1".into();
    let statuses: serde_json::Map<String, Value> =
        details.statuses.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
    for (key, value) in [
        ("input", details.input.clone()),
        ("output", json!(details.output)),
        ("sites", json!(details.grants.sites)),
        ("folders", json!(details.grants.folders)),
        ("config", json!(details.grants.config)),
        ("statuses", statuses.into()),
        ("checkpoints", json!(details.checkpoints)),
        ("in_doubt", json!(details.in_doubt)),
        ("entries", json!(details.entries)),
        ("journal_bytes", json!(details.journal_bytes)),
    ] {
        document[key] = value;
    }
    document
}

fn details_text(details: &RunDetails) -> String {
    let run = &details.summary;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| text.push_str(&format!("{name:<12} {value}\n"));
    line("run", run.run.as_str());
    line("workflow", &format!("{} (sha256 {})", run.workflow, run.digest));
    line("status", run.standing());
    if let Some(why) = run.paused {
        line("why", why_text(why));
    }
    if let Some(fault) = &run.fault {
        line("fault", &format!("{} ({})", fault.message, fault.code));
    }
    line("began", &output::local_time(run.began_at));
    line("updated", &output::local_time(run.updated_at));
    let doubt = if details.in_doubt { ", the next one may have taken place" } else { "" };
    line("steps", &format!("{}{doubt}", run.last_step));
    line("journal", &format!("{} entries, {} bytes", details.entries, details.journal_bytes));
    line("input", &details.input.to_string());
    if let Some(output) = &details.output {
        line("output", &output.to_string());
    }
    if !details.grants.sites.is_empty() {
        line("sites", &details.grants.sites.join(", "));
    }
    for folder in &details.grants.folders {
        line("folder", &format!("{} = {}", folder.name, folder.path.display()));
    }
    if let Some(config) = &details.grants.config {
        line("config", &config.display().to_string());
    }
    for (key, value) in &details.statuses {
        line("status", &format!("{key} = {value}"));
    }
    if !details.checkpoints.is_empty() {
        line("checkpoints", &details.checkpoints.join(", "));
    }
    text
}

pub(crate) fn history(context: &Context, args: &History) -> Result<Exit, Failure> {
    let mut all = Vec::new();
    each_page(context, args.run.clone(), args.from, |run, entries| {
        let mut shown = entries.iter().filter(|entry| args.shows(entry));
        match context.format {
            Format::Text => output::print(&shown.map(entry_line).collect::<String>())?,
            Format::Jsonl => shown.try_for_each(|entry| output::json(&entry_document(run, entry)))?,
            Format::Json => all.extend(shown.map(|entry| entry_document(run, entry))),
        }
        Ok(())
    })?;
    if context.format == Format::Json {
        output::json(&json!({ "$type": "orchestrator.history/1", "entries": all }))?;
    }
    Ok(Exit::Ok)
}

pub(crate) fn logs(context: &Context, args: Logs) -> Result<Exit, Failure> {
    let mut all = Vec::new();
    each_page(context, args.run, 1, |_, entries| {
        let lines = entries.iter().filter(|entry| entry.kind == "logged");
        match context.format {
            Format::Text => output::print(&lines.map(log_line).collect::<String>())?,
            Format::Jsonl => lines.map(log_document).try_for_each(|line| output::json(&line))?,
            Format::Json => all.extend(lines.map(log_document)),
        }
        Ok(())
    })?;
    if context.format == Format::Json {
        output::json(&json!({ "$type": "orchestrator.logs/1", "lines": all }))?;
    }
    Ok(Exit::Ok)
}

/// Hands on a run's journal from entry `from` on, page by page.
fn each_page(
    context: &Context,
    run: Option<String>,
    mut from: u64,
    mut each: impl FnMut(&RunId, &[Entry]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let config = context.config()?;
    let mut which = run.map_or(RunRef::Last, RunRef::Prefix);
    must_have_state(&config, &which)?;
    let pages = async {
        let mut access = context.access(config).await?;
        loop {
            let request = Request::History { run: which, from, max: PAGE };
            let Reply::Entries { run, entries, next } = access.ask(request).await?.last().await? else {
                return Err(Error::unanswered().into());
            };
            each(&run, &entries)?;
            let Some(next) = next else { break };
            from = next;
            which = RunRef::Prefix(run.to_string());
        }
        leave(&access).await?;
        Ok(Exit::Ok)
    };
    context.block_on(pages).map(drop)
}

fn log_document(entry: &Entry) -> Value {
    json!({
        "$type": "orchestrator.log-line/1",
        "at": output::rfc3339(entry.at),
        "level": entry.detail["level"],
        "message": entry.detail["message"],
        "fields": fields(entry).map(|(name, value)| (name.to_owned(), value.into())).collect::<Map<_, _>>(),
    })
}

/// What a log line names: pairs, in the order in which they were given.
fn fields(entry: &Entry) -> impl Iterator<Item = (&str, &str)> {
    let pairs = entry.detail["fields"].as_array().into_iter().flatten();
    pairs.filter_map(|pair| Some((pair[0].as_str()?, pair[1].as_str()?)))
}

fn log_line(entry: &Entry) -> String {
    let text = |key: &str| entry.detail[key].as_str().unwrap_or_default();
    let mut line = format!("{}  {:<5} {}", output::local_time(entry.at), text("level"), text("message"));
    for (name, value) in fields(entry) {
        line.push_str(&format!("  {name}={value}"));
    }
    line.push('\n');
    line
}

fn entry_document(run: &RunId, entry: &Entry) -> Value {
    json!({
        "$type": "orchestrator.entry/1",
        "run": run,
        "seq": entry.seq,
        "at": output::rfc3339(entry.at),
        "kind": entry.kind,
        "step": entry.step,
        "detail": entry.detail,
    })
}

fn entry_line(entry: &Entry) -> String {
    let step = entry.step.map_or(String::new(), |step| format!(" step {step}"));
    let mut detail = String::new();
    if let Value::Object(fields) = &entry.detail {
        for (key, value) in
            fields.iter().filter(|(_, value)| !value.is_null() && **value != Value::Bool(false))
        {
            match value {
                Value::String(text) => detail.push_str(&format!(" {key}={text}")),
                other => detail.push_str(&format!(" {key}={other}")),
            }
        }
    }
    format!("{:>6}  {}  {}{step}{detail}\n", entry.seq, output::local_time(entry.at), entry.kind)
}

#[cfg(test)]
mod tests {
    use orchestrator_host::model::{StepSeq, Timestamp, WorkflowDigest};

    use super::*;

    fn summary(status: RunStatus, live: bool) -> RunSummary {
        RunSummary {
            run: RunId::new(Timestamp(0), [0; 10]),
            workflow: "mirror".to_owned(),
            digest: WorkflowDigest("00".to_owned()),
            status,
            live,
            began_at: Timestamp(0),
            updated_at: Timestamp(0),
            last_step: StepSeq(3),
            paused: None,
            fault: None,
        }
    }

    #[test]
    fn a_run_that_nobody_drives_is_interrupted() {
        assert_eq!(summary(RunStatus::Running, false).standing(), "interrupted");
        assert_eq!(summary(RunStatus::Running, true).standing(), "running");
        assert_eq!(summary(RunStatus::Done, false).standing(), "done");
    }

    #[test]
    fn a_log_line_names_its_fields() {
        let detail = json!({"level": "warn", "message": "late", "fields": [["file", "a b.csv"], ["n", "3"]]});
        let entry = Entry { seq: 4, at: Timestamp(0), kind: "logged".to_owned(), step: None, detail };
        assert!(log_line(&entry).ends_with("  warn  late  file=a b.csv  n=3\n"), "{}", log_line(&entry));
        assert_eq!(log_document(&entry)["fields"], json!({"file": "a b.csv", "n": "3"}));
    }

    #[test]
    fn an_entry_is_one_line() {
        let entry = Entry {
            seq: 7,
            at: Timestamp(0),
            kind: "step-finished".to_owned(),
            step: Some(StepSeq(2)),
            detail: json!({"call": "ftp.stat", "fault": null, "cancel_told": false, "args": {"path": "a"}}),
        };
        let line = entry_line(&entry);
        assert!(line.ends_with("step-finished step 2 args={\"path\":\"a\"} call=ftp.stat\n"), "{line}");
    }
}
