//! What a workflow may ask of its host: one file for each interface of `wit/`.
//!
//! | file | holds |
//! |---|---|
//! | `ctx` | [`Ctx`]: what stands behind one guest; every effect goes through its `step` |
//! | `grants` | [`Reach`]: what the run may reach; [`Sites`] |
//! | `signals`, `events` | how a run is asked to end, and how it tells what it does |
//! | `context` … `retry` | the small interfaces |
//! | `files`, `listing`, `evidence` | granted folders; what makes a write safe to repeat |
//! | `ftp` | sites, transfers, batches |
//! | `workers` | what goes on in the background |
//! | `wasi` | WASI 0.2: linked, empty and denied |
//! | `bindings`, `convert` | what `wit/` says, as Rust, and in the words of the domain |
//!
//! A guest is given nothing by default. What it sends is checked where that follows from the journal
//! alone (paths, grants, bounds), so that a replay refuses the same; all else is a step.

// The generated bindings export the handles' types again, which only public items can be.
#![allow(unreachable_pub)]

mod ctx;
mod grants;

mod events;
mod signals;

mod checkpoint;
mod clock;
mod context;
mod inbox;
mod log;
mod memory;
mod progress;
mod random;
mod retry;

mod evidence;
mod files;
mod listing;

mod ftp;
mod workers;

mod wasi;

mod bindings;
mod convert;

mod link;

pub use ctx::{Ctx, Halted, Parts, RunFacts};
pub use events::Events;
pub use grants::{Reach, Sites};
pub use link::{Guest, linker};
pub use signals::Signals;

#[cfg(test)]
mod testing;
