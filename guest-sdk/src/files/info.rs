//! What is known of a file.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::path;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// A file with bytes.
    File,
    /// A folder.
    Dir,
    /// A symbolic link that wasn't followed.
    Link,
    /// A device, a socket, or what the server has no word for.
    Other,
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// Where it is: relative to the site's root, or `NAME/sub/file` in a granted folder.
    pub path: String,
    /// What it is.
    pub kind: FileKind,
    /// Its length in bytes, where known.
    pub size: Option<u64>,
    /// When its content last changed, where known.
    pub modified: Option<Timestamp>,
    /// What stays the same under another name, where there is such a thing.
    pub unique: Option<String>,
}

impl FileInfo {
    /// The last part of its path.
    #[must_use]
    pub fn name(&self) -> &str {
        path::name(&self.path)
    }

    /// Whether it is a file with bytes.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.kind == FileKind::File
    }

    /// Whether it is a folder.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.kind == FileKind::Dir
    }

    /// Whether this, as a target, is what `source` would be copied to: equal in size, and not older.
    ///
    /// A copy is given its source's time. It is *newer* only where the server can't set times, and
    /// then it was written after the source changed. Times are compared as coarsely as the coarser
    /// one is: servers that have only LIST give whole minutes, or days.
    #[must_use]
    pub fn is_copy_of(&self, source: &Self) -> bool {
        let (Some(target_time), Some(source_time)) = (self.modified, source.modified) else { return false };
        let unit = granularity(target_time).max(granularity(source_time));
        self.kind == source.kind
            && self.size.is_some()
            && self.size == source.size
            && target_time.0 / unit >= source_time.0 / unit
    }
}

/// The unit, in milliseconds, in which a server may have given this time.
fn granularity(time: Timestamp) -> u64 {
    const DAY: u64 = 86_400_000;
    const MINUTE: u64 = 60_000;
    const SECOND: u64 = 1_000;
    match time.0 {
        at if at % DAY == 0 => DAY,
        at if at % MINUTE == 0 => MINUTE,
        _ => SECOND,
    }
}

/// A way to condense content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HashAlgorithm {
    /// CRC-32 (ISO 3309): finds accidents.
    Crc32,
    /// MD5 (RFC 1321): finds accidents; not safe against intent.
    Md5,
    /// SHA-256 (FIPS 180-4).
    Sha256,
}

impl fmt::Display for HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Crc32 => "crc32",
            Self::Md5 => "md5",
            Self::Sha256 => "sha256",
        })
    }
}

/// A hash value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Digest {
    /// How it was computed.
    pub algorithm: HashAlgorithm,
    /// Its value in lower-case hexadecimal digits.
    pub hex: String,
}

impl Digest {
    /// A SHA-256 value.
    #[must_use]
    pub fn sha256(hex: impl Into<String>) -> Self {
        Self { algorithm: HashAlgorithm::Sha256, hex: hex.into().to_ascii_lowercase() }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.hex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(size: u64, modified: u64) -> FileInfo {
        FileInfo {
            path: String::new(),
            kind: FileKind::File,
            size: Some(size),
            modified: Some(Timestamp(modified)),
            unique: None,
        }
    }

    #[test]
    fn a_copy_has_the_size_and_is_not_older() {
        let source = file(7, 1_795_389_845_000);
        assert!(file(7, 1_795_389_845_999).is_copy_of(&source));
        assert!(file(7, 1_795_389_999_000).is_copy_of(&source));
        assert!(!file(8, 1_795_389_845_000).is_copy_of(&source));
        assert!(!file(7, 1_795_389_844_000).is_copy_of(&source));
        assert!(!FileInfo { modified: None, ..file(7, 0) }.is_copy_of(&source));
    }

    #[test]
    fn times_are_compared_in_the_coarser_unit() {
        let exact = file(7, 1_795_389_845_000);
        let minute = file(7, 1_795_389_840_000);
        let day = file(7, 1_795_305_600_000);
        for coarse in [&minute, &day] {
            assert!(coarse.is_copy_of(&exact) && exact.is_copy_of(coarse));
        }
        assert!(!file(7, 1_795_389_780_000).is_copy_of(&exact));
    }
}
