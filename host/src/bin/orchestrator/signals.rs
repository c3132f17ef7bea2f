//! Ctrl-C and SIGTERM: once to end in good order, twice to end now. SIGHUP: read the configuration again.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;
use crate::report::Failure;

/// The signals, from when it was made.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// SIGHUP, from when it was made: only who is left running listens to it, everybody else ends by it.
#[derive(Debug)]
pub(crate) struct Hangup(Signal);

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::local("listen to signals", &error))
}

impl Signals {
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// The next one, as the exit code that it stands for.
    pub(crate) async fn next(&mut self) -> Exit {
        tokio::select! {
            _ = self.interrupt.recv() => Exit::Interrupted,
            _ = self.terminate.recv() => Exit::Terminated,
        }
    }
}

impl Hangup {
    pub(crate) fn listen() -> Result<Self, Failure> {
        listen(SignalKind::hangup()).map(Self)
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        self.0.recv().await;
    }
}
