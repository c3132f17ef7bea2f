//! Files on FTP and FTPS servers.
//!
//! A workflow never sees an address or a password: it opens a [`Site`] by name. Single transfers are
//! [`Site::download`] and [`Site::upload`]; for many at once there is a [`Batch`].

mod batch;
mod options;
mod place;
mod receipt;
mod site;

pub use batch::{Batch, Delivery, Direction, Outcome, Transfer};
pub use options::{Commit, IfExists, IfSourceGrows, Sidecar, TransferOptions};
pub use place::{Beside, Pair, Place};
pub use receipt::{Proof, Receipt};
pub use site::{Features, Site};
