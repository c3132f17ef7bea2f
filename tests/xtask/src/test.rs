//! `cargo xtask test`: all that must hold before a change lands.

use anyhow::Result;

use crate::command::{self, cargo};
use crate::{guests, servers, toolchain};

/// Installs what is missing, checks format and lints, builds everything and runs all tests; its
/// last line is the test runner's own. `filters` go to the runner, as test names.
pub(crate) fn run(filters: &[String]) -> Result<()> {
    toolchain::components()?;
    toolchain::wasm_target()?;
    let mut nextest = toolchain::nextest()?;

    command::run(cargo().args(["fmt", "--all", "--check"]))?;
    guests::build()?;
    command::run(cargo().args([
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    servers::fetch()?;
    if filters.is_empty() {
        command::run(cargo().args(["test", "--locked", "--workspace", "--doc"]))?;
    }
    // What plain `cargo test` leaves out for want of the servers isn't left out here.
    nextest.args(["run", "--locked", "--workspace", "--no-fail-fast", "--run-ignored", "all"]);
    command::run(nextest.args(filters))
}
