//! Blobs: files under the name of their SHA-256, which never change.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::crash;
use crate::journal::error::Error;
use crate::journal::store::BlobId;

/// The name of the folder in the store's.
pub(super) const FOLDER: &str = "objects";

/// Files that are being written end so; they are of no use to another process.
const UNFINISHED: &str = ".new";

/// The folder of blobs.
#[derive(Debug)]
pub(super) struct Objects {
    folder: PathBuf,
    unfinished: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Blobs that this process knows to be durable.
    durable: HashSet<BlobId>,
    /// How often a blob was put and not yet referred to: those aren't removed.
    pins: HashMap<BlobId, u32>,
}

impl Objects {
    /// The blobs in the store's folder. Removes what an earlier process didn't finish.
    pub(super) fn open(store: &Path) -> Result<Self, Error> {
        let folder = store.join(FOLDER);
        let listing = fs::read_dir(&folder).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::damaged(format!("{} is missing", folder.display())),
            _ => Error::unreadable(format!("listing {}", folder.display()), &error),
        })?;
        for entry in listing.flatten() {
            if entry.file_name().to_string_lossy().ends_with(UNFINISHED) {
                // It stays if it can't be removed, and harms nobody.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(Self { folder, unfinished: AtomicU64::new(0), state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, id: BlobId) -> PathBuf {
        self.folder.join(id.to_hex())
    }

    /// Stores bytes; durable when it returns. The blob stays at least until it is referred to.
    pub(super) fn put(&self, bytes: &[u8]) -> Result<BlobId, Error> {
        let id = BlobId::of(bytes);
        let mut state = self.state();
        *state.pins.entry(id).or_default() += 1;
        if state.durable.contains(&id) {
            return Ok(id);
        }
        drop(state);
        let path = self.path(id);
        // A file under this name is whole, since it was renamed; only that may not be durable yet.
        if !path.exists() {
            self.write(&path, bytes)?;
        }
        sync_folder(&self.folder)?;
        crash::point("journal.blob.after");
        self.state().durable.insert(id);
        Ok(id)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        let number = self.unfinished.fetch_add(1, Ordering::Relaxed);
        let aside = self.folder.join(format!("{number}{UNFINISHED}"));
        let failed = |error: io::Error| Error::unwritable(format!("writing {}", aside.display()), &error);
        crash::point("journal.blob.before");
        let written = File::create(&aside).and_then(|mut file| {
            file.write_all(bytes)?;
            crash::point("journal.blob.fsync");
            file.sync_all()?;
            crash::point("journal.blob.rename");
            fs::rename(&aside, path)
        });
        written.map_err(|error| {
            let _ = fs::remove_file(&aside);
            failed(error)
        })
    }

    /// The bytes of a blob.
    ///
    /// # Errors
    /// [`Error::Damaged`] where they don't hash to its name.
    pub(super) fn get(&self, id: BlobId) -> Result<Option<Bytes>, Error> {
        let path = self.path(id);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::unreadable(format!("reading {}", path.display()), &error)),
        };
        if BlobId::of(&bytes) != id {
            return Err(Error::damaged(format!("{} isn't what its name says", path.display())));
        }
        Ok(Some(bytes.into()))
    }

    /// A put of this blob is referred to now.
    pub(super) fn unpin(&self, id: BlobId) {
        let mut state = self.state();
        if let Some(pins) = state.pins.get_mut(&id) {
            *pins -= 1;
            if *pins == 0 {
                state.pins.remove(&id);
            }
        }
    }

    /// Removes a blob that nothing refers to, unless somebody is about to. A blob that stays behind
    /// is removed when the store is opened again.
    pub(super) fn remove(&self, id: BlobId) {
        let mut state = self.state();
        if !state.pins.contains_key(&id) {
            state.durable.remove(&id);
            let _ = fs::remove_file(self.path(id));
        }
    }

    /// All blobs that there are.
    pub(super) fn list(&self) -> Result<Vec<BlobId>, Error> {
        let listing = fs::read_dir(&self.folder)
            .map_err(|error| Error::unreadable(format!("listing {}", self.folder.display()), &error))?;
        Ok(listing.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), Error> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| Error::unwritable(format!("syncing {}", folder.display()), &error))
}
