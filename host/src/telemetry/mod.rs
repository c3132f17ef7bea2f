//! Logs: what operators read, on standard error, as text or as JSON.
//!
//! Run events become log lines here ([`log_event`]); progress bars, which people watch instead,
//! belong to the command line.

mod events;
mod setup;

pub use events::log_event;
pub use setup::{Options, init};
