//! Bounds of a journal, each with its error.

use bytes::Bytes;

use super::error::Error;
use super::store::{KEY_BYTES_MAX, RunHead, Write};

/// How much a run may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest entry, in bytes. What may be longer (results, checkpoints) goes into blobs instead.
    pub entry_bytes_max: usize,
    /// Most entries of a run: beyond it, replay takes noticeable time.
    pub entries_max: u64,
    /// Longest journal of a run, in bytes: what a replay reads.
    pub run_bytes_max: u64,
    /// Longest blob, in bytes: a listing of a million names has about 100 MiB.
    pub blob_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entry_bytes_max: 64 << 10,
            entries_max: 100_000,
            run_bytes_max: 64 << 20,
            blob_bytes_max: 256 << 20,
        }
    }
}

/// Longest value of a table, in bytes.
pub(crate) const VALUE_BYTES_MAX: usize = 64 << 10;

impl Limits {
    /// Checks entries that are to follow what `head` tells of.
    pub(crate) fn check_entries(
        &self,
        head: &RunHead,
        entries: &[Bytes],
        restart: bool,
    ) -> Result<(), Error> {
        let mut bytes = if restart { 0 } else { head.bytes };
        for entry in entries {
            if entry.len() > self.entry_bytes_max {
                return Err(Error::TooLarge {
                    what: "an entry",
                    bytes: entry.len(),
                    max: self.entry_bytes_max,
                });
            }
            bytes += entry.len() as u64;
        }
        let count = entries.len() as u64 + if restart { 0 } else { head.entries() };
        if !entries.is_empty() && (count > self.entries_max || bytes > self.run_bytes_max) {
            return Err(Error::HistoryLimit {
                run: head.run.clone(),
                entries: count,
                entries_max: self.entries_max,
                bytes,
                bytes_max: self.run_bytes_max,
            });
        }
        Ok(())
    }

    /// Checks changes to a table.
    pub(crate) fn check_writes(writes: &[Write]) -> Result<(), Error> {
        for write in writes {
            let (key, value) = match write {
                Write::Put(key, value) => (key, value.len()),
                Write::Remove(key) | Write::RemoveAll(key) => (key, 0),
            };
            if key.len() > KEY_BYTES_MAX {
                return Err(Error::TooLarge { what: "a key", bytes: key.len(), max: KEY_BYTES_MAX });
            }
            if value > VALUE_BYTES_MAX {
                return Err(Error::TooLarge { what: "a value", bytes: value, max: VALUE_BYTES_MAX });
            }
        }
        Ok(())
    }

    /// Checks a value outside of runs.
    pub(crate) fn check_value(key: &str, value: Option<&Bytes>) -> Result<(), Error> {
        if key.len() > KEY_BYTES_MAX {
            return Err(Error::TooLarge { what: "a key", bytes: key.len(), max: KEY_BYTES_MAX });
        }
        match value {
            Some(value) if value.len() > VALUE_BYTES_MAX => {
                Err(Error::TooLarge { what: "a value", bytes: value.len(), max: VALUE_BYTES_MAX })
            }
            _ => Ok(()),
        }
    }

    /// Checks what is kept of a schedule or of one of its firings.
    pub(crate) fn check_schedule(name: &str, value: &Bytes) -> Result<(), Error> {
        if name.len() > KEY_BYTES_MAX || name.contains('\0') {
            return Err(Error::TooLarge {
                what: "the name of a schedule",
                bytes: name.len(),
                max: KEY_BYTES_MAX,
            });
        }
        if value.len() > VALUE_BYTES_MAX {
            return Err(Error::TooLarge { what: "a schedule", bytes: value.len(), max: VALUE_BYTES_MAX });
        }
        Ok(())
    }

    /// Checks a blob.
    pub(crate) fn check_blob(&self, bytes: usize) -> Result<(), Error> {
        if bytes > self.blob_bytes_max {
            return Err(Error::TooLarge { what: "a blob", bytes, max: self.blob_bytes_max });
        }
        Ok(())
    }
}
