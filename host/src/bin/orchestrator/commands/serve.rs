//! `serve`: holds the state and works until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_host::config::Config;
use orchestrator_host::model::Fault;
use orchestrator_host::node::{Node, Services};
use orchestrator_host::server::{self, Server};
use serde_json::json;

use crate::args::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::notify::Notify;
use crate::output;
use crate::report::Failure;
use crate::signals::{Hangup, Signals};

/// How long all may take to end in good order once a signal has come.
const END_WITHIN: Duration = Duration::from_secs(25);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where it listens for HTTP, instead of where the configuration says; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Don't listen for HTTP: only commands on this machine reach it, over the state's socket
    #[arg(long, conflicts_with = "listen")]
    no_http: bool,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let config = context.config()?;
    context.block_on(serve(context, config, args))
}

async fn serve(context: &Context, config: Config, args: &Args) -> Result<Exit, Failure> {
    let listen = if args.no_http { None } else { args.listen.or(config.server.listen) };
    let (mut signals, mut hangup) = (Signals::listen()?, Hangup::listen()?);
    let notify = Notify::new(&context.environment);
    let (access, node) = tokio::select! {
        opened = context.hold(config) => opened?,
        // Nothing has begun, so there is nothing to end.
        exit = signals.next() => return Ok(exit),
    };
    let (mut services, url) = match start(&node, listen).await {
        Ok(started) => started,
        Err(fault) => return Err(fault.into()),
    };
    announce(context, &node, url.as_deref())?;
    notify.ready(url.as_deref().unwrap_or("serving"));
    let ended = attend(context, &node, &mut services, &mut signals, &mut hangup, &notify).await;
    notify.stopping();
    let failed = match ended {
        Ended::Signal => None,
        // Nothing more can be written, so nothing can be ended in good order.
        Ended::StateLost(failure) => return Err(failure),
        Ended::ServiceLost(failure) => Some(failure),
    };
    let ending = async {
        services.stop().await;
        access.stop().await;
        access.finish().await;
    };
    let exit = tokio::select! {
        () = ending => Exit::Ok,
        () = tokio::time::sleep(END_WITHIN) => Exit::Terminated,
        exit = signals.next() => exit,
    };
    failed.map_or(Ok(exit), Err)
}

/// Starts what this process does by itself, in the order in which one needs the other; also gives where it
/// is reached over HTTP.
async fn start(node: &Arc<Node>, listen: Option<SocketAddr>) -> Result<(Services, Option<String>), Fault> {
    // Bound first: who can't be reached as he is meant to be hasn't begun anything.
    let http = match listen {
        Some(listen) => {
            let options = server::Options {
                listen,
                node: node.clone(),
                config: node.watch_config(),
                clock: node.clock().clone(),
            };
            Some(Server::bind(options).await?)
        }
        None => None,
    };
    let url = http.as_ref().map(Server::url);
    let mut services = Services::new();
    services.start(Box::new(node.recovery()));
    if let Some(firing) = node.firing() {
        services.start(Box::new(firing));
    }
    if let Some(http) = http {
        services.start(Box::new(http));
    }
    Ok((services, url))
}

fn announce(context: &Context, node: &Node, url: Option<&str>) -> Result<(), Failure> {
    let config = node.config();
    let state = config.state.0.display();
    match (context.format, url) {
        (Format::Text, Some(url)) => output::line(format_args!("serving the state in {state} at {url}")),
        (Format::Text, None) => output::line(format_args!("serving the state in {state}")),
        (Format::Json | Format::Jsonl, url) => output::json(&json!({
            "$type": "orchestrator.serve/1",
            "state": config.state.0,
            "url": url,
            "pid": std::process::id(),
        })),
    }
}

/// Why the process ends.
enum Ended {
    /// Somebody asked for it.
    Signal,
    /// The state takes no more writes.
    StateLost(Failure),
    /// A service can't go on.
    ServiceLost(Failure),
}

async fn attend(
    context: &Context,
    node: &Node,
    services: &mut Services,
    signals: &mut Signals,
    hangup: &mut Hangup,
    notify: &Notify,
) -> Ended {
    let mut ticks = notify.ticks();
    loop {
        let tick = async {
            match &mut ticks {
                Some(ticks) => drop(ticks.tick().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = signals.next() => {
                output::say("ending in good order; once more ends it now");
                return Ended::Signal;
            }
            () = hangup.next() => reload(context, node),
            fault = node.failed() => return Ended::StateLost(fault.into()),
            fault = services.failed() => return Ended::ServiceLost(fault.into()),
            () = tick => notify.alive(),
        }
    }
}

/// Reads the configuration again. One that can't be meant is reported, and the old one stays in force.
fn reload(context: &Context, node: &Node) {
    match context.config() {
        Ok(config) => {
            for key in node.reload(config) {
                output::say(format_args!(
                    "warning: `{key}` has changed, which counts from the next start on"
                ));
            }
            output::say("the configuration was read again");
        }
        Err(failure) => {
            let hint = failure.hint.map_or_else(String::new, |hint| format!(" ({hint})"));
            output::say(format_args!("the old configuration stays in force: {}{hint}", failure.message));
        }
    }
}
