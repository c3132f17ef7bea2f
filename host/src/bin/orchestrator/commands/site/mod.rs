//! `site …`: named remotes, and their files without a workflow.

mod edit;
mod show;
mod target;

use crate::context::Context;
use crate::exit::Exit;
use crate::report::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Write a site into the configuration file
    Add(edit::Add),
    /// Take a site out of the configuration file
    Remove(edit::Remove),
    /// List the sites of the configuration
    List,
    /// Print a site with every default written out
    Show(show::Show),
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    match args.command {
        Command::Add(args) => edit::add(context, args),
        Command::Remove(args) => edit::remove(context, &args),
        Command::List => show::list(context),
        Command::Show(args) => show::show(context, &args),
    }
}
