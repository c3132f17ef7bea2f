//! Does what a hostile or broken workflow might do, as the input `how` says. The host must stay unhurt, say
//! what happened, and keep its state clean.
//!
//! | `how` | what it does | what must come of it |
//! |---|---|---|
//! | `trap` | executes `unreachable` | the run is paused, trapped |
//! | `trap-later` | saves `count` as a checkpoint, then traps | the same; `mended` can go on from there |
//! | `panic` | panics with a message | the same, with the message |
//! | `exit` | ends itself through WASI | the same |
//! | `recurse` | recurses without end | the same: the stack is used up |
//! | `spin` | loops without a call | the same: the fuel is used up |
//! | `eat-memory` | allocates and touches memory without end | the same: the limit of memory |
//! | `flood-logs` | writes `count` lines of 8 KiB to the log | done, or trapped when a million lines come without a step; lines are dropped, and how many is said |
//! | `flood-stdout` | writes `count` lines of 8 KiB to standard output | done, likewise |
//! | `flood-steps` | looks at `folder` without end | failed with `run.history-limit` |
//! | `flood-handles` | opens `site` `count` times and keeps every handle | the run is paused, trapped: the limit of handles |
//! | `huge-argument` | passes texts of 3 MiB to several calls | done: each gives an error or is cut |
//! | `huge-call` | passes a text of 8 MiB to one call | the run is paused, trapped: over what one call may pass |
//! | `huge-result` | returns 8 MiB | the same |
//! | `ambient` | puts clocks, random values, environment and addresses into steps, `count` times with 100 ms between | done, also after a kill at any time: none of these differ in a replay |
//! | `sleep` | sleeps for `count` seconds | done when they are over; in between it can be interrupted and cancelled |

// Standard output is one of the things that are flooded.
#![allow(clippy::print_stdout)]

use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::time::{Instant, SystemTime};

use orchestrator_sdk::prelude::*;

workflow!(run);

/// Over the bound of every argument, and within what one call may pass to the host.
const HUGE: usize = 3 << 20;

/// Over what one call may pass to the host, and within a guest's memory.
const TOO_HUGE: usize = 8 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    how: How,
    #[serde(default = "thousand")]
    count: u64,
    /// A granted site, for `flood-handles`.
    #[serde(default)]
    site: String,
    /// A granted folder, for `flood-steps`.
    #[serde(default)]
    folder: String,
}

fn thousand() -> u64 {
    1_000
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum How {
    Trap,
    TrapLater,
    Panic,
    Exit,
    Recurse,
    Spin,
    EatMemory,
    FloodLogs,
    FloodStdout,
    FloodSteps,
    FloodHandles,
    HugeArgument,
    HugeCall,
    HugeResult,
    Ambient,
    Sleep,
}

fn run(input: Input) -> Result<String> {
    match input.how {
        How::Trap => trap(),
        How::TrapLater => {
            checkpoint::save("first", &input.count)?;
            trap()
        }
        How::Panic => panic!("this workflow panics on purpose"),
        How::Exit => exit(),
        How::Recurse => Ok(recurse(&input.site).to_string()),
        How::Spin => spin(),
        How::EatMemory => eat_memory(),
        How::FloodLogs => {
            let line = "x".repeat(8 << 10);
            (0..input.count).for_each(|n| info!(n, "{line}"));
            Ok(format!("{} lines", input.count))
        }
        How::FloodStdout => {
            let line = "x".repeat(8 << 10);
            (0..input.count).for_each(|n| println!("{n} {line}"));
            Ok(format!("{} lines", input.count))
        }
        How::FloodSteps => loop {
            files::stat(&input.folder)?;
        },
        How::FloodHandles => {
            let kept = (0..input.count).map(|_| Site::open(&input.site)).collect::<Result<Vec<_>>>()?;
            Ok(format!("{} handles", kept.len()))
        }
        How::HugeArgument => huge_argument(&input),
        How::HugeCall => Site::open("x".repeat(TOO_HUGE)).map(|site| site.name().to_owned()),
        How::HugeResult => Ok("x".repeat(TOO_HUGE)),
        How::Ambient => ambient(input.count),
        How::Sleep => clock::sleep(Duration::from_secs(input.count)).map(|()| "awake".to_owned()),
    }
}

fn trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort();
}

#[allow(clippy::exit)] // The point of it.
fn exit() -> ! {
    std::process::exit(0)
}

#[allow(unconditional_recursion)] // The point of it.
fn recurse(text: &str) -> usize {
    let deeper = std::hint::black_box(format!("{}x", &text[..text.len().min(8)]));
    1 + recurse(&deeper)
}

fn spin() -> ! {
    let mut n = 0_u64;
    loop {
        n = std::hint::black_box(n.wrapping_add(1));
    }
}

fn eat_memory() -> ! {
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    loop {
        eaten.push(std::hint::black_box(vec![1; 1 << 20]));
    }
}

/// Gives the codes of the errors that the calls gave, in order.
fn huge_argument(input: &Input) -> Result<String> {
    let huge = "x".repeat(HUGE);
    let code = |result: Result<()>| result.err().map_or_else(|| "accepted".to_owned(), |error| error.code);
    info!("{huge}");
    progress::status("huge", &huge);
    progress::report(&huge, 1, 2, "units");
    let codes = [
        code(Site::open(&huge).map(drop)),
        code(files::stat(format!("{}/{huge}", input.folder)).map(drop)),
        code(files::write(format!("{}/huge", input.folder), &huge)),
        code(checkpoint::save("huge", &huge)),
        code(checkpoint::save(&huge, "")),
    ];
    Ok(codes.join(" "))
}

/// What a program can see of the world without asking its host for it.
fn ambient(rounds: u64) -> Result<String> {
    let mut seen = String::new();
    for _ in 0..rounds {
        let mut stdin = String::new();
        let read = std::io::stdin().read_to_string(&mut stdin).is_ok();
        let heap = Box::new(0_u8);
        seen = format!(
            "{:?} {:?} {:x} {:?} {:?} {read} {stdin:?} {:p} {:?} {}",
            SystemTime::now(),
            Instant::now(),
            RandomState::new().hash_one(1),
            std::env::vars().collect::<Vec<_>>(),
            std::env::args().collect::<Vec<_>>(),
            heap,
            std::fs::read_dir("/").map(Iterator::count).map_err(|error| error.kind()),
            random::uuid(),
        );
        progress::status("ambient", &seen);
        clock::sleep(Duration::from_millis(100))?;
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use orchestrator_sdk::testing::MockHost;
    use serde_json::json;

    use super::run;

    #[test]
    fn what_can_end_natively_ends() {
        let host = MockHost::new().with_site("acme").with_folder("got");
        let run = |input| host.run(run, input);
        assert_eq!(run(json!({"how": "flood-logs", "count": 10})).unwrap(), "10 lines");
        assert_eq!(run(json!({"how": "flood-handles", "site": "acme", "count": 10})).unwrap(), "10 handles");
        assert_eq!(run(json!({"how": "sleep", "count": 3600})).unwrap(), "awake");
        assert!(run(json!({"how": "dance"})).unwrap_err().is("input.invalid"));
    }
}
