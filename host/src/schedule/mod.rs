//! Schedules: when runs are begun.
//!
//! | file | holds |
//! |---|---|
//! | `expression` | cron expressions, walked in civil time |
//! | `timing` | an expression or one instant, with its zone, start, end and exclusions |

mod expression;
mod timing;

pub use expression::{Expression, Invalid};
pub use timing::{Latest, Rule, Timing, When, local, parse_instant, zone};
