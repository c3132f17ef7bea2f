//! One process of the orchestrator, and how a second one talks to it.
//!
//! Whoever opens a state folder listens on `<state>/socket`; whoever finds it taken becomes a client
//! of that process. Either way a command builds one [`Request`] and reads [`Reply`]s, so there is one
//! code path for both:
//!
//! ```text
//!  command ── Request ──► Access ─┬─ Own: Node (store, engine, sites) ── Reply… ──► command
//!                                 │        ▲ same requests
//!                                 │      Server on <state>/socket ◄── other commands
//!                                 └─ Other: Client ──► the process that holds the state
//! ```
//!
//! Lines of JSON go over the socket, the version first. A request that was accepted counts as work:
//! the process that holds the state ends only after its last one.

mod access;
mod address;
mod backups;
mod client;
mod error;
mod firing;
mod frame;
mod health;
mod kept;
mod node;
mod recall;
mod recovery;
mod replays;
mod running;
mod schedules;
mod server;
mod services;
mod sites;
mod standing;
mod submit;
#[cfg(test)]
mod tests;
mod view;
mod wire;

pub use access::{Access, Call, Hold, Interrupter, Other, Own};
pub use error::Error;
pub use firing::Firing;
pub use health::{Check, Health, Process};
pub use kept::KeptLog;
pub use node::{Node, Options, SERVERS, restore};
pub use recovery::Recovery;
pub use schedules::{Next, ScheduleAnswer, ScheduleAsk, ScheduleDetails, ScheduleRow};
pub use server::Serve;
pub use services::{Service, Services};
pub use sites::SiteBook;
pub use wire::{
    Counts, Entry, MemoryRow, MemoryTally, PROTOCOL, Replay, ReplayEnd, Reply, Request, RunDetails, RunRef,
    RunSummary, ServerState, StateReport, Tested, TestedServer,
};
