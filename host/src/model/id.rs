//! Identities of runs, steps and workflows.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// Crockford's base 32: no I, L, O or U, so an id survives being read aloud.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// One execution of a workflow. 26 characters of Crockford base 32: 48 bits of milliseconds, then
/// 80 random bits (the layout of a ULID), so that ids sort by age.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

impl RunId {
    /// The id of a run that began at `at`; `random` makes it unique.
    #[must_use]
    pub fn new(at: Timestamp, random: [u8; 10]) -> Self {
        let mut bits = u128::from(at.0 & 0xFFFF_FFFF_FFFF) << 80;
        for (i, byte) in random.into_iter().enumerate() {
            bits |= u128::from(byte) << (72 - 8 * i);
        }
        let text = (0..26)
            .rev()
            .map(|i| char::from(ALPHABET[usize::try_from((bits >> (5 * i)) & 31).unwrap_or(0)]))
            .collect();
        Self(text)
    }

    /// The id as it is printed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for RunId {
    type Err = String;

    /// Accepts lower case. Says what is wrong otherwise.
    fn from_str(text: &str) -> Result<Self, String> {
        let upper = text.to_ascii_uppercase();
        if upper.len() != 26 || !upper.bytes().all(|b| ALPHABET.contains(&b)) {
            return Err(format!("`{}` is not a run id (26 letters and digits)", text.escape_default()));
        }
        Ok(Self(upper))
    }
}

impl TryFrom<String> for RunId {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}

/// The place of a step in its run: dense, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepSeq(pub u64);

impl fmt::Display for StepSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The place of an item in a batch: dense, from 0. A step that is no batch has item 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemId(pub u32);

/// SHA-256 of a workflow's component: what a run is pinned to. 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkflowDigest(pub String);

impl fmt::Display for WorkflowDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_sort_by_age_and_read_back() {
        let early = RunId::new(Timestamp(1_000), [255; 10]);
        let late = RunId::new(Timestamp(1_001), [0; 10]);
        assert!(early < late);
        assert_eq!(late.as_str().to_lowercase().parse(), Ok(late));
        assert!("01JD51".parse::<RunId>().is_err());
        assert!("../../../../../etc/passwd0".parse::<RunId>().is_err());
    }
}
