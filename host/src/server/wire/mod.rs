//! What goes over the wire. No type of the rest of the program does: what is told to clients must stay
//! as it is when those change.
//!
//! Instants are RFC 3339 in UTC. Every document has a `$type` with its version, as those of the commands.

mod journal;
mod runs;
mod sites;
mod workflows;

pub(super) use journal::{Entries, Entry, LogLine, Logs, Talk};
pub(super) use runs::{Begun, Folder, Purge, Resume, Run, RunDetails, Runs, Submission, fault_of};
pub(super) use sites::{Site, SiteTest, Sites};
pub(super) use workflows::{Workflow, Workflows};
