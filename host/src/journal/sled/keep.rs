//! Keeping the files of a store as they were found until it is known that they are sound.
//!
//! sled blanks what it takes for the torn end of its log while it opens. After a kill that is right.
//! Where the disk gave a wrong answer, it would destroy what may still be there; so the files are
//! copied first, and put back when the store is refused. A file system that can share blocks does that
//! for nothing; elsewhere only small stores are copied, since every command would pay for it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::journal::error::Error;

/// Largest database that is copied byte by byte: a few milliseconds.
const COPY_BYTES_MAX: u64 = 16 << 20;

const FOLDER: &str = "found";

/// Copies of the files that sled may change.
pub(super) struct Kept {
    store: PathBuf,
    folder: PathBuf,
    names: Vec<std::ffi::OsString>,
}

impl Kept {
    /// Copies the files of a store, unless that would take too long.
    pub(super) fn of(store: &Path) -> Result<Self, Error> {
        let folder = store.join(FOLDER);
        let failed = |error: io::Error| Error::unwritable(format!("copying {}", store.display()), &error);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let mut kept = Self { store: store.to_owned(), folder, names: Vec::new() };
        let mut files = Vec::new();
        for entry in fs::read_dir(store).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let is_sleds = name == "db" || name == "conf" || name.to_string_lossy().starts_with("snap.");
            if is_sleds && entry.file_type().map_err(failed)?.is_file() {
                files.push(name);
            }
        }
        fs::create_dir(&kept.folder).map_err(failed)?;
        for name in files {
            match copy(&store.join(&name), &kept.folder.join(&name)) {
                Ok(true) => kept.names.push(name),
                Ok(false) => {
                    kept.discard();
                    kept.names.clear();
                    return Ok(kept);
                }
                // A full disk must not keep a sound store from opening.
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                    kept.discard();
                    kept.names.clear();
                    return Ok(kept);
                }
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(kept)
    }

    /// Puts the files back as they were found.
    pub(super) fn put_back(self) {
        if self.names.is_empty() {
            return;
        }
        // Snapshots that were made from what was misread go.
        for entry in fs::read_dir(&self.store).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with("snap.") {
                let _ = fs::remove_file(entry.path());
            }
        }
        for name in &self.names {
            let _ = fs::rename(self.folder.join(name), self.store.join(name));
        }
        self.discard();
    }

    /// Removes the copies: the store is sound. What can't be removed now is removed next time.
    pub(super) fn discard(&self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Copies a file, if that is cheap; false if it isn't.
fn copy(from: &Path, to: &Path) -> io::Result<bool> {
    let source = File::open(from)?;
    let target = File::options().write(true).create_new(true).open(to)?;
    if rustix::fs::ioctl_ficlone(&target, &source).is_ok() {
        return Ok(true);
    }
    if source.metadata()?.len() > COPY_BYTES_MAX {
        return Ok(false);
    }
    io::copy(&mut &source, &mut &target)?;
    Ok(true)
}
