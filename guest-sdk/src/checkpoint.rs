//! State that a run saves under names of its own: durable when [`save`] returns.
//! `orchestrator show` lists the keys.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result, host};

/// Saves `value` as JSON under `key` (1 to 100 bytes), instead of what was there.
///
/// # Errors
/// `call.invalid` for a value of more than 65,536 bytes of JSON, a bad key, or more than 1,000 keys.
pub fn save<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<()> {
    host::checkpoint_save(key, &serde_json::to_vec(value)?)
}

/// What was saved under `key`; `None` when nothing was.
///
/// # Errors
/// `checkpoint.unreadable` when what was saved isn't a `T`.
pub fn load<T: DeserializeOwned>(key: &str) -> Result<Option<T>> {
    let Some(bytes) = host::checkpoint_load(key) else { return Ok(None) };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| Error::new("checkpoint.unreadable", format!("reading checkpoint `{key}`: {error}")))
}
