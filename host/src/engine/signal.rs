//! Signals: what somebody tells a run from outside.

use super::{Engine, Error};
use crate::journal::{self, Sent, Signal, Summary};
use crate::model::RunId;

impl Engine {
    /// Sends a run a signal; durable when it returns. A run that isn't live receives it later.
    ///
    /// # Errors
    /// [`Error::Input`] for one over a bound, [`Error::NotFound`], [`Error::Closed`], [`Error::State`].
    pub async fn signal(&self, run: &RunId, signal: Signal) -> Result<Sent, Error> {
        signal.check().map_err(Error::Input)?;
        let sent = match self.handle(run) {
            Some(handle) => {
                let sent = handle.shared().control.signal(&signal).await;
                handle.shared().signals.knock();
                sent
            }
            None => journal::signal_resting(self.store(), run, &signal, self.clock().now()).await,
        };
        match sent {
            Err(journal::Error::Closed { run }) => {
                let head = self.store().head(&run).await?.ok_or_else(|| Error::NotFound(run.clone()))?;
                Err(Error::Closed { run, status: Summary::decode(&head.summary)?.status })
            }
            sent => Ok(sent?),
        }
    }
}
