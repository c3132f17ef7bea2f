//! Bytes and instants that can't be mistaken for one another.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A position in a file, in bytes from its start. Where the text says *committed* offset, all bytes
/// before it are on disk and the offset itself is in the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Offset(pub u64);

impl Offset {
    /// The start of a file.
    pub const ZERO: Self = Self(0);

    /// The offset `count` bytes further on.
    #[must_use]
    pub fn advance(self, count: ByteCount) -> Self {
        Self(self.0 + count.0)
    }

    /// The offset `count` bytes back, but never before the start.
    #[must_use]
    pub fn back(self, count: ByteCount) -> Self {
        Self(self.0.saturating_sub(count.0))
    }

    /// How many bytes lie between `earlier` and this offset; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> ByteCount {
        ByteCount(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByteCount(pub u64);

impl fmt::Display for ByteCount {
    /// In the binary unit that keeps the number short: `41.2 MiB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let unit = usize::try_from(self.0.ilog2() / 10).unwrap_or(1).min(UNITS.len());
        let tenths = (u128::from(self.0) * 10) >> (10 * unit);
        write!(f, "{}.{} {}", tenths / 10, tenths % 10, UNITS[unit - 1])
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The whole second that holds this instant: what MDTM, MLST and MFMT carry (RFC 3659, 2.3).
    #[must_use]
    pub fn whole_second(self) -> Self {
        Self(self.0 / 1000 * 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_counts_are_short_for_people() {
        assert_eq!(ByteCount(0).to_string(), "0 B");
        assert_eq!(ByteCount(1023).to_string(), "1023 B");
        assert_eq!(ByteCount(1024).to_string(), "1.0 KiB");
        assert_eq!(ByteCount(43_202_560).to_string(), "41.2 MiB");
        assert_eq!(ByteCount(1 << 40).to_string(), "1.0 TiB");
    }

    #[test]
    fn offsets_never_go_before_the_start() {
        assert_eq!(Offset(10).back(ByteCount(64)), Offset::ZERO);
        assert_eq!(Offset(5).since(Offset(9)), ByteCount(0));
    }
}
