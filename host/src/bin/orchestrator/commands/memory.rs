//! `memory list|get|remove`: what workflows remember across their runs.

use orchestrator_host::config::Config;
use orchestrator_host::node::{Error, MemoryRow, Reply, Request};
use serde_json::{Value, json};

use super::drive::{ask, leave};
use crate::args::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::output;
use crate::report::Failure;

/// Rows that are asked for at a time.
const PAGE: usize = 500;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Which workflows remember anything, or all that one remembers
    List {
        /// The workflow's name: its file's, without `.wasm`
        workflow: Option<String>,
    },
    /// The value of a key
    Get {
        /// The workflow's name
        workflow: String,
        /// The key
        key: String,
    },
    /// Forget a key, or all: the workflow then does what it does the first time
    Remove {
        /// The workflow's name
        workflow: String,
        /// The key
        #[arg(required_unless_present = "all")]
        key: Option<String>,
        /// All that it remembers, files too
        #[arg(long, conflicts_with = "key")]
        all: bool,
    },
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let config = context.config()?;
    context.block_on(async {
        match args.command {
            Command::List { workflow: None } => list(context, config).await,
            Command::List { workflow: Some(workflow) } => all_of(context, config, &workflow).await,
            Command::Get { workflow, key } => get(context, config, workflow, key).await,
            Command::Remove { workflow, key, .. } => remove(context, config, workflow, key).await,
        }
    })
}

async fn list(context: &Context, config: Config) -> Result<Exit, Failure> {
    // Looking for a state shouldn't make one.
    let memories = if config.state.0.exists() {
        match ask(context, config, Request::Memories).await? {
            Reply::Memories { memories } => memories,
            _ => return Err(Error::unanswered().into()),
        }
    } else {
        Vec::new()
    };
    let document = |memory: &orchestrator_host::node::MemoryTally| json!({ "workflow": memory.workflow, "keys": memory.keys, "files": memory.files });
    match context.format {
        Format::Text => {
            let rows = memories
                .iter()
                .map(|memory| [memory.workflow.clone(), memory.keys.to_string(), memory.files.to_string()]);
            output::print(&output::table(["WORKFLOW", "KEYS", "FILES"], rows))?;
        }
        Format::Json => output::json(&json!({
            "$type": "orchestrator.memories/1",
            "memories": memories.iter().map(document).collect::<Vec<_>>(),
        }))?,
        Format::Jsonl => memories.iter().map(document).try_for_each(|line| output::json(&line))?,
    }
    Ok(Exit::Ok)
}

async fn all_of(context: &Context, config: Config, workflow: &str) -> Result<Exit, Failure> {
    let mut rows = Vec::new();
    let mut after = None;
    if config.state.0.exists() {
        let mut access = context.access(config).await?;
        loop {
            let request = Request::Recall { workflow: workflow.to_owned(), after, max: PAGE };
            let Reply::Recalled { rows: page, next } = access.ask(request).await?.last().await? else {
                return Err(Error::unanswered().into());
            };
            rows.extend(page);
            after = next;
            if after.is_none() {
                break;
            }
        }
        leave(&access).await?;
    }
    match context.format {
        Format::Text => {
            let cells = rows.iter().map(|row| match row {
                MemoryRow::Value { key, version, value } => {
                    ["value".to_owned(), key.clone(), version.to_string(), value.clone()]
                }
                MemoryRow::File { site, path, identity } => {
                    ["file".to_owned(), format!("{site}:{path}"), String::new(), identity.clone()]
                }
            });
            output::print(&output::table(["KIND", "NAME", "VERSION", "CONTENT"], cells))?;
        }
        Format::Json => output::json(&json!({
            "$type": "orchestrator.memory/1",
            "workflow": workflow,
            "rows": rows.iter().map(document).collect::<Vec<_>>(),
        }))?,
        Format::Jsonl => rows.iter().map(document).try_for_each(|line| output::json(&line))?,
    }
    Ok(Exit::Ok)
}

fn document(row: &MemoryRow) -> Value {
    match row {
        MemoryRow::Value { key, version, value } => {
            json!({ "kind": "value", "key": key, "version": version, "value": json_or_text(value) })
        }
        MemoryRow::File { site, path, identity } => {
            json!({ "kind": "file", "site": site, "path": path, "identity": identity })
        }
    }
}

fn json_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

async fn get(context: &Context, config: Config, workflow: String, key: String) -> Result<Exit, Failure> {
    if !config.state.0.exists() {
        return Err(nothing(&workflow, Some(&key)));
    }
    let request = Request::Remembered { workflow: workflow.clone(), key: key.clone() };
    let Reply::Recalled { mut rows, .. } = ask(context, config, request).await? else {
        return Err(Error::unanswered().into());
    };
    match rows.pop() {
        Some(MemoryRow::Value { version, value, .. }) => {
            match context.format {
                Format::Text => output::line(value)?,
                Format::Json | Format::Jsonl => output::json(&json!({
                    "$type": "orchestrator.memory-value/1",
                    "workflow": workflow,
                    "key": key,
                    "version": version,
                    "value": json_or_text(&value),
                }))?,
            }
            Ok(Exit::Ok)
        }
        _ => Err(nothing(&workflow, Some(&key))),
    }
}

async fn remove(
    context: &Context,
    config: Config,
    workflow: String,
    key: Option<String>,
) -> Result<Exit, Failure> {
    if !config.state.0.exists() {
        return Err(nothing(&workflow, key.as_deref()));
    }
    let request = Request::Forget { workflow: workflow.clone(), key: key.clone() };
    let Reply::Forgotten { count } = ask(context, config, request).await? else {
        return Err(Error::unanswered().into());
    };
    if count == 0 {
        return Err(nothing(&workflow, key.as_deref()));
    }
    match context.format {
        Format::Text => output::say(format_args!("{count} forgotten")),
        Format::Json | Format::Jsonl => output::json(&json!({
            "$type": "orchestrator.forgotten/1", "workflow": workflow, "key": key, "count": count,
        }))?,
    }
    Ok(Exit::Ok)
}

fn nothing(workflow: &str, key: Option<&str>) -> Failure {
    let what = key.map_or_else(|| "anything".to_owned(), |key| format!("`{key}`"));
    Failure::new(
        Exit::NotFound,
        "memory.not-found",
        format!("the workflow {workflow} doesn't remember {what}"),
    )
    .with_hint("`orchestrator memory list` shows which workflows remember anything")
}
