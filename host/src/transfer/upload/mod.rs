//! Uploads: exact resume by the steps of the design's `ftp.md`.
//!
//! What is certain lies on the server: a part's size, once nothing writes to it any more. The log
//! holds what the server can't tell: which source the part was made from, up to where bytes may have
//! been sent (`may_send`, always written before they are), and the hash states of the prefix.
//!
//! | file | holds |
//! |---|---|
//! | `run` | attempts, generations, what is left behind in the end |
//! | `attempt` | one attempt: look, send, compare sizes |
//! | `plan` | settle, and choose how to go on |
//! | `origin` | what is sent: a local file, or one on another site |
//! | `feed`, `send` | the thread that reads and hashes, and the copy loop |
//! | `finish` | verification, `Verified`, the rename, and what a crash leaves between them |

mod attempt;
mod feed;
mod finish;
mod origin;
mod plan;
mod run;
mod send;

pub(super) use attempt::{make_dirs, may_lack_folder};
pub(super) use feed::Item;
pub(super) use origin::Origin;
pub(super) use run::remove_quietly;

#[cfg(test)]
mod tests;
