//! One file for each group of commands: its arguments, and what it does.

pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod ftpd;
pub(crate) mod inspect;
pub(crate) mod site;

use crate::args::Command;
use crate::context::Context;
use crate::exit::Exit;
use crate::report::Failure;

/// Does what the command line says.
pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Site(args) => site::run(context, args),
        Command::Config(args) => config::run(context, args),
        Command::Inspect(args) => inspect::run(context, &args),
        Command::Ftpd(args) => ftpd::run(context, args),
        Command::Doctor(args) => doctor::run(context, args),
        Command::Explain(args) => explain::run(context, args),
        Command::Completions(args) => completions::run(args),
    }
}
