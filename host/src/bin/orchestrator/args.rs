//! The command line as it is typed. Each group's own arguments stand with its command.

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand, ValueEnum};

use crate::commands::{completions, config, doctor, explain, ftpd, inspect, site};

/// Runs workflows that move files over FTP and FTPS, and survive being killed.
#[derive(Debug, Parser)]
#[command(
    name = "orchestrator",
    version,
    about,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "Exit codes and fault codes have pages: `orchestrator explain CODE`."
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// The configuration file [else $ORCHESTRATOR_CONFIG, ./orchestrator.toml, the XDG place]
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,

    /// The state folder [else $ORCHESTRATOR_STATE, the configuration, ~/.local/state/orchestrator]
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) state: Option<PathBuf>,

    /// How data on standard output is written
    #[arg(short, long, value_name = "FORMAT", default_value = "text", global = true)]
    pub(crate) output: Format,

    /// When standard error is coloured
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    pub(crate) color: Color,

    /// Say less: no progress, errors only
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub(crate) quiet: u8,

    /// Say more: -v information, -vv detail, -vvv everything
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
}

/// How data is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
    /// One JSON document a line
    Jsonl,
}

/// When colour is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless $NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Named remotes: add, list, test them; list, get and put files
    Site(site::Args),
    /// The configuration: show, check, where it is
    Config(config::Args),
    /// What a component asks for, and whether it fits
    Inspect(inspect::Args),
    /// Serve a folder over FTP or FTPS
    Ftpd(ftpd::Args),
    /// Look whether this machine is fit for it
    Doctor(doctor::Args),
    /// What a fault code or an exit code means, and what to do
    Explain(explain::Args),
    /// Write the completions of a shell
    Completions(completions::Args),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }
}
