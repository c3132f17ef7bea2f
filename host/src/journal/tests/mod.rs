//! Tests of the journal as a whole: a workflow with every kind of call, cut off after every write of
//! its store and resumed; and one suite of promises for all stores.

mod backup;
mod conformance;
mod cut;
mod cutting;
mod damage;
mod firings;
mod kill;
mod replay;
mod state;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::entry::{RunCreated, Stored};
use super::store::BlobId;
use crate::clock::Clock;
use crate::model::{Grants, RunId, StepSeq, Timestamp};

/// A clock that goes on by a millisecond whenever somebody looks.
#[derive(Debug, Default)]
pub(super) struct TickingClock(AtomicU64);

#[async_trait]
impl Clock for TickingClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_000_000 + self.0.fetch_add(1, Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }

    async fn sleep(&self, duration: Duration) {
        self.0.fetch_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

pub(super) fn clock() -> Arc<dyn Clock> {
    Arc::new(TickingClock::default())
}

/// The id of the `n`-th test run.
pub(super) fn run_id(n: u8) -> RunId {
    RunId::new(Timestamp(1_000_000 + u64::from(n)), [n; 10])
}

pub(super) fn created(n: u8) -> RunCreated {
    RunCreated {
        run: run_id(n),
        workflow: "mirror".to_owned(),
        component: BlobId::of(b"component"),
        input: Stored::Inline(Bytes::from_static(b"{}")),
        grants: Grants::default(),
        seed: [7; 32],
        host: "0.1.0".to_owned(),
        began_at: Timestamp(1_000_000),
        after: StepSeq(0),
        resumed: None,
        checkpoints: Vec::new(),
        statuses: Vec::new(),
    }
}
