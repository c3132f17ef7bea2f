//! `man`: the manual pages, made from the command line itself.

use std::path::PathBuf;

use clap::CommandFactory;
use clap_mangen::Man;

use crate::context::Context;
use crate::exit::Exit;
use crate::output;
use crate::report::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write a page for each command into this folder, instead of the first page to standard output
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let command = crate::args::Args::command();
    match args.dir {
        None => {
            let mut page = Vec::new();
            Man::new(command)
                .render(&mut page)
                .map_err(|error| Failure::local("write the manual page", &error))?;
            output::print(&String::from_utf8_lossy(&page))?;
        }
        Some(folder) => {
            let folder = context.absolute(&folder);
            std::fs::create_dir_all(&folder)
                .and_then(|()| clap_mangen::generate_to(command, &folder))
                .map_err(|error| Failure::local(format_args!("write to {}", folder.display()), &error))?;
        }
    }
    Ok(Exit::Ok)
}
