//! Runs: begun, replayed, gone on with, cancelled.
//!
//! ```text
//! Engine ── submit / resume ──▶ drive (one task a run) ──▶ RunOutcome
//!   │                             │  Store<Ctx> with the guest; its journal; its background
//!   └──▶ RunHandle ◀── events ────┘
//! ```
//! | file | holds |
//! |---|---|
//! | `engine` | [`Engine`]: the handle of all runs of a process |
//! | `handle` | [`RunHandle`]: one live run, for those who watch or stop it |
//! | `id` | ids of runs to be |
//! | `drive` | one run from its instantiation to its outcome |
//! | `recover` | runs that a process left behind |
//! | `outcome` | what a guest's end means for its run |
//! | `pinned`, `recover` | runs of schedules; runs that a process left behind |
//! | `look` | listings and histories: reading without driving |
//! | `replay` | once more along what is recorded, without effect |
//! | `retry`, `purge` | runs that have ended: going back, and being forgotten |
//! | `signal` | what somebody tells a run from outside |
//! | `error` | why a run isn't begun or found |

mod engine;
mod handle;
mod id;

mod drive;
mod outcome;
mod pinned;

mod purge;
mod recover;
mod replay;
mod retry;
mod signal;

mod look;

mod error;

pub use crate::capability::Sites;
pub use engine::{Cancelled, Engine, EngineOptions, ResumeOptions, RunSpec};
pub use error::Error;
pub use handle::RunHandle;
pub use look::{ListFilter, RunDetail, RunLine};
pub use purge::PurgeFilter;
pub use replay::{ReplayEnd, ReplayOptions, Replayed};

#[cfg(test)]
mod tests;
