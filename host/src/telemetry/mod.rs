//! Logs: what operators read, on standard error, as text or as JSON.
//!
//! Run events become log lines here ([`log_event`]); progress bars, which people watch instead,
//! belong to the command line.

mod events;
mod listeners;
mod metrics;
mod setup;

pub use events::{LogLines, log_event};
pub use listeners::Listeners;
pub use metrics::{JournalStanding, Metrics, ScheduleStanding, ServerStanding, Standing};
pub use setup::{Options, init};
