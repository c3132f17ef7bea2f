//! Running components safely: the one engine configuration, limits, the compile cache, and the
//! comparison of a component with what workflows are given.
//!
//! | type | is |
//! |---|---|
//! | [`Runtime`] | the compiler and its cache; loads components |
//! | [`Options`], [`Limits`] | what it is made from; every bound with its reason |
//! | [`Inspection`], [`Refusal`] | what a component asks for; why one isn't run |
//! | [`Meter`] | counts what one guest uses: memory, tables, calls |
//! | [`Trap`] | how a guest ended that didn't return |
//!
//! Nothing here knows what a run is. Guests run on fibers of tokio's threads; one thread of this
//! module counts up the epoch while guests are live, and each guest yields when it sees that. CPU
//! time is bounded by fuel, which is deterministic; epochs only yield.

mod options;
mod runtime;

mod cache;
mod config;
mod inspect;
mod meter;
mod ticker;
mod trap;

pub use inspect::{Import, ImportKind, Inspection, PACKAGE, Refusal, VERSION, inspect};
pub use meter::{LimitReached, Meter};
pub use options::{Limits, Options};
pub use runtime::{Loaded, Runtime};
pub use ticker::Ticking;
pub use trap::{Trap, TrapKind, frames};
