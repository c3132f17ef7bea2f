//! `health` and `metrics`: how the process that holds the state stands.

use std::io::Write;
use std::path::Path;

use orchestrator_host::config::{Config, show_duration};
use orchestrator_host::model::ByteCount;
use orchestrator_host::node::{Access, Error, Health, Reply, Request};

use super::drive::ask;
use crate::args::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::output;
use crate::report::Failure;

/// Arguments of `health`.
#[derive(Debug, clap::Args)]
pub(crate) struct HealthArgs {}

/// Arguments of `metrics`.
#[derive(Debug, clap::Args)]
pub(crate) struct MetricsArgs {}

/// Fails where there is no state yet: looking at one shouldn't make it.
fn must_exist(config: &Config) -> Result<(), Failure> {
    if config.state.0.exists() {
        return Ok(());
    }
    let why = format!("there is no state in {} yet", config.state.0.display());
    Err(Failure::new(Exit::NotFound, "usage", why)
        .with_hint("the first run makes it, and so does `orchestrator serve`"))
}

pub(crate) fn health(context: &Context, _: &HealthArgs) -> Result<Exit, Failure> {
    let config = context.config()?;
    must_exist(&config)?;
    context.block_on(async {
        let Reply::Health { health } = ask(context, config, Request::Health).await? else {
            return Err(Error::unanswered().into());
        };
        match context.format {
            Format::Text => output::print(&health_text(&health))?,
            Format::Json | Format::Jsonl => output::json(&health.document())?,
        }
        Ok(if health.is_ready() { Exit::Ok } else { Exit::Failed })
    })
}

fn health_text(health: &Health) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| text.push_str(&format!("{name:<12} {value}\n"));
    let process = &health.process;
    let uptime = std::time::Duration::from_secs(health.uptime_ms / 1000);
    line(
        "process",
        format!(
            "{}, version {}, holds the state since {}",
            process.pid,
            health.version,
            show_duration(uptime)
        ),
    );
    line(
        "uses",
        format!(
            "{} of memory, {} ms of a processor, {} of {} descriptors",
            ByteCount(process.memory_bytes),
            process.cpu_ms,
            process.descriptors,
            process.descriptors_max
        ),
    );
    let (length, free) = (ByteCount(health.state_bytes), ByteCount(health.state_free_bytes));
    line("state", format!("{}: {length}, {free} free", health.state.display()));
    line("runs", format!("{} under way", health.runs_live));
    for check in &health.checks {
        line(&check.name, format!("{}: {}", if check.ok { "ok" } else { "NOT OK" }, check.detail));
    }
    for (site, servers) in &health.sites {
        for server in servers {
            let standing = server.standing.as_deref().unwrap_or("ok");
            line(
                "site",
                format!(
                    "{site} ({}): {standing}, {} in use, {} idle, {} waiting, {} failures",
                    server.server, server.leased, server.idle, server.waiting, server.failures
                ),
            );
        }
    }
    text
}

pub(crate) fn metrics(context: &Context, _: &MetricsArgs) -> Result<Exit, Failure> {
    let config = context.config()?;
    must_exist(&config)?;
    context.block_on(async {
        let Reply::Metrics { text } = ask(context, config, Request::Metrics).await? else {
            return Err(Error::unanswered().into());
        };
        output::print(&text)?;
        Ok(Exit::Ok)
    })
}

/// Writes the metrics of the process that holds the state into a file, for a collector that reads such
/// files. It is written aside and renamed, so that nobody reads half of it.
pub(super) async fn write_metrics(access: &mut Access, file: &Path) -> Result<(), Failure> {
    let Reply::Metrics { text } = access.ask(Request::Metrics).await?.last().await? else {
        return Err(Error::unanswered().into());
    };
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // Not ending as the file does, so that no collector takes it for one.
    let aside = file.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let write = || -> std::io::Result<()> {
        let mut out = std::fs::File::create(&aside)?;
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        std::fs::rename(&aside, file)
    };
    write().map_err(|error| {
        let _ = std::fs::remove_file(&aside);
        Failure::local(format_args!("write the metrics to {}", file.display()), &error)
    })
}
