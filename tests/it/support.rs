//! What the tests of the built program share.

use std::path::PathBuf;

use serde_json::Value;
use testkit::environment::{Environment, Finished};
use testkit::layout;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_orchestrator");

/// A fresh environment for the program.
pub fn environment() -> Environment {
    Environment::new(PROGRAM).unwrap()
}

/// A compiled workflow or test guest, by its name.
#[track_caller]
pub fn guest(name: &str) -> PathBuf {
    let path = layout::guests().join(format!("{}.wasm", name.replace('-', "_")));
    assert!(path.is_file(), "{} isn't built; run `cargo xtask guests`", path.display());
    path
}

/// The one JSON document on standard output.
#[track_caller]
pub fn document(finished: &Finished) -> Value {
    serde_json::from_str(finished.stdout.trim()).unwrap_or_else(|error| panic!("{error}\n{finished}"))
}

/// The last JSON document on standard output.
#[track_caller]
pub fn last_document(finished: &Finished) -> Value {
    let line = finished.stdout.trim().lines().next_back().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|_| document(finished))
}
