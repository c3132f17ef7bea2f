//! Files in granted folders, and what is known of files on either side.
//!
//! Paths are `NAME/sub/file`, where `NAME` is a folder that the run was granted. Reads are recorded: a
//! replay sees what the first pass saw. Writes are verified before they are repeated.

mod calls;
mod info;
mod listing;
mod select;

pub use calls::{
    count_records, hash, list, make_dir, read, read_to_string, remove, remove_dir, rename, stat, walk, write,
};
pub use info::{Digest, FileInfo, FileKind, HashAlgorithm};
pub use listing::Listing;
pub use select::Select;
