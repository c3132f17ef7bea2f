//! `cargo xtask fuzz`: the parsers of `tests/fuzz` under libFuzzer, on stable Rust.
//!
//! libFuzzer is led by counters of what is reached. The compiler sets them by options of LLVM, which
//! stable Rust passes on; only the sanitizers, which we don't use, need an unstable one. What is found
//! stays under the target folder: `fuzz/corpus/TARGET` for the inputs that reached something new, and
//! `fuzz/found/TARGET` for those that broke something.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::command::{self, cargo};

/// What `cargo fuzz` sets as well, without a sanitizer.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks";

/// How long each target runs without `--minutes`.
const MINUTES: u64 = 1;

/// `[--minutes N] [TARGET]...`: all targets by default, one after another.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (mut minutes, mut chosen) = (MINUTES, Vec::new());
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--minutes" => {
                let number = rest.next().and_then(|text| text.parse().ok()).filter(|number| *number > 0);
                minutes = number.context("--minutes wants a number of minutes")?;
            }
            name => chosen.push(::fuzz::target(name).with_context(|| unknown(name))?),
        }
    }
    if chosen.is_empty() {
        chosen.extend(::fuzz::TARGETS);
    }
    let folder = testkit::layout::target().join("fuzz");
    let mut build = cargo();
    build.args(["build", "--locked", "--release", "--package", "fuzz", "--features", "libfuzzer"]);
    build.arg("--target-dir").arg(&folder);
    // Beside the flags, a build for a named platform keeps them from build scripts.
    build.args(["--target", &platform()?]).env("RUSTFLAGS", FLAGS);
    command::run(&mut build)?;
    let program = folder.join(platform()?).join("release/fuzz");
    let mut broken = Vec::new();
    for target in chosen {
        let (corpus, found) =
            (folder.join("corpus").join(target.name), folder.join("found").join(target.name));
        plant(&corpus, target.name)?;
        std::fs::create_dir_all(&found)?;
        let mut fuzzer = std::process::Command::new(&program);
        fuzzer.env("FUZZ_TARGET", target.name).arg(&corpus);
        fuzzer.arg(format!("-max_total_time={}", minutes * 60));
        fuzzer.arg(format!("-artifact_prefix={}/", found.display()));
        // Longer than the longest line that is read; what takes a second for that isn't linear.
        fuzzer.args(["-max_len=70000", "-timeout=5", "-print_final_stats=1", "-verbosity=0"]);
        if let Err(error) = command::run(&mut fuzzer) {
            eprintln!("{}: {error:#}", target.name);
            broken.push(target.name);
        }
    }
    if !broken.is_empty() {
        bail!("broken: {}; the inputs are in {}", broken.join(", "), folder.join("found").display());
    }
    Ok(())
}

fn unknown(name: &str) -> String {
    let names: Vec<_> = ::fuzz::TARGETS.iter().map(|target| target.name).collect();
    format!("there is no target {name}; there are {}", names.join(", "))
}

/// The seeds, beside what earlier runs have found.
fn plant(corpus: &Path, target: &str) -> Result<()> {
    std::fs::create_dir_all(corpus)?;
    for (number, seed) in ::fuzz::seeds(target).iter().enumerate() {
        std::fs::write(corpus.join(format!("seed-{number:03}")), seed)?;
    }
    Ok(())
}

/// The platform that rustc builds for by itself.
fn platform() -> Result<String> {
    let version = command::output(std::process::Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` names no host")?.to_owned())
}
