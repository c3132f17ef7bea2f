//! Digests of file contents.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A hash that this host computes while it copies, and that some servers can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HashAlgorithm {
    /// CRC-32 as in ISO 3309, what XCRC gives.
    Crc32,
    /// MD5 (RFC 1321): against accidents only.
    Md5,
    /// SHA-1: accepted as an expectation, never computed by default.
    Sha1,
    /// SHA-256, the digest of every receipt.
    Sha256,
}

impl HashAlgorithm {
    /// Its name in WIT, JSON and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crc32 => "crc32",
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }
}

impl FromStr for HashAlgorithm {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().replace('-', "").as_str() {
            "crc32" => Ok(Self::Crc32),
            "md5" => Ok(Self::Md5),
            "sha1" => Ok(Self::Sha1),
            "sha256" => Ok(Self::Sha256),
            _ => Err(format!("`{text}` is not one of crc32, md5, sha1, sha256")),
        }
    }
}

/// A hash value: its algorithm and lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Digest {
    /// Which hash.
    pub algorithm: HashAlgorithm,
    /// The value, in lower-case hexadecimal digits.
    pub hex: String,
}

impl Digest {
    /// A digest from raw bytes, most significant first.
    #[must_use]
    pub fn from_bytes(algorithm: HashAlgorithm, bytes: &[u8]) -> Self {
        use fmt::Write;
        let mut hex = String::with_capacity(bytes.len() * 2);
        for byte in bytes {
            let _ = write!(hex, "{byte:02x}");
        }
        Self { algorithm, hex }
    }

    /// Whether `other` is of the same algorithm and value; case and leading zeros of a CRC don't count.
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        let norm = |d: &Self| {
            let lower = d.hex.to_ascii_lowercase();
            if d.algorithm == HashAlgorithm::Crc32 { lower.trim_start_matches('0').to_owned() } else { lower }
        };
        self.algorithm == other.algorithm && norm(self) == norm(other)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.as_str(), self.hex)
    }
}
