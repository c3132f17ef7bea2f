//! `cargo xtask soak`: servers that are stopped, stalled, killed and started again at random while files
//! move, for as long as one likes.

use anyhow::{Context, Result, bail};

use crate::command;
use crate::{servers, toolchain};

/// How long without `--minutes`.
const MINUTES: u64 = 5;

/// Torments each kind of site for so many minutes. The seed is shown; `TESTKIT_SEED` repeats it.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let minutes = match arguments {
        [] => MINUTES,
        [name, number] if name == "--minutes" => {
            number.parse().with_context(|| format!("`{number}` is no number of minutes"))?
        }
        _ => bail!("usage: cargo xtask soak [--minutes N]"),
    };
    servers::fetch()?;
    let mut nextest = toolchain::nextest()?;
    nextest.env("TESTKIT_SOAK_SECONDS", (minutes * 60).to_string());
    nextest.args(["run", "--locked", "--workspace", "--profile", "soak", "--run-ignored", "all"]);
    command::run(nextest.args(["--no-capture", "-E", "test(outage_tests::a_site)"]))
}
