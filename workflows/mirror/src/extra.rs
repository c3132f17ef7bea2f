//! What only the target has, and how it is deleted.

use orchestrator_sdk::prelude::*;

use crate::or_pause;

/// What only the target has, in the order of the listing: a folder before what it holds.
pub(crate) struct Extra {
    entries: Vec<FileInfo>,
    count: usize,
    max: usize,
}

impl Extra {
    pub(crate) fn new(max: usize) -> Self {
        Self { entries: Vec::new(), count: 0, max }
    }

    /// Takes a file or folder in. Of more than may be deleted only the number is kept.
    pub(crate) fn extend(&mut self, entry: Option<FileInfo>) {
        let entry = entry.filter(|entry| entry.is_file() || entry.is_dir());
        self.count += entry.iter().len();
        self.entries.extend(entry.filter(|_| self.count <= self.max));
    }

    /// Whether it may be deleted. An empty source is more often a mistake than meant, and a line that wasn't
    /// understood may be the file that seems to be missing.
    pub(crate) fn check(&self, unparsed: usize) -> Result<()> {
        if self.count > 0 && unparsed > 0 {
            let why =
                format!("{unparsed} lines of the source's listing aren't understood, so nothing is deleted");
            return Err(Error::new("mirror.unparsed", why));
        }
        if self.count > self.max {
            let why = format!("{} would be deleted and `max_delete` is {}; nothing is", self.count, self.max);
            return Err(
                Error::new("mirror.max-delete", why).with_hint("look with `-i dry_run=true` what they are")
            );
        }
        Ok(())
    }

    /// Deletes it, what a folder holds before the folder. Gives how much was deleted, and how much wasn't since
    /// it had changed or wasn't empty: what is excluded stays, and so do the folders that hold it.
    pub(crate) fn delete(&self, place: &Place<'_>, dry_run: bool) -> Result<(u64, u64)> {
        let (mut deleted, mut kept) = (0, 0);
        for entry in self.entries.iter().rev() {
            let path = &entry.path;
            if dry_run {
                info!(path, "would delete");
                deleted += 1;
                continue;
            }
            match or_pause("delete", || place.remove(entry)) {
                Ok(()) => deleted += 1,
                // Somebody else was faster.
                Err(error) if error.is_not_found() => {}
                Err(error) if entry.is_dir() && error.class == ErrorClass::Permanent => {
                    warn!(path, "a folder is kept: {error}");
                    kept += 1;
                }
                Err(error) if error.is("ftp.remote-changed") => {
                    warn!(path, "a file is kept: {error}");
                    kept += 1;
                }
                Err(error) => return Err(error.while_doing(format!("deleting {path}"))),
            }
        }
        Ok((deleted, kept))
    }
}
