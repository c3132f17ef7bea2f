//! How a live run is asked to end: interrupted (the process is ending; it goes on later) or
//! cancelled (its next step says so, and it may clean up). And how it is told that something came for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::transfer::Stop;

/// How far a cancel has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Cancel {
    #[default]
    None,
    /// Somebody asked for it; the guest doesn't know yet.
    Asked,
    /// A step has told the guest.
    Told,
}

#[derive(Debug, Default)]
struct State {
    interrupted: bool,
    cancel: Cancel,
    next: u64,
    stops: BTreeMap<u64, Stop>,
}

/// Where a live run is asked to end. All clones are one.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    state: Arc<Mutex<State>>,
    knocks: Arc<Notify>,
}

impl Signals {
    /// Nothing asked for yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process is ending: whatever waits or moves files commits what it has and ends.
    pub fn interrupt(&self) {
        let mut state = self.state();
        state.interrupted = true;
        for stop in state.stops.values() {
            stop.interrupt();
        }
    }

    /// The run is to be cancelled: what is under way ends, and the next step tells the guest.
    pub fn cancel(&self) {
        let mut state = self.state();
        if state.cancel == Cancel::None {
            state.cancel = Cancel::Asked;
        }
        for stop in state.stops.values() {
            stop.cancel();
        }
    }

    /// A step has told the guest that its run is cancelled; those after it work again.
    pub fn told(&self) {
        self.state().cancel = Cancel::Told;
    }

    /// Something has come for the run: whoever waits for it looks.
    pub fn knock(&self) {
        self.knocks.notify_waiters();
    }

    /// Waits until something comes for the run.
    pub(super) fn knocked(&self) -> Notified<'_> {
        self.knocks.notified()
    }

    /// Whether the process is ending.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.state().interrupted
    }

    /// Whether a cancel was asked for, told or not.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.state().cancel != Cancel::None
    }

    /// Whether the guest was told of a cancel.
    #[must_use]
    pub fn was_told(&self) -> bool {
        self.state().cancel == Cancel::Told
    }

    /// Whether the guest has yet to be told of a cancel.
    pub(super) fn is_cancel_due(&self) -> bool {
        self.state().cancel == Cancel::Asked
    }

    /// A token for something that waits or moves files; it counts for as long as it lives.
    pub(super) fn enter(&self) -> Entered {
        let stop = Stop::new();
        let mut state = self.state();
        if state.interrupted {
            stop.interrupt();
        }
        if state.cancel == Cancel::Asked {
            stop.cancel();
        }
        let key = state.next;
        state.next += 1;
        state.stops.insert(key, stop.clone());
        Entered { signals: self.clone(), key, stop }
    }
}

/// A token that is raised when its run is asked to end.
#[derive(Debug)]
pub(super) struct Entered {
    signals: Signals,
    key: u64,
    stop: Stop,
}

impl Entered {
    /// The token.
    pub(super) fn stop(&self) -> &Stop {
        &self.stop
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.signals.state().stops.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::StopKind;

    #[test]
    fn tokens_are_raised_early_and_late() {
        let signals = Signals::new();
        let early = signals.enter();
        signals.interrupt();
        let late = signals.enter();
        assert_eq!(early.stop().kind(), Some(StopKind::Interrupt));
        assert_eq!(late.stop().kind(), Some(StopKind::Interrupt));
    }

    #[test]
    fn steps_after_the_one_that_told_work_again() {
        let signals = Signals::new();
        signals.cancel();
        assert!(signals.is_cancel_due());
        signals.told();
        signals.cancel();
        assert!(!signals.is_cancel_due() && signals.is_cancelled());
        assert_eq!(signals.enter().stop().kind(), None);
    }

    #[test]
    fn a_token_that_is_gone_is_forgotten() {
        let signals = Signals::new();
        drop(signals.enter());
        assert!(signals.state().stops.is_empty());
    }
}
