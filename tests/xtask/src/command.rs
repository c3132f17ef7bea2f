//! Running other programs: each one's line is shown, and each one's failure is ours.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The repository's top folder.
pub(crate) fn root() -> &'static Path {
    testkit::layout::root()
}

/// The cargo that called us, so that one toolchain builds everything.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    // `cargo run` sets these for us; a build script that saw them would be built anew each time.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_MANIFEST_", "CARGO_PKG_"].iter().any(|of_package| text.starts_with(of_package)) {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// Shows the command's line, runs it to its end and fails when it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = line(command);
    eprintln!("$ {line}");
    let status = command.status().with_context(|| format!("start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// Runs the command to its end without showing it and gives what it wrote to standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let line = line(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("start `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` wrote something other than UTF-8"))
}

/// True when a program of this name is found on the PATH.
pub(crate) fn exists(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// The command as somebody would type it.
fn line(command: &Command) -> String {
    let word = |text: &OsStr| text.to_string_lossy().into_owned();
    let mut words = vec![word(command.get_program())];
    words.extend(command.get_args().map(word));
    words.join(" ")
}
