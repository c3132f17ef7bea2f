//! What a firing does that meets runs of its schedule.

use super::definition::{Definition, Overlap, WAITING_MAX};
use super::history::Cause;

/// How busy a schedule is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// Runs under way; paused ones don't count, else one trap would stop a schedule for ever.
    pub(super) active: usize,
    /// Firings that wait.
    pub(super) waiting: usize,
}

/// What is to be done with a firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Begin its run.
    Start,
    /// Let it wait.
    Wait,
    /// Let it wait in the place of those that do, and cancel what is under way.
    Replace {
        /// Without letting it clean up.
        now: bool,
    },
    /// Leave it out.
    Skip(&'static str),
}

/// Decides by the schedule's policy.
pub(super) fn decide(definition: &Definition, load: Load, cause: Cause) -> Decision {
    let waiting_max = usize::try_from(WAITING_MAX).unwrap_or(usize::MAX);
    // Whoever waits goes first.
    if load.active < definition.places() && load.waiting == 0 {
        return Decision::Start;
    }
    let wait = || match load.waiting < waiting_max {
        true => Decision::Wait,
        false => Decision::Skip("as many firings wait as may"),
    };
    match definition.overlap {
        // What is made up for comes in its order, or there would be no "all".
        _ if cause == Cause::CaughtUp => wait(),
        Overlap::Skip => Decision::Skip("the last run is still under way"),
        Overlap::QueueOne if load.waiting > 0 => Decision::Skip("another firing waits already"),
        Overlap::QueueOne | Overlap::QueueAll => wait(),
        Overlap::CancelOther => Decision::Replace { now: false },
        Overlap::TerminateOther => Decision::Replace { now: true },
        Overlap::Allow => Decision::Skip("as many runs are under way as may"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Timing, When};

    fn decided(overlap: Overlap, concurrency: Option<u32>, active: usize, waiting: usize) -> Decision {
        let timing = Timing::new(When::Cron("@hourly".to_owned()), "UTC");
        let definition = Definition { overlap, concurrency, ..Definition::new("s", "w", timing) };
        decide(&definition, Load { active, waiting }, Cause::Scheduled)
    }

    #[test]
    fn every_policy_starts_where_there_is_room() {
        use Overlap::{Allow, CancelOther, QueueAll, QueueOne, Skip, TerminateOther};
        for overlap in [Skip, QueueOne, QueueAll, CancelOther, TerminateOther, Allow] {
            assert_eq!(decided(overlap, None, 0, 0), Decision::Start, "{overlap:?}");
            assert_eq!(decided(overlap, Some(3), 2, 0), Decision::Start, "{overlap:?}");
            assert_ne!(decided(overlap, Some(3), 3, 0), Decision::Start, "{overlap:?}");
        }
    }

    #[test]
    fn each_policy_does_what_its_name_says() {
        assert!(matches!(decided(Overlap::Skip, None, 1, 0), Decision::Skip(_)));
        assert_eq!(decided(Overlap::QueueOne, None, 1, 0), Decision::Wait);
        assert!(matches!(decided(Overlap::QueueOne, None, 1, 1), Decision::Skip(_)));
        assert_eq!(decided(Overlap::QueueAll, None, 1, 99), Decision::Wait);
        assert!(matches!(decided(Overlap::QueueAll, None, 1, 100), Decision::Skip(_)));
        assert_eq!(decided(Overlap::CancelOther, None, 1, 0), Decision::Replace { now: false });
        assert_eq!(decided(Overlap::TerminateOther, None, 1, 0), Decision::Replace { now: true });
        assert_eq!(decided(Overlap::Allow, None, 50, 0), Decision::Start);
        assert!(matches!(decided(Overlap::Allow, Some(2), 2, 0), Decision::Skip(_)));
    }

    #[test]
    fn what_is_made_up_for_waits_whatever_the_policy() {
        let timing = Timing::new(When::Cron("@hourly".to_owned()), "UTC");
        let definition = Definition::new("s", "w", timing);
        let decision = decide(&definition, Load { active: 1, waiting: 5 }, Cause::CaughtUp);
        assert_eq!(decision, Decision::Wait);
        let ahead = decide(&definition, Load { active: 0, waiting: 1 }, Cause::CaughtUp);
        assert_eq!(ahead, Decision::Wait, "not before those who wait");
    }
}
