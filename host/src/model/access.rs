//! Who may do what through the server.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a caller of the server may do; each may also do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Look at runs, sites and workflows.
    Read,
    /// Begin, resume and cancel runs, of the workflows and with the folders that the configuration names.
    Run,
    /// Everything: any workflow and any folder of this machine, and forgetting runs.
    Admin,
}

impl Role {
    /// Its name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Run => "run",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Read, Self::Run, Self::Admin];
        all.into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| "a role is read, run or admin".to_owned())
    }
}

/// A token, known only by its digest: it can be recognised, and not be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is called in logs.
    pub name: String,
    /// What who shows it may do.
    pub role: Role,
    /// SHA-256 of its text. A token is made of 256 random bits, so there is nothing to be guessed for
    /// which a slow hash would be needed.
    pub sha256: [u8; 32],
}
