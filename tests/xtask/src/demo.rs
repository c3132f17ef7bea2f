//! `cargo xtask demo`: builds everything and hands over to `orchestrator demo`.

use std::process::Command;

use anyhow::Result;

use crate::command::{self, cargo};
use crate::guests;

/// Builds the workflows and the host and runs the demo with the arguments given.
///
/// Its standard output is the demo's alone, so that `cargo xtask demo -o json` can be piped.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let guests = guests::build()?;
    command::run(cargo().args(["build", "--locked", "--package", "orchestrator-host"]))?;
    let mut demo = Command::new(testkit::layout::target().join("debug/orchestrator"));
    demo.current_dir(command::root()).arg("demo").arg("--workflow").arg(guests.join("mirror.wasm"));
    command::run(demo.args(arguments))
}
