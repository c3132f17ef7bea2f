//! How a batch becomes durable.
//!
//! 1. one batch into the tree;
//! 2. sled's `flush`, which writes to its log file and doesn't fsync;
//! 3. our own fsync of that file;
//! 4. the number of commits into the witness.
//!
//! Only then is anything acknowledged.
//!
//! The witness is for damage, not for durability: sled takes a log whose end is cut off for one that
//! was never longer. The number of commits lies in the tree too, in each batch. Since the witness is
//! written after the fsync, it can be behind the tree (after a kill or a loss of power) but never
//! ahead of it, unless something of the log is gone.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::keys;
use super::staging::{in_words, unreadable};
use crate::crash;
use crate::journal::error::Error;

/// The name of the witness in the store's folder.
pub(super) const WITNESS: &str = "witness";

/// The number of commits (u64, little endian) and its CRC-32.
const WITNESS_BYTES: usize = 12;

/// The tree with the files that make it durable.
#[derive(Debug)]
pub(super) struct Medium {
    /// `None` only while this is dropped.
    db: Option<::sled::Db>,
    tree: ::sled::Tree,
    log: File,
    witness: File,
    path: PathBuf,
    commits: u64,
    failed: bool,
}

impl Medium {
    /// Takes the open database in `folder`, after comparing it with the witness.
    ///
    /// # Errors
    /// [`Error::Damaged`] where the witness has seen more commits than there are.
    pub(super) fn new(db: ::sled::Db, folder: &Path) -> Result<Self, Error> {
        let commits = match db.get(keys::COMMITS).map_err(unreadable)? {
            Some(bytes) => bytes[..]
                .try_into()
                .map(u64::from_le_bytes)
                .map_err(|_| Error::damaged("the number of commits is no number"))?,
            None => 0,
        };
        let path = folder.join("db");
        let log = open(&path)?;
        let witness_path = folder.join(WITNESS);
        let witness = open(&witness_path)?;
        let mut bytes = [0; WITNESS_BYTES];
        let seen = witness
            .read_exact_at(&mut bytes, 0)
            .map_err(|error| Error::damaged(format!("its witness can't be read: {error}")))
            .and_then(|()| {
                decode(&bytes).ok_or_else(|| Error::damaged("its witness has a wrong checksum"))
            })?;
        if seen > commits {
            return Err(Error::damaged(format!(
                "its log holds {commits} commits, and {seen} were made: the end is missing"
            )));
        }
        let tree = ::sled::Tree::clone(&db);
        Ok(Self { db: Some(db), tree, log, witness, path, commits, failed: false })
    }

    pub(super) fn tree(&self) -> &::sled::Tree {
        &self.tree
    }

    /// Makes changes durable. After an error it must not be called again.
    pub(super) fn commit(&mut self, changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>) -> Result<(), Error> {
        if self.failed {
            return Err(Error::Unavailable { reason: "an earlier write failed".to_owned() });
        }
        self.failed = true;
        let commits = self.commits + 1;
        let mut batch = ::sled::Batch::default();
        for (key, change) in changes {
            match change {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        batch.insert(keys::COMMITS, &commits.to_le_bytes());
        crash::point("journal.batch.before");
        self.tree.apply_batch(batch).map_err(|error| self.unwritable("writing", error))?;
        crash::point("journal.flush.before");
        self.tree.flush().map_err(|error| self.unwritable("flushing", error))?;
        crash::point("journal.fsync.before");
        self.log
            .sync_data()
            .map_err(|error| Error::unwritable(format!("syncing {}", self.path.display()), &error))?;
        crash::point("journal.fsync.after");
        self.witness
            .write_all_at(&encode(commits), 0)
            .map_err(|error| Error::unwritable("writing the witness of the store", &error))?;
        crash::point("journal.witness.after");
        self.commits = commits;
        self.failed = false;
        Ok(())
    }

    fn unwritable(&self, doing: &str, error: ::sled::Error) -> Error {
        let doing = format!("{doing} {}", self.path.display());
        match error {
            ::sled::Error::Io(error) => Error::unwritable(doing, &error),
            // A write begins with a read of what is there.
            ::sled::Error::Corruption { .. } => Error::damaged(format!("{doing}: {}", in_words(&error))),
            other => Error::Unwritable { doing, reason: in_words(&other), no_space: false },
        }
    }
}

impl Drop for Medium {
    fn drop(&mut self) {
        if self.failed {
            // sled panics when it is dropped after a failed write; the process is about to end.
            std::mem::forget(self.db.take());
            return;
        }
        // Without it a loss of power could leave an older number, and damage go unseen.
        let _ = self.witness.sync_data();
    }
}

fn open(path: &Path) -> Result<File, Error> {
    File::options().read(true).write(true).open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::damaged(format!("{} is missing", path.display())),
        _ => Error::unwritable(format!("opening {}", path.display()), &error),
    })
}

/// A witness of so many commits.
pub(super) fn encode(commits: u64) -> [u8; WITNESS_BYTES] {
    let mut bytes = [0; WITNESS_BYTES];
    bytes[..8].copy_from_slice(&commits.to_le_bytes());
    bytes[8..].copy_from_slice(&crc32fast::hash(&commits.to_le_bytes()).to_le_bytes());
    bytes
}

fn decode(bytes: &[u8; WITNESS_BYTES]) -> Option<u64> {
    let commits = u64::from_le_bytes(*bytes.first_chunk()?);
    (encode(commits) == *bytes).then_some(commits)
}
