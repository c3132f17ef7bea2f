//! `completions SHELL`

use clap::CommandFactory;
use clap_complete::Shell;

use crate::exit::Exit;
use crate::output;
use crate::report::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// For which shell
    shell: Shell,
}

pub(crate) fn run(args: Args) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::args::Args::command(), "orchestrator", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}
