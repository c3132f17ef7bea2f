//! The way to the host: imports of the component in WebAssembly, a mock in memory natively. Both sides
//! give the same functions and handles in the crate's own types, and nothing else in the crate knows
//! which one it talks to.

#[cfg(target_family = "wasm")]
pub mod bindings;
#[cfg(target_family = "wasm")]
mod convert;
#[cfg(target_family = "wasm")]
mod wasm;

#[cfg(target_family = "wasm")]
pub(crate) use wasm::*;

// What the export macro needs in the author's crate.
#[cfg(target_family = "wasm")]
pub use bindings::{
    export, exports::orchestrator::workflow::handler::Guest, orchestrator::workflow::types::Failure,
};

#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::testing::host::*;

use crate::Result;
use crate::ftp::Receipt;

/// What a batch's `next` gives, by the numbers of its transfers.
pub(crate) enum Delivery {
    Outcomes(Vec<(u32, Result<Receipt>)>),
    TimedOut,
    Finished,
}
