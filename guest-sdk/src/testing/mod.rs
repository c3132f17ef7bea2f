//! A host in memory, so that `cargo test` runs workflows natively: sites and granted folders are trees in
//! memory, time is simulated, and any call can be made to fail.
//!
//! ```
//! use orchestrator_sdk::prelude::*;
//! use orchestrator_sdk::testing::MockHost;
//!
//! fn run(_: ()) -> Result<u64> {
//!     let site = Site::open("acme")?;
//!     let receipt = site.download("in/a.csv", "got/a.csv")?;
//!     site.remove("in/a.csv")?;
//!     Ok(receipt.bytes)
//! }
//!
//! let host = MockHost::new().with_site("acme").with_folder("got");
//! host.site("acme").write("in/a.csv", "1,2\n");
//! assert_eq!(host.run(run, serde_json::Value::Null).unwrap(), 4);
//! assert_eq!(host.folder("got").read("a.csv").as_deref(), Some(&b"1,2\n"[..]));
//!
//! host.site("acme").write("in/a.csv", "3,4\n");
//! host.fail("ftp.remove", "in/a.csv", Error::new("ftp.denied", "no"));
//! assert!(host.run(run, serde_json::Value::Null).unwrap_err().is("ftp.denied"));
//! assert_eq!(
//!     host.calls(),
//!     ["ftp.open acme", "ftp.download in/a.csv got/a.csv", "ftp.remove in/a.csv"]
//! );
//! ```
//!
//! What it doesn't do: it journals nothing and never crashes, and its transfers take no time. How a
//! workflow behaves when it is killed is tested with the real host, where it costs a workflow nothing.

mod attempts;
mod calls;
mod memory;
mod mock;
mod signals;
mod state;
mod transfer;
mod tree;

pub(crate) mod host {
    //! What [`crate::host`] takes its functions from natively.
    pub(crate) use super::attempts::{Attempts, retry_named};
    pub(crate) use super::calls::*;
    pub(crate) use super::memory::*;
    pub(crate) use super::signals::receive;
    pub(crate) use super::transfer::Batch;
}

pub use mock::{MockHost, MockTree};
