//! The low-speed rule of a data connection (F50).
//!
//! A server that sends one byte a second keeps every deadline for silence, and the transfer never
//! ends. So it is given up, to be gone on with on a new session, when it moved fewer bytes than
//! `min_speed` in `min_speed_time`. Only the time that a read or a write waited for the network
//! counts: what our own limits, our disk or a commit take lies between the calls.

use std::time::Duration;

use super::place::Place;
use crate::model::{ByteCount, Fault, FaultCode, SiteLimits};

/// How fast one data connection moves.
#[derive(Debug)]
pub(super) struct Pace {
    min_speed: u64,
    window: Duration,
    /// What has passed in this window: time of waiting, and bytes.
    waited: Duration,
    moved: u64,
}

impl Pace {
    /// A data connection that begins.
    pub(super) fn new(limits: &SiteLimits) -> Self {
        Self { min_speed: limits.min_speed, window: limits.min_speed_time, waited: Duration::ZERO, moved: 0 }
    }

    fn rules(&self) -> bool {
        self.min_speed > 0 && !self.window.is_zero()
    }

    fn needed(&self) -> u64 {
        let needed = u128::from(self.min_speed) * self.window.as_millis() / 1000;
        u64::try_from(needed).unwrap_or(u64::MAX).max(1)
    }

    /// How long the next read or write may take; at most `idle`, the deadline for silence.
    pub(super) fn patience(&self, idle: Duration) -> Duration {
        if !self.rules() {
            return idle;
        }
        let left = self.window.saturating_sub(self.waited);
        let left = if self.moved >= self.needed() { left + self.window } else { left };
        left.min(idle)
    }

    /// Takes note of a read or write that took `waited` and moved `bytes`; false when a whole window
    /// had too few.
    pub(super) fn keeps_up(&mut self, waited: Duration, bytes: usize) -> bool {
        if !self.rules() {
            return true;
        }
        self.waited += waited;
        while self.waited >= self.window {
            if self.moved < self.needed() {
                return false;
            }
            self.waited -= self.window;
            self.moved = 0;
        }
        self.moved = self.moved.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        true
    }

    /// It is too slow.
    pub(super) fn fault(&self, doing: &str, place: &Place) -> Fault {
        let (speed, window) = (ByteCount(self.min_speed), self.window.as_secs_f32());
        let words = format!("{doing}: fewer than {speed} per second for {window} s");
        Fault::new(FaultCode::FtpTimeout, words).with_hint(format!(
            "if the link is that slow, lower `min_speed` under [site.{}], or set it to 0",
            place.site
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(60);

    fn pace(min_speed: u64, seconds: u64) -> Pace {
        let min_speed_time = Duration::from_secs(seconds);
        Pace::new(&SiteLimits { min_speed, min_speed_time, ..SiteLimits::default() })
    }

    /// How many reads of `bytes` each `millis` it takes until the rule is broken.
    fn broken_after(pace: &mut Pace, millis: u64, bytes: usize) -> Option<u32> {
        (1..10_000).find(|_| !pace.keeps_up(Duration::from_millis(millis), bytes))
    }

    #[test]
    fn a_trickle_is_given_up_after_one_window() {
        assert_eq!(broken_after(&mut pace(100, 60), 1000, 1), Some(60));
        assert_eq!(broken_after(&mut pace(100, 60), 1000, 99), Some(60));
        assert_eq!(broken_after(&mut pace(100, 60), 1000, 102), None, "slow, but honest");
        // The fast beginning pays for its own window only.
        let mut pace = pace(100, 60);
        assert!(pace.keeps_up(Duration::from_secs(1), 10 << 20));
        assert_eq!(broken_after(&mut pace, 1000, 1), Some(119));
    }

    #[test]
    fn time_in_which_nobody_waits_for_the_network_is_no_time() {
        // However seldom the reads are made: each gave at once what it gave.
        assert_eq!(broken_after(&mut pace(1 << 20, 1), 0, 1), None);
    }

    #[test]
    fn a_stall_ends_with_the_window_or_with_the_deadline_for_silence() {
        let mut pace = pace(100, 40);
        assert_eq!(pace.patience(IDLE), Duration::from_secs(40));
        assert!(pace.keeps_up(Duration::from_secs(10), 100));
        assert_eq!(pace.patience(IDLE), Duration::from_secs(30));
        assert!(pace.keeps_up(Duration::from_secs(1), 4000));
        assert_eq!(pace.patience(IDLE), IDLE, "this window is good, so a stall may take the next one, too");
        assert!(!pace.keeps_up(Duration::from_secs(29 + 40), 1));
    }

    #[test]
    fn without_a_speed_there_is_no_rule() {
        let mut pace = pace(0, 60);
        assert_eq!(pace.patience(IDLE), IDLE);
        assert!(pace.keeps_up(Duration::from_secs(100_000), 0));
    }
}
