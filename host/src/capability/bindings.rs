//! What `wit/` says, as Rust. Everything here is generated.
//!
//! Functions are `async` where they are steps, which may wait for a server or for the store; those
//! that only read what the run already knows aren't, and cost a fraction of a microsecond.

#![allow(missing_docs, unreachable_pub, clippy::all, reason = "generated code")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "workflow",
    imports: {
        "orchestrator:workflow/context.info": trappable,
        "orchestrator:workflow/context.sites": trappable,
        "orchestrator:workflow/context.folders": trappable,
        "orchestrator:workflow/clock.now": trappable,
        "orchestrator:workflow/random": trappable,
        "orchestrator:workflow/progress.report": trappable,
        "orchestrator:workflow/types.[method]listing.next": trappable,
        "orchestrator:workflow/types.[method]listing.unparsed": trappable,
        "orchestrator:workflow/retry.[static]attempts.open": trappable,
        default: async | trappable,
    },
    exports: { default: async },
    with: {
        "orchestrator:workflow/types.listing": super::listing::Listing,
        "orchestrator:workflow/ftp.site": super::ftp::SiteHandle,
        "orchestrator:workflow/ftp.batch": super::ftp::Batch,
        "orchestrator:workflow/retry.attempts": super::retry::Attempts,
    },
    require_store_data_send: true,
});

pub use orchestrator::workflow::{
    checkpoint, clock, context, files, ftp, log, memory, progress, random, retry, signals, types,
};
