//! Seeded randomness: what a test does at random it can do again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The environment name that gives every test its seed, to repeat a failure.
pub const SEED: &str = "TESTKIT_SEED";

/// A stream of numbers (SplitMix64) that one seed determines.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// A stream from `TESTKIT_SEED`, else from the time; the seed is printed, so that it stands in
    /// the output of a test that fails.
    #[allow(clippy::print_stderr, reason = "the test's output is where the seed is looked for")]
    pub fn new(purpose: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let given = std::env::var(SEED).ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or(now.as_nanos() as u64);
        eprintln!("{purpose}: {SEED}={seed}");
        Self(seed)
    }

    /// The stream of this seed.
    pub fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.bits() % bound }
    }

    /// A time between the two, to the microsecond.
    pub fn between(&mut self, from: Duration, to: Duration) -> Duration {
        let span = to.saturating_sub(from).as_micros() as u64;
        from + Duration::from_micros(self.below(span + 1))
    }

    /// Fills the buffer.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            chunk.copy_from_slice(&self.bits().to_le_bytes()[..chunk.len()]);
        }
    }
}
