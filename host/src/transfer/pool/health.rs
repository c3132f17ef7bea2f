//! Whether a server is worth a try: a circuit breaker with a clock that is passed in.
//!
//! ```text
//!            a failure                 the third in a row            the back-off is over
//!   Alive ──────────────▶ Suspect ──────────────────────▶ Down(open) ─────────────────▶ Down(half open)
//!     ▲ ◀──── an answer ────╯                               ▲                               │ one trial
//!     ╰────────────────────────── it answers ───────────────│───────────────────────────────┤
//!                                                           ╰───── it doesn't: twice as long ╯
//! ```

use std::time::Duration;

use serde::Serialize;

/// So many failures in a row take a server out.
pub(super) const FAILURES_MAX: u32 = 3;

/// How long a server is left alone at first, and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How a server stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Standing {
    /// It answers.
    Alive,
    /// It has failed lately, and is asked less often.
    Suspect,
    /// It is left alone, but for a trial now and then.
    Down,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Circuit {
    Closed,
    /// Nobody tries before this time.
    Open(Duration),
    /// One tries.
    HalfOpen,
}

/// What is known of one server's health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Health {
    circuit: Circuit,
    /// Failures since the last answer.
    failures: u32,
    /// How often the circuit opened since the last answer.
    opened: u32,
}

impl Default for Health {
    fn default() -> Self {
        Self { circuit: Circuit::Closed, failures: 0, opened: 0 }
    }
}

impl Health {
    pub(super) fn standing(&self) -> Standing {
        match (self.circuit, self.failures) {
            (Circuit::Closed, 0) => Standing::Alive,
            (Circuit::Closed, _) => Standing::Suspect,
            _ => Standing::Down,
        }
    }

    /// Whether somebody may ask it now; of a server that is down, only the one who begins a trial.
    pub(super) fn may_be_asked(&self, now: Duration) -> bool {
        match self.circuit {
            Circuit::Closed => true,
            Circuit::Open(until) => now >= until,
            Circuit::HalfOpen => false,
        }
    }

    /// Somebody asks it now. True when that is the one trial, which has to be ended by
    /// [`Health::answered`], [`Health::failed`] or [`Health::given_up`].
    pub(super) fn ask(&mut self, now: Duration) -> bool {
        let trial = matches!(self.circuit, Circuit::Open(until) if now >= until);
        if trial {
            self.circuit = Circuit::HalfOpen;
        }
        trial
    }

    /// It answered.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// It didn't; `trial` when that was its trial. `roll`, uniform over its range, spreads the trials of
    /// several processes: the wait is between half of the back-off and all of it.
    pub(super) fn failed(&mut self, now: Duration, trial: bool, roll: u32) {
        self.failures = self.failures.saturating_add(1);
        let opens = match self.circuit {
            Circuit::Closed => self.failures >= FAILURES_MAX,
            Circuit::HalfOpen => trial,
            // Those who asked before it opened come back late.
            Circuit::Open(_) => false,
        };
        if opens {
            let whole = BACKOFF.0.saturating_mul(1 << self.opened.min(16)).min(BACKOFF.1);
            let half = whole / 2;
            let millis = half.as_millis() * u128::from(roll) / u128::from(u32::MAX);
            let spread = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
            self.opened += 1;
            self.circuit = Circuit::Open(now + half + spread);
        }
    }

    /// Whoever tried it has gone without knowing: the next one may.
    pub(super) fn given_up(&mut self, now: Duration) {
        if self.circuit == Circuit::HalfOpen {
            self.circuit = Circuit::Open(now);
        }
    }

    /// How long nobody tries it; zero where somebody may, or does.
    pub(super) fn left_alone(&self, now: Duration) -> Duration {
        match self.circuit {
            Circuit::Open(until) => until.saturating_sub(now),
            Circuit::Closed | Circuit::HalfOpen => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn one_failure_makes_a_server_suspect_and_an_answer_clears_it() {
        let mut health = Health::default();
        health.failed(at(0), false, 0);
        assert_eq!(health.standing(), Standing::Suspect);
        assert!(health.may_be_asked(at(0)) && !health.ask(at(0)));
        health.answered();
        assert_eq!(health, Health::default());
    }

    #[test]
    fn the_third_failure_takes_a_server_out_until_a_trial_succeeds() {
        let mut health = Health::default();
        for _ in 0..FAILURES_MAX {
            health.failed(at(0), false, u32::MAX);
        }
        assert_eq!((health.standing(), health.left_alone(at(0))), (Standing::Down, at(1000)));
        assert!(!health.may_be_asked(at(999)) && health.may_be_asked(at(1000)));
        assert!(health.ask(at(1000)));
        assert!(!health.may_be_asked(at(1000)), "one trial at a time");
        health.failed(at(1000), true, u32::MAX);
        assert_eq!(health.left_alone(at(1000)), at(2000), "twice as long");
        assert!(health.ask(at(3000)));
        health.answered();
        assert_eq!(health.standing(), Standing::Alive);
    }

    #[test]
    fn a_trial_that_nobody_ends_does_not_block_the_next() {
        let mut health = Health::default();
        for _ in 0..FAILURES_MAX {
            health.failed(at(0), false, 0);
        }
        assert!(health.ask(at(500)));
        health.given_up(at(600));
        assert!(health.may_be_asked(at(600)) && health.ask(at(600)));
    }

    #[test]
    fn late_failures_do_not_lengthen_the_wait() {
        let mut health = Health::default();
        for _ in 0..50 {
            health.failed(at(0), false, u32::MAX);
        }
        assert_eq!(health.left_alone(at(0)), at(1000));
        assert!(health.ask(at(1000)));
        health.failed(at(1000), false, u32::MAX);
        assert!(!health.may_be_asked(at(5000)), "only the trial itself ends the trial");
    }

    proptest! {
        /// Whatever happens in whatever order, no two trials are under way, and no wait is longer than
        /// the longest back-off.
        #[test]
        fn no_two_trials_at_once(events in prop::collection::vec((0_u8..5, 0_u64..3000, any::<u32>()), 0..300)) {
            let (mut health, mut now, mut trial) = (Health::default(), Duration::ZERO, false);
            for (event, pass, roll) in events {
                now += at(pass);
                match event {
                    0 if health.may_be_asked(now) && health.ask(now) => {
                        prop_assert!(!trial);
                        trial = true;
                    }
                    1 => health.failed(now, false, roll),
                    2 if trial => {
                        health.failed(now, true, roll);
                        trial = false;
                    }
                    3 if trial => {
                        health.given_up(now);
                        trial = false;
                    }
                    4 => {
                        health.answered();
                        trial = false;
                    }
                    _ => {}
                }
                prop_assert!(health.left_alone(now) <= BACKOFF.1);
                prop_assert!(!trial || !health.may_be_asked(now));
            }
        }
    }
}
