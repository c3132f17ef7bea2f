//! What reads the bytes of servers, under whatever bytes there are.
//!
//! The parsers are the host's own files, compiled here without the rest of it: so they can be built with
//! counters of what is reached in a minute, and with nothing unstable. Each [`Target`] gives bytes to one
//! of them and looks at what comes out. `cargo xtask fuzz` runs them under libFuzzer; a short part, always
//! the same, runs with the tests.

// The host's files have tests of their own, which run where they are at home.
#![cfg(not(test))]

#[allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "the host's files, of which only a part is used"
)]
#[path = "../../../host/src/model/mod.rs"]
mod model;

#[allow(dead_code, unreachable_pub, missing_docs, reason = "the host's files, of which only a part is used")]
mod transfer;

mod seeds;

pub use seeds::seeds;

/// A parser, and how what it gives is judged.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Gives it these bytes. Panics when what comes out is wrong.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: &[Target] = transfer::ftp::TARGETS;

/// The target of a name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
