//! `replay RUN|FILE`: a run's workflow goes once more along what is recorded, and nothing takes effect.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use orchestrator_host::model::{LogLevel, RunEvent, StepSeq};
use orchestrator_host::node::{
    Access, Call, Error, Node, Options, Replay, ReplayEnd, Reply, Request, RunRef,
};
use serde_json::{Value, json};

use super::drive::leave;
use super::runs;
use crate::args::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::output;
use crate::report::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run, the first letters of its id, or a file that `export` wrote [default: the newest run]
    #[arg(value_name = "RUN|FILE")]
    run: Option<String>,
    /// Stop after this step, and say where the workflow is then
    #[arg(long, value_name = "STEP")]
    to: Option<u64>,
    /// Replay this workflow instead of the one that the run has: does it do the same?
    #[arg(long, value_name = "W.wasm")]
    workflow: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let config = context.config()?;
    let workflow = args.workflow.map(|path| super::run::workflow(context, &path)).transpose()?;
    let until = args.to.map(StepSeq);
    let file = args.run.as_deref().and_then(|typed| exported(context, typed));
    let which = args.run.map_or(RunRef::Last, RunRef::Prefix);
    if file.is_none() {
        runs::must_have_state(&config, &which)?;
    }
    context.block_on(async {
        let (mut access, run) = match file {
            Some(file) => {
                let options = context.node_options(config, false);
                let (node, run) = alone(options, &file).await?;
                (Access::private(Arc::new(node)), run)
            }
            None => (context.access(config).await?, which),
        };
        let call = access.ask(Request::Replay { run, workflow, until }).await?;
        let exit = follow(context, call).await;
        leave(&access).await?;
        exit
    })
}

/// The file that is meant, if one is: a run's id is never a path, and wins over a file of that name.
fn exported(context: &Context, typed: &str) -> Option<PathBuf> {
    let is_path = typed.contains(['/', '.']);
    let path = context.absolute(Path::new(typed));
    (is_path && path.is_file()).then_some(path)
}

/// A process without a state, over the one run of a file.
async fn alone(options: Options, file: &Path) -> Result<(Node, RunRef), Failure> {
    let (node, runs) = Node::of_export(options, file).await?;
    match runs.as_slice() {
        [run] => Ok((node, RunRef::Prefix(run.to_string()))),
        several => Err(Failure::usage(format!("{} holds {} runs", file.display(), several.len())).with_hint(
            "`orchestrator state restore` brings a whole backup back; `import` takes its runs in",
        )),
    }
}

async fn follow(context: &Context, mut call: Call) -> Result<Exit, Failure> {
    let mut events = Vec::new();
    loop {
        match call.next().await {
            Some(Reply::Event { event }) => match context.format {
                Format::Text => output::print(&line(&event))?,
                Format::Jsonl => shown(&event).map_or(Ok(()), |event| output::json(&event))?,
                Format::Json => events.extend(shown(&event)),
            },
            Some(Reply::Replayed { run, replay }) => {
                let end = json!({
                    "$type": "orchestrator.replay/1",
                    "run": run,
                    "step": replay.step,
                    "end": replay.end,
                    "at": replay.at,
                });
                match context.format {
                    Format::Text => output::print(&end_text(&replay))?,
                    Format::Jsonl => output::json(&end)?,
                    Format::Json => {
                        let mut document = end;
                        document["events"] = events.into();
                        output::json(&document)?;
                    }
                }
                return verdict(replay);
            }
            Some(Reply::Error { error }) => return Err(error.into()),
            _ => return Err(Error::unanswered().into()),
        }
    }
}

/// What a replay shows of itself: steps, and what the workflow said.
fn shown(event: &RunEvent) -> Option<Value> {
    let mut document = match event {
        RunEvent::StepReplayed { step, kind, args, fault } => json!({
            "step": step,
            "kind": kind,
            "args": serde_json::from_str::<Value>(args).unwrap_or_else(|_| args.as_str().into()),
            "fault": fault,
        }),
        RunEvent::Log { step, level, message, fields } => {
            json!({ "after": step, "level": level, "message": message, "fields": fields })
        }
        RunEvent::Status { key, value } => json!({ "status": key, "value": value }),
        _ => return None,
    };
    document["$type"] = "orchestrator.replayed/1".into();
    Some(document)
}

fn line(event: &RunEvent) -> String {
    match event {
        RunEvent::StepReplayed { step, kind, args, fault } => {
            let fault = fault.as_ref().map_or(String::new(), |fault| format!("  -> {}", fault.code));
            format!("{:>6}  {kind} {args}{fault}\n", step.0)
        }
        RunEvent::Log { level, message, fields, .. } => {
            let mut line = format!("        {:<5} {message}", level_text(*level));
            for (name, value) in fields {
                line.push_str(&format!("  {name}={value}"));
            }
            line.push('\n');
            line
        }
        RunEvent::Status { key, value } => format!("        status {key}={value}\n"),
        _ => String::new(),
    }
}

fn level_text(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Trace => "trace",
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    }
}

fn end_text(replay: &Replay) -> String {
    let step = replay.step;
    let mut text = match &replay.end {
        ReplayEnd::Stopped => format!("stopped after step {step}\n"),
        ReplayEnd::Unfinished => format!("the journal ends after step {step}; the run hasn't come further\n"),
        ReplayEnd::Done { output } => format!("returned after step {step}: {output}\n"),
        ReplayEnd::Failed { fault } => format!("failed after step {step}: {}: {fault}\n", fault.code),
        ReplayEnd::Differs { .. } | ReplayEnd::Trapped { .. } => return String::new(),
    };
    replay.at.iter().for_each(|frame| text.push_str(&format!("  at {frame}\n")));
    text
}

/// A replay that went as recorded is a success, however the run itself ended.
fn verdict(replay: Replay) -> Result<Exit, Failure> {
    match replay.end {
        ReplayEnd::Stopped | ReplayEnd::Unfinished | ReplayEnd::Done { .. } | ReplayEnd::Failed { .. } => {
            Ok(Exit::Ok)
        }
        ReplayEnd::Differs { fault } | ReplayEnd::Trapped { fault } => Err(fault.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_one_line_and_so_is_what_was_said() {
        let step = RunEvent::StepReplayed {
            step: StepSeq(12),
            kind: "ftp.stat".to_owned(),
            args: r#"["acme","a"]"#.to_owned(),
            fault: None,
        };
        assert_eq!(line(&step), "    12  ftp.stat [\"acme\",\"a\"]\n");
        let said = RunEvent::Log {
            step: StepSeq(12),
            level: LogLevel::Info,
            message: "late".to_owned(),
            fields: vec![("n".to_owned(), "3".to_owned())],
        };
        assert_eq!(line(&said), "        info  late  n=3\n");
    }

    #[test]
    fn where_it_stands_is_said_last() {
        let replay =
            Replay { step: StepSeq(3), end: ReplayEnd::Stopped, at: vec!["w.wasm!nightly::run".to_owned()] };
        assert_eq!(end_text(&replay), "stopped after step 3\n  at w.wasm!nightly::run\n");
    }
}
