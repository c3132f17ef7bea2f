//! How a transfer is asked to end early.

use tokio::sync::watch;

use crate::model::{Fault, FaultCode};

/// Why a transfer is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopKind {
    /// The process is ending: what has come so far is committed, and the run goes on later.
    Interrupt,
    /// The run was cancelled: what has come so far is thrown away.
    Cancel,
}

/// A token that stops whatever holds a clone of it. A cancel overrides an interrupt; nothing takes
/// a stop back.
#[derive(Clone, Debug)]
pub struct Stop {
    state: watch::Sender<Option<StopKind>>,
}

impl Stop {
    /// A token that hasn't been used.
    #[must_use]
    pub fn new() -> Self {
        Self { state: watch::Sender::new(None) }
    }

    /// Ends the work so that it can go on later: it gives `run.interrupted`.
    pub fn interrupt(&self) {
        self.raise(StopKind::Interrupt);
    }

    /// Ends the work for good: it gives `run.cancelled`.
    pub fn cancel(&self) {
        self.raise(StopKind::Cancel);
    }

    fn raise(&self, kind: StopKind) {
        self.state.send_if_modified(|state| {
            let raised = state.is_none_or(|now| now < kind);
            if raised {
                *state = Some(kind);
            }
            raised
        });
    }

    /// What was asked for, if anything was.
    #[must_use]
    pub fn kind(&self) -> Option<StopKind> {
        *self.state.borrow()
    }

    /// Waits until something is asked for.
    pub async fn stopped(&self) -> StopKind {
        let mut receiver = self.state.subscribe();
        loop {
            if let Some(kind) = *receiver.borrow_and_update() {
                return kind;
            }
            if receiver.changed().await.is_err() {
                // The sender lives as long as `self`, so this isn't reached; waiting for ever is
                // what "nobody can stop it any more" would mean.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Fails once something was asked for.
    ///
    /// # Errors
    /// `run.interrupted` or `run.cancelled`.
    pub fn check(&self) -> Result<(), Fault> {
        self.kind().map_or(Ok(()), |kind| Err(kind.fault()))
    }

    /// What `work` gives, unless it is stopped first; then `work` is dropped where it stands.
    ///
    /// # Errors
    /// Those of `work`, `run.interrupted` and `run.cancelled`.
    pub async fn unless<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        tokio::select! {
            biased;
            kind = self.stopped() => Err(kind.fault()),
            result = work => result,
        }
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

impl StopKind {
    /// The fault that stopped work gives.
    #[must_use]
    pub fn fault(self) -> Fault {
        match self {
            Self::Interrupt => {
                Fault::new(FaultCode::RunInterrupted, "interrupted; it goes on when it is resumed")
            }
            Self::Cancel => Fault::new(FaultCode::RunCancelled, "cancelled"),
        }
    }
}
