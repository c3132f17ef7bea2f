//! One file for each group of commands: its arguments, and what it does.

pub(crate) mod cancel;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod doctor;
mod drive;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod ftpd;
pub(crate) mod inspect;
pub(crate) mod man;
pub(crate) mod memory;
pub(crate) mod purge;
pub(crate) mod replay;
pub(crate) mod resume;
pub(crate) mod retry;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod schedule;
pub(crate) mod serve;
pub(crate) mod signal;
pub(crate) mod site;
pub(crate) mod standing;
pub(crate) mod state;
pub(crate) mod token;

use crate::args::Command;
use crate::context::Context;
use crate::exit::Exit;
use crate::report::Failure;

/// Does what the command line says.
pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Run(args) => run::run(context, args),
        Command::Resume(args) => resume::run(context, args),
        Command::List(args) => runs::list(context, &args),
        Command::Show(args) => runs::show(context, args),
        Command::History(args) => runs::history(context, &args),
        Command::Logs(args) => runs::logs(context, args),
        Command::Cancel(args) => cancel::run(context, args),
        Command::Retry(args) => retry::run(context, args),
        Command::Replay(args) => replay::run(context, args),
        Command::Export(args) => export::export(context, args),
        Command::Import(args) => export::import(context, &args),
        Command::Purge(args) => purge::run(context, args),
        Command::Schedule(args) => schedule::run(context, *args),
        Command::Signal(args) => signal::run(context, args),
        Command::Memory(args) => memory::run(context, args),
        Command::Serve(args) => serve::run(context, &args),
        Command::Health(args) => standing::health(context, &args),
        Command::Metrics(args) => standing::metrics(context, &args),
        Command::Site(args) => site::run(context, args),
        Command::Token(args) => token::run(context, args),
        Command::State(args) => state::run(context, args),
        Command::Config(args) => config::run(context, args),
        Command::Inspect(args) => inspect::run(context, &args),
        Command::Ftpd(args) => ftpd::run(context, args),
        Command::Demo(args) => demo::run(context, &args),
        Command::Doctor(args) => doctor::run(context, args),
        Command::Explain(args) => explain::run(context, args),
        Command::Man(args) => man::run(context, args),
        Command::Completions(args) => completions::run(args),
    }
}
