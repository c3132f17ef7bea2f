//! What a transfer is asked for, and what it proves in the end.

use serde::{Deserialize, Serialize};

use super::{ByteCount, Digest, Exhausted, FileInfo, HashAlgorithm, RetryPolicy};

/// When the outcome of a batch's item counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Commit {
    /// As soon as the file stands under its name.
    #[default]
    Auto,
    /// When the workflow commits it; until then a resumed run is given it again.
    Manual,
    /// Together with the workflow's own next step, and nothing is repeated unverified.
    ExactlyOnce,
}

/// What happens to a target that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IfExists {
    /// The transfer fails.
    Fail,
    /// It is replaced, atomically where the system can.
    #[default]
    Replace,
    /// It is left, and the receipt says so.
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
    /// The bytes up to the size at the start are taken.
    UpToStartSize,
    /// The transfer goes on to the new end.
    Follow,
}

/// How one file is to be moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferOptions {
    /// When the outcome counts.
    pub commit: Commit,
    /// What happens to a target that is there already.
    pub if_exists: IfExists,
    /// What happens when the source grows.
    pub if_source_grows: IfSourceGrows,
    /// Digests for the receipt; SHA-256 is always among them.
    pub verify: Vec<HashAlgorithm>,
    /// What the content must hash to.
    pub expect: Option<Digest>,
    /// How many records (lines) the content must have.
    pub expect_records: Option<u64>,
    /// The source must still be this file.
    pub if_unchanged: Option<FileInfo>,
    /// The target gets the source's modification time.
    pub keep_mtime: bool,
    /// Bytes per second at most.
    pub rate_limit: Option<u64>,
    /// Instead of the site's.
    pub retry: Option<RetryPolicy>,
    /// What follows when the attempts are used up, instead of what the policy says.
    pub on_exhausted: Option<Exhausted>,
    /// After an upload, read it all back and compare.
    pub read_back: bool,
    /// Write the target itself, without a part and a rename: for servers that can't.
    pub direct: bool,
    /// The content must have the digest that the sidecar beside the source gives (`NAME.sha256`,
    /// `NAME.md5`).
    pub check_sidecar: Option<HashAlgorithm>,
    /// A sidecar is written beside the target, once that has its name.
    pub write_sidecar: Option<HashAlgorithm>,
    /// The target gets the source's permission bits, where both sides can.
    pub keep_mode: bool,
}

impl Default for TransferOptions {
    fn default() -> Self {
        Self {
            commit: Commit::Auto,
            if_exists: IfExists::Replace,
            if_source_grows: IfSourceGrows::Fail,
            verify: vec![HashAlgorithm::Sha256],
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
    /// How failed attempts are repeated at a site whose own policy is `of_site`.
    #[must_use]
    pub fn retry_policy(&self, of_site: &RetryPolicy) -> RetryPolicy {
        let mut policy = self.retry.as_ref().unwrap_or(of_site).clone();
        policy.on_exhausted = self.on_exhausted.unwrap_or(policy.on_exhausted);
        policy
    }
}

/// The strongest proof that a transfer has of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// The server's own digest is equal.
    DigestOfServer,
    /// The digest that the workflow expected is equal.
    DigestExpected,
    /// The digest in the source's sidecar is equal.
    Sidecar,
    /// It was read back and is equal.
    ReadBack,
    /// The number of records is as expected.
    RecordCount,
    /// Only the size was compared with the server's.
    SizeOnly,
}

/// What a finished transfer proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Length of the file.
    pub bytes: ByteCount,
    /// Where the last attempt began.
    pub resumed_from: ByteCount,
    /// Bytes that went over the wire more than once.
    pub resent: ByteCount,
    /// How often it was tried, over all processes.
    pub attempts: u32,
    /// From the first attempt to the end, in milliseconds.
    pub elapsed_ms: u64,
    /// Digests of the content; empty when the target was left (`skip`, `newer`).
    pub digests: Vec<Digest>,
    /// The strongest proof there is.
    pub proof: Proof,
    /// True when the target was there and was left.
    pub skipped: bool,
    /// The permission bits that the target was given; `None` where that wasn't asked for, or a side can't.
    pub mode: Option<u32>,
    /// The target as it stands.
    pub file: FileInfo,
}
