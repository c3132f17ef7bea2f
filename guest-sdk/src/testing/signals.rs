//! Signals that a test sends.

use std::time::Duration;

use super::state;
use crate::clock::Timestamp;
use crate::{Error, Result};

/// A signal that comes at a certain time.
pub(super) struct Signal {
    pub(super) at: Timestamp,
    pub(super) name: String,
    pub(super) payload: String,
}

/// # Panics
/// When it would wait for ever: no signal of this name comes any more.
pub(crate) fn receive(name: &str, timeout: Option<Duration>) -> Result<Option<String>> {
    if name.is_empty() || name.len() > 64 {
        return Err(Error::new("call.invalid", "a signal's name has 1 to 64 bytes"));
    }
    state::with(|state| {
        state.step("signals.receive", &[name])?;
        let of_name = state.signals.iter().enumerate().filter(|(_, signal)| signal.name == name);
        let next = of_name
            .min_by_key(|(index, signal)| (signal.at, *index))
            .map(|(index, signal)| (index, signal.at));
        match (next, timeout) {
            (Some((index, at)), timeout) if timeout.is_none_or(|timeout| at <= state.now + timeout) => {
                state.pass(at.since(state.now));
                Ok(Some(state.signals.remove(index).payload))
            }
            (_, Some(timeout)) => {
                state.pass(timeout);
                Ok(None)
            }
            (_, None) => {
                panic!("nobody sends the signal `{name}`, and the workflow waits for it without end")
            }
        }
    })
}
