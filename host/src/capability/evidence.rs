//! What stood under the names that an effect touches, recorded before the effect.

use serde::{Deserialize, Serialize};

use crate::journal::{Effect, Halt};
use crate::model::FileInfo;

/// The format of evidence, in its first byte.
///
/// Changelog
/// - 1: the first.
const FORMAT: u8 = 1;

/// What stood there before an effect; `None` for nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stood {
    /// Under the name that the effect is about.
    pub(super) source: Option<FileInfo>,
    /// Under the new name, for a rename.
    pub(super) target: Option<FileInfo>,
}

impl Stood {
    pub(super) fn new(source: Option<FileInfo>, target: Option<FileInfo>) -> Self {
        Self { source, target }
    }

    /// As it is recorded.
    pub(super) fn encode(&self) -> Vec<u8> {
        // Plain values into memory: the encoder has nothing to fail at, and evidence that can't be
        // read back stops the run.
        postcard::to_extend(self, vec![FORMAT]).unwrap_or_default()
    }

    /// What an earlier process recorded, if this step is in doubt.
    pub(super) fn recorded(step: &Effect) -> Result<Option<Self>, Halt> {
        let Some(bytes) = step.in_doubt() else {
            return Ok(None);
        };
        let read = match bytes.split_first() {
            Some((&FORMAT, rest)) => postcard::from_bytes(rest).ok(),
            _ => None,
        };
        let unreadable = || crate::journal::Error::Damaged {
            what: format!("what was recorded before step {} can't be read", step.seq()),
        };
        read.map(Some).ok_or_else(|| Halt::State(unreadable()))
    }
}
