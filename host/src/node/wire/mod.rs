//! What goes over the socket: one JSON object a line.
//!
//! The first line comes from the server and has the version; a client that speaks another one ends
//! there. These types are not those of the journal and not those that `-o json` prints.

mod talk;

mod answers;

pub use answers::{
    Counts, Entry, MemoryRow, MemoryTally, Replay, ReplayEnd, RunDetails, RunSummary, ServerState,
    StateReport, Tested, TestedServer,
};
pub(super) use talk::{Hello, Say};
pub use talk::{PROTOCOL, Reply, Request, RunRef};
