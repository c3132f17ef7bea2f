//! What a run tells of itself in the end.

use std::collections::BTreeMap;

use orchestrator_sdk::prelude::*;

#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Files moved, and their bytes; in a dry run, those that would be.
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    /// Files that went on where an earlier attempt had ended, and bytes that were sent again.
    pub(crate) resumed: u64,
    pub(crate) resent: u64,
    /// Files of the target that `if_exists` left as they were.
    pub(crate) left: u64,
    /// How many files have which proof of their content.
    pub(crate) proofs: BTreeMap<Proof, u64>,
    #[serde(flatten)]
    pub(crate) seen: Seen,
    /// Files and folders deleted, and those that weren't since they had changed or weren't empty.
    pub(crate) deleted: u64,
    pub(crate) kept: u64,
    pub(crate) dry_run: bool,
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct Seen {
    /// Files that were there already: the same size, and not older.
    pub(crate) unchanged: u64,
    /// Files that are younger than `min_age`.
    pub(crate) young: u64,
    /// Folders made.
    pub(crate) folders: u64,
    /// Links and devices, which are left out, and lines of the listing that weren't understood.
    pub(crate) ignored: u64,
    pub(crate) unparsed: usize,
}

impl Report {
    pub(crate) fn note(&mut self, receipt: &Receipt) {
        if receipt.skipped {
            self.left += 1;
            return;
        }
        self.files += 1;
        self.bytes += receipt.bytes;
        self.resumed += u64::from(receipt.resumed_from > 0);
        self.resent += receipt.resent;
        *self.proofs.entry(receipt.proof).or_default() += 1;
        progress::report("mirror", self.files, None, "files");
    }
}

/// What couldn't be copied.
#[derive(Default)]
pub(crate) struct Failed {
    pub(crate) count: u64,
    pub(crate) first: Option<Error>,
}

impl Failed {
    /// Takes note of a failure; a cancel ends it all.
    pub(crate) fn add(&mut self, path: &str, error: Error) -> Result<()> {
        if error.is_cancelled() {
            return Err(error);
        }
        warn!(path, "not copied: {error}");
        self.count += 1;
        self.first.get_or_insert(error);
        Ok(())
    }
}
