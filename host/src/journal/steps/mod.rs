//! Replay or record: what a guest asks for is answered from the journal as far as that goes, and
//! carried out and recorded after that.
//!
//! ```text
//! guest ── call ──> once ──> recorded? ── yes ──> same call? ── no ──> Halt::Diverged
//!                              │ no                   │ yes
//!                              ▼                      ▼
//!                    effect, then StepFinished     its result
//! ```
//! One order holds it together: the entries of the journal, and between them the deliveries of
//! batches, each of which says after which step it was made. The log is *live* from where both end.
//!
//! | file | holds |
//! |---|---|
//! | `log` | [`StepLog`]: beginning, opening, what it knows |
//! | `once` | one step: recorded, or carried out |
//! | `deliver` | one delivery of a batch |
//! | `replay` | the way to the journal's end, and where it is left |
//! | `rehearsal` | only that way, with nothing carried out |
//! | `notes` | log lines and status values |
//! | `endings` | finish, pause, release, continue-with |

mod log;

mod deliver;
mod endings;
mod notes;
mod once;
mod rehearsal;
mod replay;

pub use log::StepLog;
pub use notes::{LOG_BYTES_MAX, LOG_LINE_BYTES_MAX, Noted};
pub use once::{CHECKPOINT_KEY_BYTES_MAX, Call, Recovery};
pub use rehearsal::Rehearsal;
