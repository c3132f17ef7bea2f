//! What others tell a run while it is under way, by `orchestrator signal RUN NAME JSON`. Signals wait for the
//! run, whether it is under way or not; each is received once.
//!
//! ```
//! # use orchestrator_sdk::prelude::*;
//! fn run(_: ()) -> Result<bool> {
//!     info!("waiting for somebody to approve");
//!     let approved: Option<bool> = signals::receive_within("approval", Duration::from_secs(3_600))?;
//!     Ok(approved.unwrap_or(false))
//! }
//! # let host = orchestrator_sdk::testing::MockHost::new();
//! # assert!(!host.run(run, serde_json::Value::Null).unwrap());
//! # host.signal("approval", true.into());
//! # assert!(host.run(run, serde_json::Value::Null).unwrap());
//! ```

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::{Error, Result, host};

/// The oldest signal of this name (1 to 64 bytes) that wasn't received yet; waits until one comes.
///
/// # Errors
/// `run.cancelled` when the run is cancelled meanwhile, `call.invalid` for a bad name, `signals.unreadable`
/// when what came isn't a `T`; it is received all the same.
pub fn receive<T: DeserializeOwned>(name: &str) -> Result<T> {
    loop {
        if let Some(payload) = host::receive(name, None)? {
            return read(name, &payload);
        }
    }
}

/// The same, but waits no longer than `timeout`, and not at all for zero. A run that is killed meanwhile and
/// resumed waits for the rest.
///
/// # Errors
/// As [`receive`].
pub fn receive_within<T: DeserializeOwned>(name: &str, timeout: Duration) -> Result<Option<T>> {
    host::receive(name, Some(timeout))?.map(|payload| read(name, &payload)).transpose()
}

fn read<T: DeserializeOwned>(name: &str, payload: &str) -> Result<T> {
    serde_json::from_str(payload)
        .map_err(|error| Error::new("signals.unreadable", format!("reading the signal `{name}`: {error}")))
}
