//! Ids of runs to be, and what else has to be unguessable.

use super::{Engine, Error};
use crate::model::RunId;

impl Engine {
    /// The id of a run to be, which no other run has.
    ///
    /// # Errors
    /// [`Error::Setup`] where the system gives no random bytes.
    pub fn new_run_id(&self) -> Result<RunId, Error> {
        Ok(RunId::new(self.clock().now(), random()?))
    }
}

/// Bytes from the operating system: what nobody can guess.
pub(super) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Setup(format!("the system gives no random bytes: {error}")))?;
    Ok(bytes)
}
