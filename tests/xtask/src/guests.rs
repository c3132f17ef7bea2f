//! Workflows and test guests, compiled to components.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::command::{self, cargo};
use crate::toolchain;

/// Builds every package under `workflows/` and `tests/guests/` and gives the components' folder.
pub(crate) fn build() -> Result<PathBuf> {
    toolchain::wasm_target()?;
    let folder = testkit::layout::guests();
    let packages = packages()?;
    if packages.is_empty() {
        return Ok(folder);
    }
    let mut build = cargo();
    build.args(["build", "--locked", "--profile", "guest", "--target", "wasm32-wasip2"]);
    for package in &packages {
        build.args(["--package", package]);
    }
    command::run(&mut build).context("build the workflows")?;
    Ok(folder)
}

/// The names of the packages that are compiled to components.
pub(crate) fn packages() -> Result<Vec<String>> {
    let mut metadata = cargo();
    metadata.args(["metadata", "--locked", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&command::output(&mut metadata)?)?;
    let folders = ["workflows", "tests/guests"].map(|folder| command::root().join(folder));
    let all = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    Ok(all
        .iter()
        .filter(|package| {
            let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap_or_default());
            folders.iter().any(|folder| manifest.starts_with(folder))
        })
        .filter_map(|package| package["name"].as_str().map(str::to_owned))
        .collect())
}
