//! Schedules: which runs are begun when, each exactly once.
//!
//! ```text
//! Handle ── add, edit, pause, trigger, backfill ──▶ store ◀── rows: what became of each nominal time
//!   │                                                 ▲
//!   └── changes ──▶ Service ── due ──▶ decide ──▶ Runs::fire: row and run in one commit
//!                     │  a heap of due times            │
//!                     └◀──────── how the run ended ─────┘
//! ```
//! A firing is a schedule and a nominal time. It fires at most once because its row and its run become
//! durable in one commit of the store, and the store refuses a second run for the same row; so a process
//! may be killed anywhere. What had become due meanwhile is looked for in the rows: nothing else remembers
//! how far a schedule has come.
//!
//! | file | holds |
//! |---|---|
//! | `expression`, `timing` | when: cron expressions, zones, exclusions |
//! | `definition`, `patch` | what somebody wants, and what of it is to be changed |
//! | `record`, `history` | how both are stored: schedules, and rows of their history |
//! | `handle` | [`Handle`]: add, edit, pause, list, show |
//! | `trigger`, `backfill`, `apply` | the larger things that a handle does |
//! | `overlap`, `catch_up`, `expect` | the policies: pure functions |
//! | `service`, `book` | [`Service`]: the loop, and what it keeps of each schedule |
//! | `begin` | beginning the run of a firing, and seeing it to its end |
//! | `runs` | what is asked of the engine |
//! | `event` | what is told to listeners |

mod expression;
mod timing;

mod definition;
mod patch;

mod history;
mod record;

mod apply;
mod backfill;
mod handle;
mod trigger;
mod view;

mod catch_up;
mod expect;
mod overlap;

mod begin;
mod book;
mod runs;
mod service;

mod error;
mod event;

#[cfg(test)]
mod tests;

pub use apply::{Change, Desired, Difference};
pub use backfill::{BACKFILL_MAX, Backfill, Filled, Which};
pub use definition::{
    CatchUp, DEFINITION_BYTES_MAX, Definition, Missed, NAME_BYTES_MAX, Overlap, WAITING_MAX, check_name,
};
pub use error::Error;
pub use event::{Counters, Event};
pub use expression::{Expression, Invalid};
pub use handle::{Handle, Options};
pub use history::{Cause, End, HistoryRow, Row, What};
pub use patch::{Field, Patch};
pub use record::{Origin, Pause, Record};
pub use runs::Runs;
pub use service::Service;
pub use timing::{Latest, Rule, Timing, When, local, parse_instant, zone};
pub use trigger::{Triggered, Watched};
pub use view::{Standing, State, View};

/// The format of what is stored of schedules and firings.
///
/// Changelog
/// - 1: the first.
const FORMAT: u32 = 1;
