//! One live run, for those who watch or stop it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{broadcast, watch};

use crate::capability::{Events, Signals};
use crate::journal::Control;
use crate::model::{RunEvent, RunId, RunOutcome, Timestamp};

/// How soon a run that is being cancelled must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// Nobody cancels.
    Endless,
    /// Until then its guest may clean up.
    Until(Timestamp),
    /// It ends where it is.
    None,
}

/// One live run. Cheap to clone; dropping it doesn't end the run.
#[derive(Clone)]
pub struct RunHandle {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) run: RunId,
    pub(super) events: Events,
    pub(super) signals: Signals,
    pub(super) control: Control,
    pub(super) patience: watch::Sender<Patience>,
    pub(super) outcome: watch::Sender<Option<RunOutcome>>,
    /// Subscribed before the run began, so that whoever started it misses nothing.
    first: Mutex<Option<broadcast::Receiver<RunEvent>>>,
}

impl RunHandle {
    pub(super) fn new(run: RunId, control: Control, events: Events) -> Self {
        let first = Mutex::new(Some(events.subscribe()));
        let shared = Shared {
            run,
            events,
            signals: Signals::new(),
            control,
            patience: watch::Sender::new(Patience::Endless),
            outcome: watch::Sender::new(None),
            first,
        };
        Self { shared: Arc::new(shared) }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Which run.
    #[must_use]
    pub fn id(&self) -> &RunId {
        &self.shared.run
    }

    /// What the run tells: for the first caller from its beginning, for others from now on. The
    /// last event is `Ended`.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<RunEvent> {
        let first = self.shared.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        first.unwrap_or_else(|| self.shared.events.subscribe())
    }

    /// Waits until this process no longer drives the run, and says how that came.
    pub async fn outcome(&self) -> RunOutcome {
        let mut outcome = self.shared.outcome.subscribe();
        match outcome.wait_for(Option::is_some).await {
            Ok(known) => known.clone().unwrap_or(RunOutcome::Interrupted),
            // The sender lives as long as this handle.
            Err(_) => RunOutcome::Interrupted,
        }
    }

    /// Ends the run so that it can go on later: no new file begins, offsets are committed. It
    /// returns at once; [`RunHandle::outcome`] tells when that is done.
    pub fn interrupt(&self) {
        self.shared.signals.interrupt();
    }
}

impl std::fmt::Debug for RunHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunHandle").field("run", &self.shared.run).finish_non_exhaustive()
    }
}
