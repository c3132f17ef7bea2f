//! Random values from a secret seed of the run: unpredictable to others, the same in every replay.

use crate::host;

/// `count` random bytes. More than 65,536 stops the run.
#[must_use]
pub fn bytes(count: u32) -> Vec<u8> {
    host::random_bytes(count)
}

/// A number, uniform over its whole range.
#[must_use]
pub fn next_u32() -> u32 {
    host::random_u32()
}

/// A random UUID (RFC 9562, version 4) in its form of 36 characters.
#[must_use]
pub fn uuid() -> String {
    host::uuid()
}
