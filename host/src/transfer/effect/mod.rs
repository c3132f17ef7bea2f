//! Changes on a site that a crash must neither lose nor repeat.
//!
//! FTP has no transactions and no way to fence off an earlier process, so each effect is planned first:
//! its *evidence* says what stands at every name that it touches, and is durable before the command
//! goes out. Whoever finds evidence and no outcome, or loses a reply, looks at the names again:
//!
//! | effect | done | done again | `run.indeterminate` |
//! |---|---|---|---|
//! | rename | the old name is gone and the new one has the old file | the old name still has the old file | anything else |
//! | remove | the name is gone, or has another file by now (which is left) | the name still has the file | never |
//! | make a folder | the folder is there | it isn't | never |
//! | remove a folder | it is gone | it is there | never |
//! | put bytes | the target has the bytes | the target is as it was | anything else |
//!
//! Setting a file's time is simply done again.
//!
//! On a site with several servers that don't share their storage, what stands at a name on one server says
//! nothing of another. There the evidence also names the server where it was seen, and the effect takes
//! place there or nowhere: while that server is gone, attempts fail, and once they are used up an effect in
//! doubt is `run.indeterminate`, one that was never sent `ftp.unreachable`. Servers that share their storage
//! verify and repeat each other's effects.

mod evidence;
mod names;
mod put;

#[cfg(test)]
mod tests;

pub use evidence::Evidence;
pub use put::PUT_BYTES_MAX;
pub(super) use put::put_over;
