//! The command line as it is typed. Each group's own arguments stand with its command.

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand, ValueEnum};

use crate::commands::{
    cancel, completions, config, demo, doctor, explain, export, ftpd, inspect, man, purge, replay, resume,
    retry, run, runs, schedule, serve, site, standing, state, token,
};

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
    /// Begin a run and see it to its end; its result goes to standard output
    Run(run::Args),
    /// Go on with a run where it was
    Resume(resume::Args),
    /// The runs of this state
    List(runs::List),
    /// All that is known of a run
    Show(runs::Show),
    /// The entries of a run's journal
    History(runs::History),
    /// What a run's workflow has logged
    Logs(runs::Logs),
    /// Have a run cancelled; its workflow may clean up
    Cancel(cancel::Args),
    /// Have a run that has ended do its last steps again, and see it to its end
    Retry(retry::Args),
    /// Go once more along what a run has recorded, without any effect: what did it do, where does it stand?
    Replay(replay::Args),
    /// Write a run with all that it refers to into one file
    Export(export::Export),
    /// Take in a run that another state exported, to look at it
    Import(export::Import),
    /// Forget runs that have ended: their journals, and what only they refer to
    Purge(purge::Args),
    /// Which runs are begun when: add, list, pause, trigger, make up for
    Schedule(Box<schedule::Args>),
    /// Hold the state and work until told to stop: goes on with what was interrupted, and answers over HTTP
    Serve(serve::Args),
    /// How the process that holds the state stands; exits with 1 when it can't take work
    Health(standing::HealthArgs),
    /// The metrics of the process that holds the state, as Prometheus reads them
    Metrics(standing::MetricsArgs),
    /// Named remotes: add, list, test them; list, get and put files
    Site(site::Args),
    /// Who may do what over the HTTP API of `serve`: add, remove, list
    Token(token::Args),
    /// The state folder: is it whole?
    State(state::Args),
    /// The configuration: show, check, where it is
    Config(config::Args),
    /// What a component asks for, and whether it fits
    Inspect(inspect::Args),
    /// Serve a folder over FTP or FTPS
    Ftpd(ftpd::Args),
    /// Show on this machine that a killed run loses nothing
    Demo(demo::Args),
    /// Look whether this machine is fit for it
    Doctor(doctor::Args),
    /// What a fault code or an exit code means, and what to do
    Explain(explain::Args),
    /// Write the completions of a shell
    Completions(completions::Args),
    /// Write the manual pages
    Man(man::Args),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_forms_that_people_script_are_taken() {
        for line in [
            "orchestrator --config c.toml --state s run w.wasm -i a=1 -i b=x --site p --site q --dir out=/o -o json",
            "orchestrator run w.wasm --input in.json",
            "orchestrator run w.wasm --input -",
            "orchestrator resume 01JD51",
            "orchestrator resume --last -o json",
            "orchestrator list -o jsonl",
            "orchestrator show 01JD51",
            "orchestrator history 01JD51 -o json",
            "orchestrator logs 01JD51 -o jsonl",
            "orchestrator cancel 01JD51",
            "orchestrator resume --last --workflow w.wasm",
            "orchestrator replay",
            "orchestrator replay 01JD51 --to 12 --workflow w.wasm -o jsonl",
            "orchestrator replay ./run.orch",
            "orchestrator retry 01JD51 --from 12",
            "orchestrator export 01JD51 run.orch",
            "orchestrator import run.orch",
            "orchestrator history --kind step-finished --step 3 --faults",
            "orchestrator purge --older-than 30d --keep 20 --dry-run",
            "orchestrator purge 01JD51 01JD52",
            "orchestrator schedule add n w.wasm --cron @daily --tz Asia/Shanghai --site p --dir o=/o -i a=1",
            "orchestrator schedule add n w.wasm --at 2026-12-01T02:00",
            "orchestrator schedule list -o json",
            "orchestrator schedule show n",
            "orchestrator schedule next n -n 5",
            "orchestrator schedule next --cron @hourly --tz UTC --from 2026-01-01T00:00:00Z -n 3 -o json",
            "orchestrator schedule edit n --expect-by 06:00 --clear jitter",
            "orchestrator schedule pause n --reason maintenance",
            "orchestrator schedule resume n",
            "orchestrator schedule trigger n --overlap allow",
            "orchestrator schedule backfill n --from 2026-12-01 --to 2026-12-05 --failed --parallel 2 --reverse --dry-run",
            "orchestrator schedule remove n",
            "orchestrator schedule apply --dry-run --prune",
            "orchestrator serve",
            "orchestrator serve --listen 127.0.0.1:0",
            "orchestrator serve --no-http",
            "orchestrator health -o json",
            "orchestrator metrics",
            "orchestrator token add ops --role admin",
            "orchestrator token list -o json",
            "orchestrator token remove ops",
            "orchestrator list --workflow mirror",
            "orchestrator run w.wasm --metrics-file m.prom",
            "orchestrator site add p ftp://u@h/ --tls none --password-env PW",
            "orchestrator site list",
            "orchestrator site show p",
            "orchestrator site test p",
            "orchestrator site ls p:/in -o json",
            "orchestrator site get p:in/file local",
            "orchestrator site put local p:in/file",
            "orchestrator site put --direct local p:in/file",
            "orchestrator site remove p",
            "orchestrator inspect w.wasm",
            "orchestrator ftpd --root d",
            "orchestrator ftpd --root d --tls",
            "orchestrator demo --workflow mirror.wasm -o json",
            "orchestrator doctor",
            "orchestrator completions bash",
            "orchestrator config check",
            "orchestrator state check",
            "orchestrator state backup b",
            "orchestrator state restore b",
            "orchestrator man",
            "orchestrator explain ftp.login",
            "orchestrator -vv -q run w.wasm",
        ] {
            assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
        }
    }

    #[test]
    fn what_is_half_said_is_refused() {
        for line in [
            "orchestrator",
            "orchestrator run",
            "orchestrator run w.wasm -i novalue",
            "orchestrator run w.wasm --dir nopath",
            "orchestrator resume",
            "orchestrator resume 01JD51 --last",
            "orchestrator purge",
            "orchestrator purge --dry-run",
            "orchestrator retry",
            "orchestrator export 01JD51",
            "orchestrator import",
            "orchestrator purge --older-than 30",
            "orchestrator schedule next",
            "orchestrator schedule next n --cron @hourly",
            "orchestrator schedule add n w.wasm --cron @daily --at 2026-12-01T02:00",
            "orchestrator schedule pause n",
            "orchestrator schedule backfill n --from 2026-12-01",
            "orchestrator schedule backfill n --from 2026-12-01 --to 2026-12-02 --all --failed",
            "orchestrator site ls p",
            "orchestrator site add p ftp://u@h/ --password-env A --password-file f",
            "orchestrator site add p ftp://u@h/ --password hunter2",
            "orchestrator ftpd --root d --certificate c.pem",
            "orchestrator token add ops",
            "orchestrator token add ops --role root",
            "orchestrator serve --no-http --listen 127.0.0.1:1",
            "orchestrator frobnicate",
        ] {
            assert!(parse(line).is_err(), "{line} was taken");
        }
    }
}
