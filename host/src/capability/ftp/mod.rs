//! `orchestrator:workflow/ftp`: sites, transfers, and many transfers at once.
//!
//! | file | holds |
//! |---|---|
//! | `site` | the resource `site`: looking and changing |
//! | `small` | small files in one go, and waiting for a file |
//! | `copy` | the function `copy`: from one site to another |
//! | `transfer` | moving one file, for a site's own calls, copies and batches |
//! | `batch` | the resource `batch` as the guest sees it |
//! | `queue` | a batch's transfers: waiting, under way, ready to be delivered |
//! | `table` | a transfer's log, in the run's own tables |

mod site;
mod small;

mod batch;
mod copy;
mod queue;
mod table;
mod transfer;

pub use batch::Batch;
pub use site::SiteHandle;

pub(super) use queue::Queue;
