//! `orchestrator:workflow/signals`: what others tell a run while it is under way.

use std::time::Duration;

use serde::Serialize;

use super::bindings::signals::{Failure, Host};
use super::clock::durable;
use super::convert::failure;
use super::ctx::Ctx;
use crate::clock::Clock;
use crate::journal::{Effect, Recovery, SIGNAL_NAME_BYTES_MAX};
use crate::model::{Fault, FaultCode, Timestamp};

#[derive(Serialize)]
struct Args<'a> {
    name: &'a str,
    timeout: Option<u64>,
}

impl Host for Ctx {
    /// The signal leaves the run's table in the commit that records it as received: after a crash there
    /// is either, and never both or neither.
    async fn receive(
        &mut self,
        name: String,
        timeout: Option<u64>,
    ) -> wasmtime::Result<Result<Option<String>, Failure>> {
        if name.is_empty() || name.len() > SIGNAL_NAME_BYTES_MAX || name.chars().any(char::is_control) {
            let why =
                format!("a signal's name has 1 to {SIGNAL_NAME_BYTES_MAX} bytes and no control characters");
            return self.refuse(Fault::new(FaultCode::CallInvalid, why));
        }
        let (clock, signals) = (self.clock.clone(), self.signals.clone());
        let args = Args { name: &name, timeout };
        let received: Result<Option<String>, Fault> = self
            .step("signals.receive", &args, Recovery::Rerun, async |step: &mut Effect, stop| {
                let mut due = None;
                loop {
                    // Before the look, so that what comes after it is heard.
                    let knock = signals.knocked();
                    tokio::pin!(knock);
                    knock.as_mut().enable();
                    if let Some(payload) = step.take_signal(&name).await? {
                        return Ok(Some(payload));
                    }
                    let left = match timeout {
                        None => None,
                        Some(timeout) => {
                            let until = match due {
                                Some(until) => until,
                                None => {
                                    let until = Timestamp(clock.now().0.saturating_add(timeout));
                                    durable(&*clock, step, until).await?
                                }
                            };
                            due = Some(until);
                            Some(Duration::from_millis(until.0.saturating_sub(clock.now().0)))
                        }
                    };
                    if left.is_some_and(|left| left.is_zero()) {
                        return Ok(None);
                    }
                    let wait = async {
                        tokio::select! {
                            () = knock => {}
                            () = sleep(&*clock, left) => {}
                        }
                        Ok(())
                    };
                    stop.unless(wait).await?;
                }
            })
            .await?;
        Ok(received.map_err(failure))
    }
}

async fn sleep(clock: &dyn Clock, left: Option<Duration>) {
    match left {
        Some(left) => clock.sleep(left).await,
        None => std::future::pending().await,
    }
}
