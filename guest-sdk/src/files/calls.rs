//! The calls on granted folders.

use super::{Digest, FileInfo, HashAlgorithm, Listing, Select};
use crate::{Error, Result, host};

/// The most that one `read` of the interface gives.
const READ_BYTES_MAX: u32 = 65_536;

/// The most that [`read`] puts together: each piece is an entry in the run's journal.
const FILE_BYTES_MAX: u64 = 1_048_576;

/// The content of one folder, as far as it is selected: by a pattern, by `None`, or by a [`Select`].
///
/// # Errors
/// `file.not-found`, `grant.refused`, `call.invalid` for a bad pattern.
pub fn list(path: impl AsRef<str>, select: impl Into<Select>) -> Result<Listing> {
    host::files_list(path.as_ref(), &select.into(), false).map(Listing::new)
}

/// The content of a folder and of all folders below it.
///
/// # Errors
/// As [`list`].
pub fn walk(path: impl AsRef<str>, select: impl Into<Select>) -> Result<Listing> {
    host::files_list(path.as_ref(), &select.into(), true).map(Listing::new)
}

/// What is at `path`; `None` when nothing is.
///
/// # Errors
/// `grant.refused`, `file.denied`.
pub fn stat(path: impl AsRef<str>) -> Result<Option<FileInfo>> {
    host::files_stat(path.as_ref())
}

/// A whole small file. All of it goes into the run's journal: this is for manifests and markers.
///
/// # Errors
/// `file.not-found`, and `file.too-large` over 1,048,576 bytes.
pub fn read(path: impl AsRef<str>) -> Result<Vec<u8>> {
    let path = path.as_ref();
    let mut content = Vec::new();
    loop {
        let offset = content.len() as u64;
        let piece = host::files_read(path, offset, READ_BYTES_MAX)?;
        if piece.is_empty() {
            return Ok(content);
        }
        content.extend(piece);
        if content.len() as u64 > FILE_BYTES_MAX {
            return Err(Error::new(
                "file.too-large",
                format!("reading `{path}`: it has more than {FILE_BYTES_MAX} bytes"),
            ));
        }
    }
}

/// A whole small file as text.
///
/// # Errors
/// As [`read`], and `workflow.failed` when it isn't UTF-8.
pub fn read_to_string(path: impl AsRef<str>) -> Result<String> {
    Ok(String::from_utf8(read(path)?)?)
}

/// Writes a whole file (at most 1,048,576 bytes) so that readers see the old content or the new, never a
/// part. Missing folders are made.
///
/// # Errors
/// `file.no-space`, `file.too-large`.
pub fn write(path: impl AsRef<str>, content: impl AsRef<[u8]>) -> Result<()> {
    host::files_write_atomic(path.as_ref(), content.as_ref())
}

/// Makes a folder, and those above it that are missing. One that is there already is fine.
///
/// # Errors
/// `file.exists` for anything else of that name.
pub fn make_dir(path: impl AsRef<str>) -> Result<()> {
    host::files_make_dir(path.as_ref())
}

/// Removes an empty folder.
///
/// # Errors
/// `file.not-found`, and `file.io` when it isn't empty.
pub fn remove_dir(path: impl AsRef<str>) -> Result<()> {
    host::files_remove_dir(path.as_ref())
}

/// Renames within one granted folder; missing folders of the target are made.
///
/// # Errors
/// `file.not-found`, and `file.exists` when the target is there already.
pub fn rename(source: impl AsRef<str>, target: impl AsRef<str>) -> Result<()> {
    host::files_rename(source.as_ref(), target.as_ref())
}

/// Removes a file.
///
/// # Errors
/// `file.not-found`.
pub fn remove(path: impl AsRef<str>) -> Result<()> {
    host::files_remove(path.as_ref())
}

/// The digest of a file's content.
///
/// # Errors
/// `file.not-found`.
pub fn hash(path: impl AsRef<str>, algorithm: HashAlgorithm) -> Result<Digest> {
    host::files_hash(path.as_ref(), algorithm)
}

/// The number of records: lines ended by LF, and a last line without one.
///
/// # Errors
/// `file.not-found`.
pub fn count_records(path: impl AsRef<str>) -> Result<u64> {
    host::files_count_records(path.as_ref())
}
