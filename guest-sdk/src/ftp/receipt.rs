//! What a finished transfer proves.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use crate::clock::millis;
use crate::files::{Digest, FileInfo, HashAlgorithm};

/// The strongest proof that a transfer has of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

/// What a finished transfer proves. As JSON it has the same fields, and times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// Length of the file in bytes.
    pub bytes: u64,
    /// The offset at which the last attempt began.
    pub resumed_from: u64,
    /// Bytes that went over the wire more than once.
    pub resent: u64,
    /// How many attempts were made, over all processes.
    pub attempts: u32,
    /// From the first attempt to the end.
    #[serde(rename = "elapsed_ms", serialize_with = "in_millis")]
    pub elapsed: Duration,
    /// Digests of the content; none when the target was left as it was.
    pub digests: Vec<Digest>,
    /// The strongest proof there is.
    pub proof: Proof,
    /// True when the target was there and was left as it was.
    pub skipped: bool,
    /// The permission bits that the target was given with `keep_mode`, at most 0o777; none where that
    /// wasn't asked for, or a side can't.
    pub mode: Option<u32>,
    /// The target as it stands.
    pub file: FileInfo,
}

// Serde hands fields over by reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn in_millis<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(millis(*span))
}

impl Receipt {
    /// The digest of this algorithm in hexadecimal digits, if the receipt has it.
    #[must_use]
    pub fn hex(&self, algorithm: HashAlgorithm) -> Option<&str> {
        self.digests.iter().find(|digest| digest.algorithm == algorithm).map(|digest| digest.hex.as_str())
    }
}
