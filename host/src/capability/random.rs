//! `orchestrator:workflow/random`: from a secret seed of the run, so the same in every replay.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::bindings::random::Host;
use super::ctx::Ctx;

/// The most bytes in one call.
const BYTES_MAX: u32 = 65_536;

/// Generators of one seed that don't share numbers: each consumer has its own, so that a language
/// runtime that draws through WASI doesn't shift what the workflow draws.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    /// For the workflow.
    Workflow = 0,
    /// For `wasi:random/random`.
    Wasi = 1,
    /// For `wasi:random/insecure`.
    WasiInsecure = 2,
    /// For `wasi:random/insecure-seed`.
    WasiSeed = 3,
    /// For the jitter of waits.
    Waits = 4,
}

/// The generator of one consumer.
pub(super) fn generator(seed: [u8; 32], stream: Stream) -> ChaCha20Rng {
    let mut generator = ChaCha20Rng::from_seed(seed);
    generator.set_stream(stream as u64);
    generator
}

impl Host for Ctx {
    fn bytes(&mut self, count: u32) -> wasmtime::Result<Vec<u8>> {
        self.call()?;
        if count > BYTES_MAX {
            return Err(wasmtime::format_err!(
                "it asked for {count} random bytes at once; {BYTES_MAX} are allowed"
            ));
        }
        let mut bytes = vec![0; usize::try_from(count).unwrap_or(0)];
        self.random.fill_bytes(&mut bytes);
        Ok(bytes)
    }

    fn next_u32(&mut self) -> wasmtime::Result<u32> {
        self.call()?;
        Ok(self.random.next_u32())
    }

    fn uuid(&mut self) -> wasmtime::Result<String> {
        self.call()?;
        let mut bytes = [0; 16];
        self.random.fill_bytes(&mut bytes);
        Ok(uuid(bytes))
    }
}

/// RFC 9562, 5.4: random but for the version (4) and the variant (binary 10).
fn uuid(mut bytes: [u8; 16]) -> String {
    use std::fmt::Write;
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_have_their_form() {
        assert_eq!(uuid([0xFF; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(uuid([0; 16]), "00000000-0000-4000-8000-000000000000");
    }

    #[test]
    fn streams_differ_and_repeat() {
        let draw = |stream| generator([7; 32], stream).next_u64();
        assert_eq!(draw(Stream::Workflow), draw(Stream::Workflow));
        assert_ne!(draw(Stream::Workflow), draw(Stream::Wasi));
    }
}
