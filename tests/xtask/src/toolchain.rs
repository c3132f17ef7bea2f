//! What of the Rust toolchain a fresh machine lacks.

use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{self, cargo};

/// The test runner that is installed where none is: one whose minimum Rust is not above ours.
const NEXTEST_VERSION: &str = "0.9.143";

/// Installs the target that workflows are compiled for.
pub(crate) fn wasm_target() -> Result<()> {
    let sysroot =
        command::output(Command::new("rustc").current_dir(command::root()).args(["--print", "sysroot"]))?;
    let target = std::path::Path::new(sysroot.trim()).join("lib/rustlib/wasm32-wasip2");
    if target.is_dir() {
        return Ok(());
    }
    command::run(Command::new("rustup").current_dir(command::root()).args(["target", "add", "wasm32-wasip2"]))
        .context("install the target wasm32-wasip2")
}

/// Installs the components that `rust-toolchain.toml` names, where rustup hasn't done so.
pub(crate) fn components() -> Result<()> {
    for (tool, component) in [("cargo-fmt", "rustfmt"), ("cargo-clippy", "clippy")] {
        let works = Command::new(tool).arg("--version").current_dir(command::root()).output();
        if !works.is_ok_and(|output| output.status.success()) {
            let mut rustup = Command::new("rustup");
            command::run(rustup.current_dir(command::root()).args(["component", "add", component]))?;
        }
    }
    Ok(())
}

/// A `cargo nextest` command; the program is built under the target folder where there is none.
pub(crate) fn nextest() -> Result<Command> {
    let own = testkit::layout::target().join("tools");
    if !command::exists("cargo-nextest") && !own.join("bin/cargo-nextest").is_file() {
        let mut install = cargo();
        install.args(["install", "--locked", "--version", NEXTEST_VERSION, "cargo-nextest", "--root"]);
        command::run(install.arg(&own)).context("install cargo-nextest")?;
    }
    let mut nextest = cargo();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([own.join("bin")]);
    nextest.env("PATH", std::env::join_paths(folders)?).arg("nextest");
    Ok(nextest)
}
