//! How a file is to be moved.

use serde::{Deserialize, Serialize};

use crate::files::{Digest, FileInfo, HashAlgorithm};
use crate::retry::{Exhausted, RetryPolicy};

/// When the outcome of a batch's transfer counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Commit {
    /// As soon as the file stands under its name.
    #[default]
    Auto,
    /// When the workflow commits it; until then a resumed run is given the outcome again.
    Manual,
    /// Together with the step that the workflow makes next.
    ExactlyOnce,
}

/// What happens to a target that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IfExists {
    /// The transfer fails.
    Fail,
    /// It is replaced, by a rename at the end.
    #[default]
    Replace,
    /// It is left as it is, and the receipt says `skipped`.
    Skip,
    /// It is replaced if the source is newer, else left.
    Newer,
}

/// What happens when the source grows while it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IfSourceGrows {
    /// The transfer fails.
    #[default]
    Fail,
    /// It ends at the size that the source had at the start.
    UpToStartSize,
    /// It goes on to the new end.
    Follow,
}

/// A file beside another one, with its digest, as `sha256sum` and `md5sum` write and check them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sidecar {
    /// `NAME.md5`: against accidents only.
    Md5,
    /// `NAME.sha256`.
    Sha256,
}

impl Sidecar {
    /// Which digest it holds.
    #[must_use]
    pub fn algorithm(self) -> HashAlgorithm {
        match self {
            Self::Md5 => HashAlgorithm::Md5,
            Self::Sha256 => HashAlgorithm::Sha256,
        }
    }

    /// The path of the sidecar of the file at `path`.
    #[must_use]
    pub fn of(self, path: &str) -> String {
        format!("{path}.{}", self.algorithm())
    }
}

/// How a file is to be moved. By default the target is replaced, keeps the source's time, and the receipt
/// holds a SHA-256.
///
/// ```
/// use orchestrator_sdk::prelude::*;
/// let options = TransferOptions::new().if_exists(IfExists::Fail).read_back();
/// assert!(options.keep_mtime);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferOptions {
    /// When the outcome of a batch's transfer counts.
    pub commit: Commit,
    /// What happens to a target that is there already.
    pub if_exists: IfExists,
    /// What happens when the source grows while it is read.
    pub if_source_grows: IfSourceGrows,
    /// Digests wanted in the receipt besides SHA-256.
    pub verify: Vec<HashAlgorithm>,
    /// What the content must hash to.
    pub expect: Option<Digest>,
    /// How many records the content must have.
    pub expect_records: Option<u64>,
    /// The source must still be this file.
    pub if_unchanged: Option<FileInfo>,
    /// Gives the target the source's modification time, where the server can.
    pub keep_mtime: bool,
    /// The most bytes per second.
    pub rate_limit: Option<u64>,
    /// How often and when failed attempts are repeated, instead of the site's policy.
    pub retry: Option<RetryPolicy>,
    /// What follows when the attempts are used up, instead of what the policy says.
    pub on_exhausted: Option<Exhausted>,
    /// After an upload, reads it all back and compares.
    pub read_back: bool,
    /// Writes the target itself, without a part and a rename: for servers that can't rename.
    pub direct: bool,
    /// The content must have the digest that the sidecar beside the source gives.
    pub check_sidecar: Option<Sidecar>,
    /// A sidecar is written beside the target.
    pub write_sidecar: Option<Sidecar>,
    /// The target gets the source's permission bits, as far as both sides can.
    pub keep_mode: bool,
}

impl Default for TransferOptions {
    fn default() -> Self {
        Self {
            commit: Commit::default(),
            if_exists: IfExists::default(),
            if_source_grows: IfSourceGrows::default(),
            verify: Vec::new(),
            expect: None,
            expect_records: None,
            if_unchanged: None,
            keep_mtime: true,
            rate_limit: None,
            retry: None,
            on_exhausted: None,
            read_back: false,
            direct: false,
            check_sidecar: None,
            write_sidecar: None,
            keep_mode: false,
        }
    }
}

impl TransferOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// When the outcome of a batch's transfer counts.
    #[must_use]
    pub fn commit(mut self, commit: Commit) -> Self {
        self.commit = commit;
        self
    }

    /// What happens to a target that is there already.
    #[must_use]
    pub fn if_exists(mut self, rule: IfExists) -> Self {
        self.if_exists = rule;
        self
    }

    /// What happens when the source grows while it is read.
    #[must_use]
    pub fn if_source_grows(mut self, rule: IfSourceGrows) -> Self {
        self.if_source_grows = rule;
        self
    }

    /// Wants this digest in the receipt, too.
    #[must_use]
    pub fn verify(mut self, algorithm: HashAlgorithm) -> Self {
        self.verify.push(algorithm);
        self
    }

    /// The content must hash to this, else `verify.digest`.
    #[must_use]
    pub fn expect(mut self, digest: Digest) -> Self {
        self.expect = Some(digest);
        self
    }

    /// The content must have this many records, else `verify.records`.
    #[must_use]
    pub fn expect_records(mut self, count: u64) -> Self {
        self.expect_records = Some(count);
        self
    }

    /// The source must still be this file, else `ftp.remote-changed` or `file.changed`.
    #[must_use]
    pub fn if_unchanged(mut self, file: &FileInfo) -> Self {
        self.if_unchanged = Some(file.clone());
        self
    }

    /// Leaves the target with the time at which it was written.
    #[must_use]
    pub fn without_mtime(mut self) -> Self {
        self.keep_mtime = false;
        self
    }

    /// At most this many bytes per second.
    #[must_use]
    pub fn rate_limit(mut self, bytes_per_second: u64) -> Self {
        self.rate_limit = Some(bytes_per_second);
        self
    }

    /// Repeats failed attempts by this policy instead of the site's.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// When the attempts are used up, pauses the run and keeps what has come so far, instead of failing.
    /// A batch first moves all else that it can. Login, TLS and configuration count as used up at once.
    #[must_use]
    pub fn or_pause(mut self) -> Self {
        self.on_exhausted = Some(Exhausted::Pause);
        self
    }

    /// After an upload, reads it all back and compares: for servers that can't hash.
    #[must_use]
    pub fn read_back(mut self) -> Self {
        self.read_back = true;
        self
    }

    /// Writes the target itself, without a part and a rename: for servers that can't rename.
    #[must_use]
    pub fn direct(mut self) -> Self {
        self.direct = true;
        self
    }

    /// The content must have the digest that the sidecar beside the source gives, else `verify.digest`;
    /// the sidecar must be there.
    #[must_use]
    pub fn check_sidecar(mut self, sidecar: Sidecar) -> Self {
        self.check_sidecar = Some(sidecar);
        self
    }

    /// Writes a sidecar beside the target, once that has its name.
    #[must_use]
    pub fn write_sidecar(mut self, sidecar: Sidecar) -> Self {
        self.write_sidecar = Some(sidecar);
        self
    }

    /// Gives the target the source's permission bits; where a side can't, the receipt's `mode` is none.
    #[must_use]
    pub fn keep_mode(mut self) -> Self {
        self.keep_mode = true;
        self
    }
}
