//! Time, passed in: tests and the simulator need not wait.

use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

use crate::model::Timestamp;

/// Where time comes from.
#[async_trait]
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time of day, which people may set back.
    fn now(&self) -> Timestamp;
    /// Time that only goes forward, from an arbitrary start.
    fn monotonic(&self) -> Duration;
    /// Waits.
    async fn sleep(&self, duration: Duration);
}

/// An instant as RFC 3339 in UTC; with milliseconds only where there are some. One that no calendar has
/// is its number.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    let instant = i64::try_from(at.0).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    instant.map_or_else(|| at.0.to_string(), |instant| instant.to_string())
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// The machine's own clock; its monotonic time starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
