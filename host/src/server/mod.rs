//! The HTTP API of a process that is left running.
//!
//! ```text
//!  socket ── listen ── shield ── guard ── handler ── Request ──► node ── Reply… ──► wire ── JSON
//!           (TLS,     (host,    (token,                 the same requests as those of commands
//!            limits)   load)     role, pace)
//! ```
//! | file | holds |
//! |---|---|
//! | `listen` | [`Server`]: the listener, its connections, TLS, the end in good order |
//! | `router` | which path is whose, and who may call it |
//! | `shield` | what holds for every request: host, origin, load, time, headers |
//! | `guard` | who calls: tokens, roles, the pace of a caller |
//! | `app` | what handlers share: the way to the node |
//! | `problem` | errors as `application/problem+json` (RFC 9457) |
//! | `input` | bodies and queries, bounded and read strictly |
//! | `runs`, `journal`, `events`, `sites`, `workflows`, `probes` | the handlers |
//! | `wire` | what goes over the wire: no type of the rest of the program does |
//!
//! A handler does nothing by itself: it makes a [`Request`](crate::node::Request), as a command does, and
//! shows the reply. What is refused is refused before memory grows: connections, requests, streams and
//! bodies have bounds, and one over them is told when to come back.

mod listen;
mod tls;

mod router;

mod guard;
mod pace;
mod shield;

mod app;
mod input;
mod problem;

mod events;
mod journal;
mod probes;
mod runs;
mod sites;
mod workflows;

mod wire;

#[cfg(test)]
mod tests;

pub use listen::{Options, Server};
