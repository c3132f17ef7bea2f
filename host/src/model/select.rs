//! Which entries of a folder are asked for.

use serde::{Deserialize, Serialize};

/// Which entries of a folder are asked for, by patterns with `*`, `?`, `[...]`, `{a,b}` and `**`. One without a
/// `/` is about the last part of a path, wherever it lies; any other about the path from the listed folder on;
/// one that ends in `/` is about folders only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Select {
    /// One of these must match, if there are any. Folders that don't match are looked into all the same.
    pub include: Vec<String>,
    /// None of these may match. A folder that does isn't looked into.
    pub exclude: Vec<String>,
    /// Folders below are looked into.
    pub recursive: bool,
}

impl Select {
    /// What one pattern matches; everything, if there is none.
    #[must_use]
    pub fn of(glob: Option<&str>, recursive: bool) -> Self {
        let include = glob.filter(|glob| !glob.is_empty()).map(str::to_owned).into_iter().collect();
        Self { include, exclude: Vec::new(), recursive }
    }
}
