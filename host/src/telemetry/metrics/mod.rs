//! Metrics in the text format of Prometheus.
//!
//! | file | holds |
//! |---|---|
//! | `metrics` | [`Metrics`]: all of them, and the text |
//! | `moves` | what is counted of runs and transfers, as they tell it |
//! | `standing` | what is measured when somebody asks: sessions, the journal, the process |
//!
//! No file and no run is a label: there is no end of them. A counter of a site begins at 0 when the site is
//! known, so that its first failure is seen as an increase.

mod metrics;
mod moves;
mod standing;
#[cfg(test)]
mod tests;

pub use metrics::Metrics;
pub use standing::{JournalStanding, ServerStanding, Standing};
