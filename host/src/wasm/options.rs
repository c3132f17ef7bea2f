//! What the Wasm side is made from, and every bound on a guest.

use std::path::PathBuf;
use std::time::Duration;

/// What a [`Runtime`](super::Runtime) is made from.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Folder of compiled components; it is made with mode 0700. `None` compiles every time.
    pub cache: Option<PathBuf>,
    /// Bounds of each guest.
    pub limits: Limits,
}

/// Bounds of each guest. A guest that reaches one ends with a trap that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size of a component. Interpreters (Python: 18 MiB) must fit.
    pub component_bytes_max: u64,
    /// Time to compile a component. Python takes 6 s on two cores.
    pub compile_time_max: Duration,
    /// Linear memory, all memories of a guest together: 1,000 guests then stay within what a server
    /// has, since pages that were never touched cost nothing.
    pub memory_bytes_max: u64,
    /// Elements of all tables: an interpreter has some 10,000 functions.
    pub table_elements_max: u64,
    /// Core instances in one component: the shared libraries of a Python guest are some 30.
    pub instances_max: usize,
    /// Memories, and tables, in one component; each reserves address space.
    pub memories_max: usize,
    /// Stack of a guest; a recursion without end reaches it in about a millisecond.
    pub stack_bytes_max: usize,
    /// Fuel between two steps: about 5 s of computing (measured: 11 units a nanosecond in a tight
    /// loop). A guest that computes for longer does so between steps that it can be resumed at.
    pub step_fuel: u64,
    /// Calls between two steps of functions that are no steps: about a second of them.
    pub step_calls_max: u64,
    /// What the arguments of one call may take on the host's side: a batch takes 10,000 transfers.
    pub call_bytes_max: usize,
    /// Handles open at once: sites, listings, batches, attempts, and those of WASI.
    pub handles_max: usize,
    /// What a guest may print between two calls; what is over it is dropped.
    pub print_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            component_bytes_max: 32 << 20,
            compile_time_max: Duration::from_secs(30),
            memory_bytes_max: 64 << 20,
            table_elements_max: 100_000,
            instances_max: 100,
            memories_max: 100,
            stack_bytes_max: 512 << 10,
            step_fuel: 50_000_000_000,
            step_calls_max: 1_000_000,
            call_bytes_max: 4 << 20,
            handles_max: 1_000,
            print_bytes_max: 1 << 20,
        }
    }
}
