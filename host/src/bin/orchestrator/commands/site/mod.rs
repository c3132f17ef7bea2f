//! `site …`: named remotes, and their files without a workflow.

mod edit;
mod look;
mod moves;
mod show;
mod target;

use std::sync::Arc;

use orchestrator_host::clock::SystemClock;
use orchestrator_host::config::Config;
use orchestrator_host::node::SERVERS;
use orchestrator_host::transfer::Transfers;
use orchestrator_host::transfer::ftp::FtpConnector;

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
    /// Print a site with every default written out, what its servers taught and how its sessions stand
    Show(show::Show),
    /// Log in to each server, and say what it can do
    Test(look::Test),
    /// List a folder
    Ls(look::Ls),
    /// Fetch a file; goes on where it was, also after a kill
    Get(moves::Get),
    /// Send a file; goes on where it was, also after a kill
    Put(moves::Put),
    /// Copy a file from one site to another; goes on where it was, also after a kill
    Copy(moves::Copy),
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    match args.command {
        Command::Add(args) => edit::add(context, args),
        Command::Remove(args) => edit::remove(context, &args),
        Command::List => show::list(context),
        Command::Show(args) => show::show(context, &args),
        Command::Test(args) => look::test(context, &args),
        Command::Ls(args) => look::ls(context, &args),
        Command::Get(args) => moves::get(context, &args),
        Command::Put(args) => moves::put(context, &args),
        Command::Copy(args) => moves::copy(context, &args),
    }
}

/// What moves files and looks at sites.
fn transfers(config: &Config) -> Transfers {
    let clock = Arc::new(SystemClock::new());
    let connector = FtpConnector::new(clock.clone()).remembering(config.state.0.join(SERVERS));
    let connector = Arc::new(connector);
    Transfers::new(connector, clock, config.transfer_options())
}
