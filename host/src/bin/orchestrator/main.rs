//! `orchestrator`: the command line.
//!
//! Standard output is data, standard error is talk. Every way to end has a documented exit code
//! (`exit.rs`), every failure says what, where and what helps (`report.rs`).

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line's output is its purpose; nothing below this binary prints"
)]

mod args;
mod context;
mod exit;
mod inputs;
mod notify;
mod output;
mod progress;
mod report;
mod signals;

mod commands;

use std::process::ExitCode;

use clap::Parser;
use orchestrator_host::{config, crash, telemetry};

use args::{Args, Command};
use context::Context;
use exit::Exit;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are answers, everything else is a wrong call.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            let _ = error.print();
            return exit.into();
        }
    };
    std::panic::set_hook(Box::new(report::panicked));
    let environment = config::Environment::new(std::env::vars_os());
    crash::arm(crash::Plan {
        kill_at: environment.text(config::environment::CRASH_AT).and_then(|n| n.parse().ok()),
        trace: environment.path(config::environment::CRASH_TRACE),
    });
    let Args { global, command } = args;
    let report = report::Style::new(&global, &environment);
    let result = Context::new(global, environment).and_then(|mut context| {
        if matches!(command, Command::Serve(_)) {
            // Nobody watches it, so its log is all that there is to be seen.
            context.verbosity = context.verbosity.saturating_add(1);
        }
        telemetry::init(&context.telemetry());
        commands::run(&context, command)
    });
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            report.print(&failure);
            failure.exit.into()
        }
    }
}
