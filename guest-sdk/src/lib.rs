//! Write workflows for the transfer orchestrator in Rust.
//!
//! A workflow is a plain function from a typed input to a typed result, compiled to a WebAssembly
//! component. Every call in this crate that looks at something or changes something is a *step*: its
//! result is in the run's journal before the call returns. When the process is killed and the run is
//! resumed, the function runs again from its beginning, finished steps return what they returned, and
//! the first unfinished one goes on where it was. Between steps the function must decide only by its
//! input and by what steps returned.
//!
//! ```
//! use orchestrator_sdk::prelude::*;
//!
//! workflow!(run);
//!
//! #[derive(Deserialize)]
//! struct Input {
//!     site: String,
//!     folder: String,
//! }
//!
//! #[derive(Serialize)]
//! struct Report {
//!     bytes: u64,
//! }
//!
//! fn run(input: Input) -> Result<Report> {
//!     let site = Site::open(&input.site)?;
//!     let mut bytes = 0;
//!     for file in site.list("in", "*.csv")? {
//!         let local = path::join(&input.folder, file.name());
//!         bytes += site.download(&file.path, local)?.bytes;
//!         site.rename(&file.path, path::join("done", file.name()))?;
//!     }
//!     info!(bytes, "all files are here");
//!     Ok(Report { bytes })
//! }
//! # // What the page `testing` describes: the workflow runs natively, on servers in memory.
//! # use orchestrator_sdk::testing::MockHost;
//! # let host = MockHost::new().with_site("acme").with_folder("got");
//! # host.site("acme").write("in/a.csv", "1,2\n");
//! # host.site("acme").make_dir("done");
//! # let report = host.run(run, serde_json::json!({"site": "acme", "folder": "got"})).unwrap();
//! # assert_eq!(report.bytes, 4);
//! # assert_eq!(host.folder("got").paths(), ["a.csv"]);
//! # assert_eq!(host.site("acme").paths(), ["done", "done/a.csv", "in"]);
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`ftp`] | sites, transfers, batches of transfers |
//! | [`files`] | files in granted folders |
//! | [`retry`](mod@retry) | attempts that the workflow repeats itself |
//! | [`checkpoint`] | state that the run saves |
//! | [`memory`] | what the workflow remembers across its runs |
//! | [`clock`], [`random`] | time and chance, the same in a replay |
//! | [`log`], [`progress`] | what people see |
//! | [`signals`] | what people tell a run |
//! | [`context`] | what the run knows of itself |
//! | [`quantity`] | spans and sizes as people write them, for inputs |
//! | `testing` | a host in memory, for `cargo test` (not in WebAssembly) |

// The generated exports name this crate by its name, also inside it.
#[cfg(target_family = "wasm")]
extern crate self as orchestrator_sdk;

pub mod checkpoint;
pub mod clock;
pub mod context;
pub mod files;
pub mod ftp;
pub mod log;
pub mod memory;
pub mod path;
pub mod progress;
pub mod quantity;
pub mod random;
pub mod retry;
pub mod signals;

mod error;
mod input;
mod workflow;

mod host;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

pub use error::{Error, ErrorClass, Result};
#[doc(hidden)]
pub use workflow::private;

/// All that a workflow usually needs.
pub mod prelude {
    pub use serde::{Deserialize, Serialize};
    pub use std::time::Duration;

    pub use crate::clock::Timestamp;
    pub use crate::files::{Digest, FileInfo, FileKind, HashAlgorithm, Listing, Select};
    pub use crate::ftp::{
        Batch, Commit, Delivery, Direction, IfExists, IfSourceGrows, Outcome, Pair, Place, Proof, Receipt,
        Sidecar, Site, Transfer, TransferOptions,
    };
    pub use crate::quantity::{Size, Span};
    pub use crate::retry::{RetryPolicy, retry};
    pub use crate::{Error, ErrorClass, Result};
    pub use crate::{checkpoint, clock, context, files, memory, path, progress, random, signals};
    pub use crate::{debug, error, info, trace, warn, workflow};
}

/// The examples in the documents are compiled with the crate's own.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../README.md")]
    mod readme {}
    #[doc = include_str!("../../docs/first-workflow.md")]
    mod first_workflow {}
    #[doc = include_str!("../../docs/writing-workflows.md")]
    mod writing_workflows {}
}
