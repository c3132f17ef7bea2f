//! Which entries of a folder are asked for.

use serde::{Deserialize, Serialize};

/// Which entries of a folder are asked for; everything by default.
///
/// In patterns `*` and `?` stay within a name, `**` spans folders, `[a-z]` and `{a,b}` choose. One without a
/// slash is compared with the name, any other with the path below the listed folder; one that ends in a slash
/// is about folders only. Where a call takes a `Select`, a single pattern or `None` will do as well.
///
/// ```
/// use orchestrator_sdk::files::Select;
/// let select = Select::all().include("*.csv").include("*.txt").exclude("old/").exclude("~*");
/// assert_eq!(Select::from("*.csv"), Select::all().include("*.csv"));
/// # assert_eq!(select.exclude.len(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Select {
    /// An entry must match one of these, if there are any; at most 100. Folders that don't match are left
    /// out, and yet looked into.
    pub include: Vec<String>,
    /// What matches one of these is left out with all that is in it; at most 100. Such a folder isn't
    /// looked into.
    pub exclude: Vec<String>,
}

impl Select {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Also what matches this.
    #[must_use]
    pub fn include(mut self, pattern: impl Into<String>) -> Self {
        self.include.push(pattern.into());
        self
    }

    /// But nothing that matches this.
    #[must_use]
    pub fn exclude(mut self, pattern: impl Into<String>) -> Self {
        self.exclude.push(pattern.into());
        self
    }
}

impl From<&str> for Select {
    fn from(pattern: &str) -> Self {
        Self::all().include(pattern)
    }
}

impl From<Option<&str>> for Select {
    fn from(pattern: Option<&str>) -> Self {
        pattern.map(Self::from).unwrap_or_default()
    }
}

impl From<&Self> for Select {
    fn from(select: &Self) -> Self {
        select.clone()
    }
}
