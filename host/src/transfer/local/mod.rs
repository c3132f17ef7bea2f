//! Files in a granted folder.
//!
//! A [`LocalRoot`] is one open folder; everything is named relative to it. Folders on the way are
//! resolved by cap-std, which never leaves the root; the last part of a path is used only relative
//! to its opened folder and never followed when it is a symbolic link. Every operation runs on the
//! blocking threads, since even a stat may wait for a network file system.

mod atomic;
mod group;
mod list;
mod part;
mod read;
mod root;
mod twins;

#[cfg(test)]
mod tests;

pub(crate) use atomic::{Placed, Placing, Renamed, place_all, replace_mode};
pub(crate) use group::Group;
pub(crate) use part::{Finished, Finishing, Identity, PartFile, Source, finish_all};
pub(crate) use read::{BUFFER_BYTES, Records, count_records};
pub use root::{LocalFile, LocalRoot};
pub(crate) use root::{blocking, ended_early};
