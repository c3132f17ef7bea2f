//! `cargo xtask`: the commands that people and CI call.
//!
//! | command | does |
//! |---|---|
//! | `test` | installs what is missing, checks format and lints, builds everything, runs all tests |
//! | `guests` | builds every workflow and test guest to `target/wasm32-wasip2/guest/*.wasm` |
//! | `servers` | fetches vsftpd, ProFTPD and pure-ftpd to `target/servers`, and proxies to `target/proxies` |
//! | `demo` | builds everything and runs `orchestrator demo` with the arguments that follow |
//! | `fuzz` | runs the parsers of what servers send under libFuzzer, for so many minutes each |
//! | `soak` | torments servers while files move, for `--minutes N` |
//! | `bench` | measures against lftp, curl and rclone, near and far, and writes `docs/performance.md` |
//!
//! All that they make lies under the target folder. What is missing is installed or the command
//! fails; nothing is skipped.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line's output is its purpose")]

mod command;
mod debian;
mod toolchain;

mod bench;
mod demo;
mod fuzz;
mod guests;
mod servers;
mod soak;
mod test;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask test [FILTER...] | guests | servers [fetch] | demo [ARGS...] | soak [--minutes N] | bench [--quick] [PART...] | fuzz [--minutes N] [TARGET...]";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next();
    let rest: Vec<String> = arguments.collect();
    let result = match command.as_deref() {
        Some("test") => test::run(&rest),
        Some("guests") => guests::build().map(drop),
        Some("servers") => servers::run(&rest),
        Some("demo") => demo::run(&rest),
        Some("soak") => soak::run(&rest),
        Some("bench") => bench::run(&rest),
        Some("fuzz") => fuzz::run(&rest),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
