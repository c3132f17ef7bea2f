//! The resource `batch`, as the guest sees it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasmtime::component::Resource;

use super::queue::{Next, Outcome, Queue};
use super::site::SiteHandle;
use super::transfer::{Mover, Transfer};
use crate::capability::bindings::ftp as wit;
use crate::capability::bindings::types::Failure;
use crate::capability::convert::{direction_to_model, failure, options_to_model, receipt_to_wit};
use crate::capability::ctx::{Ctx, trap};
use crate::clock::Clock;
use crate::journal::{Halt, Recovery};
use crate::model::{Commit, Fault, FaultCode, ItemId, RemotePath, StepSeq, TransferOptions};

/// The most files that one batch moves at a time.
const PARALLEL_MAX: u16 = 64;

/// The most transfers in one `submit`, and undelivered at a time.
const SUBMIT_MAX: usize = 10_000;
const UNDELIVERED_MAX: usize = 100_000;

/// The most outcomes in one `next`.
const NEXT_MAX: u32 = 1_000;

/// A batch in the hands of a guest.
pub struct Batch {
    queue: Arc<Queue>,
    /// The number of the next transfer.
    next: u32,
    /// Delivered, and to be committed by the guest.
    uncommitted: BTreeSet<u32>,
}

#[derive(Serialize)]
struct OpenArgs<'a> {
    site: &'a str,
    parallel: u16,
    options: &'a TransferOptions,
}

#[derive(Serialize)]
struct SubmitArgs<'a> {
    batch: StepSeq,
    first: u32,
    transfers: &'a [Transfer],
}

#[derive(Serialize)]
struct CommitArgs<'a> {
    batch: StepSeq,
    ids: &'a [u32],
}

/// What was given to the guest, as it is recorded.
#[derive(Serialize, Deserialize)]
enum Delivered {
    Outcomes(Vec<Outcome>),
    TimedOut,
    Finished,
}

impl wit::HostBatch for Ctx {
    async fn open(
        &mut self,
        at: Resource<SiteHandle>,
        parallel: u16,
        options: wit::TransferOptions,
    ) -> wasmtime::Result<Result<Resource<Batch>, Failure>> {
        let site = self.table.get(&at)?.name.clone();
        let options = match check_options(parallel, options) {
            Ok(options) => options,
            Err(fault) => return self.refuse(fault),
        };
        let args = OpenArgs { site: &site, parallel, options: &options };
        let opened =
            self.step("ftp.batch.open", &args, Recovery::Rerun, async |step, _| Ok(step.seq())).await?;
        let batch: StepSeq = match opened {
            Ok(step) => step,
            Err(fault) => return Ok(Err(failure(fault))),
        };
        let mover = self.mover();
        let (entered, spawner) = (self.signals.enter(), self.workers.spawner());
        let parallel = usize::from(parallel);
        let queue = Arc::new(Queue::new(batch, site, options, parallel, mover, entered, spawner));
        self.workers.watch(&queue);
        Ok(Ok(self.push(Batch { queue, next: 0, uncommitted: BTreeSet::new() })?))
    }

    async fn submit(
        &mut self,
        it: Resource<Batch>,
        transfers: Vec<wit::Transfer>,
    ) -> wasmtime::Result<Result<u32, Failure>> {
        let batch = self.table.get(&it)?;
        let (queue, first) = (Arc::clone(&batch.queue), batch.next);
        let transfers = match self.check_transfers(&queue, first, transfers) {
            Ok(transfers) => transfers,
            Err(fault) => return self.refuse(fault),
        };
        let args = SubmitArgs { batch: queue.batch, first, transfers: &transfers };
        let submitted: Result<(), Fault> =
            self.step("ftp.batch.submit", &args, Recovery::Rerun, async |_, _| Ok(())).await?;
        if let Err(fault) = submitted {
            return Ok(Err(failure(fault)));
        }
        let count = u32::try_from(transfers.len()).unwrap_or(u32::MAX);
        let items = (first..)
            .zip(transfers)
            .map(|(id, transfer)| (transfer, self.steps.table(queue.batch, ItemId(id))));
        let workers = queue.add(first, items.collect());
        for _ in 0..workers {
            self.workers.spawn(Arc::clone(&queue).work());
        }
        self.table.get_mut(&it)?.next = first.saturating_add(count);
        Ok(Ok(first))
    }

    async fn next(
        &mut self,
        it: Resource<Batch>,
        max: u32,
        timeout: Option<u64>,
    ) -> wasmtime::Result<wit::Delivery> {
        self.stepping().await?;
        let queue = Arc::clone(&self.table.get(&it)?.queue);
        let (workers, clock) = (self.workers.clone(), self.clock.clone());
        let max = usize::try_from(max.clamp(1, NEXT_MAX)).unwrap_or(1);
        let keeps = queue.options.commit == Commit::Manual;
        let delivered = self.steps.deliver(queue.batch, async |delivery| {
            workers.go();
            let delivered = wait(&queue, max, timeout, &*clock).await?;
            if let (Delivered::Outcomes(outcomes), false) = (&delivered, keeps) {
                for (id, _) in outcomes {
                    delivery.forget(queue.batch, ItemId(*id));
                }
            }
            Ok(delivered)
        });
        let delivered = delivered.await.map_err(trap)?;
        self.arrived();
        Ok(match delivered {
            Delivered::Outcomes(outcomes) => {
                queue.replayed(outcomes.iter().map(|(id, _)| *id));
                if keeps {
                    let batch = self.table.get_mut(&it)?;
                    batch.uncommitted.extend(outcomes.iter().map(|(id, _)| *id));
                }
                wit::Delivery::Outcomes(outcomes.into_iter().map(outcome_to_wit).collect())
            }
            Delivered::TimedOut => wit::Delivery::TimedOut,
            Delivered::Finished => wit::Delivery::Finished,
        })
    }

    async fn commit(&mut self, it: Resource<Batch>, ids: Vec<u32>) -> wasmtime::Result<Result<(), Failure>> {
        let batch = self.table.get_mut(&it)?;
        if batch.queue.options.commit != Commit::Manual {
            self.call()?;
            return Ok(Ok(()));
        }
        if let Some(id) = ids.iter().find(|id| !batch.uncommitted.contains(id)) {
            let why = format!("transfer {id} of the batch is committed already, or wasn't delivered");
            return self.refuse(Fault::new(FaultCode::CallInvalid, why));
        }
        for id in &ids {
            batch.uncommitted.remove(id);
        }
        let queue = Arc::clone(&batch.queue);
        let args = CommitArgs { batch: queue.batch, ids: &ids };
        let committed: Result<(), Fault> =
            self.step("ftp.batch.commit", &args, Recovery::Rerun, async |_, _| Ok(())).await?;
        Ok(committed.map_err(failure))
    }

    async fn close(&mut self, it: Resource<Batch>) -> wasmtime::Result<()> {
        let queue = Arc::clone(&self.table.get(&it)?.queue);
        let batch = queue.batch;
        self.record("ftp.batch.close", &batch, Recovery::Rerun, async |_| Ok(true)).await?;
        queue.close();
        Ok(())
    }

    /// Dropping is closing: what is under way goes on, for as long as the run does.
    async fn drop(&mut self, it: Resource<Batch>) -> wasmtime::Result<()> {
        self.table.delete(it)?.queue.close();
        Ok(())
    }
}

impl Ctx {
    /// What moves files for this run.
    pub(super) fn mover(&self) -> Mover {
        Mover {
            run: self.run.run.clone(),
            reach: self.reach.clone(),
            events: self.events.clone(),
            clock: self.clock.clone(),
        }
    }

    /// A failure that follows from the journal alone: no step.
    pub(in crate::capability) fn refuse<T>(&mut self, fault: Fault) -> wasmtime::Result<Result<T, Failure>> {
        self.call()?;
        Ok(Err(failure(fault)))
    }

    /// Checks all that can be checked without asking anybody.
    fn check_transfers(
        &self,
        queue: &Queue,
        first: u32,
        transfers: Vec<wit::Transfer>,
    ) -> Result<Vec<Transfer>, Fault> {
        let invalid = |why: String| Err(Fault::new(FaultCode::CallInvalid, why));
        if queue.is_closed() {
            return invalid("the batch is closed".to_owned());
        }
        if transfers.len() > SUBMIT_MAX {
            return invalid(format!("{} transfers at once; {SUBMIT_MAX} are allowed", transfers.len()));
        }
        if queue.undelivered() + transfers.len() > UNDELIVERED_MAX {
            return invalid(format!("{UNDELIVERED_MAX} transfers aren't delivered yet: take some first"));
        }
        if u32::try_from(transfers.len()).ok().and_then(|count| first.checked_add(count)).is_none() {
            return invalid("the batch has had as many transfers as it can number".to_owned());
        }
        let check = |transfer: wit::Transfer| {
            Ok(Transfer {
                direction: direction_to_model(transfer.direction),
                remote: RemotePath::parse(&transfer.remote)?,
                local: self.reach.local_path(&transfer.local)?,
            })
        };
        transfers.into_iter().map(check).collect()
    }
}

fn check_options(parallel: u16, options: wit::TransferOptions) -> Result<TransferOptions, Fault> {
    let invalid = |why: &str| Err(Fault::new(FaultCode::CallInvalid, why));
    if !(1..=PARALLEL_MAX).contains(&parallel) {
        return invalid("a batch moves 1 to 64 files at a time");
    }
    let options = options_to_model(options)?;
    if options.if_unchanged.is_some() || options.expect.is_some() || options.expect_records.is_some() {
        return invalid(
            "`if-unchanged`, `expect` and `expect-records` are about one file, not about a batch",
        );
    }
    Ok(options)
}

/// Waits for something to deliver.
async fn wait(queue: &Queue, max: usize, timeout: Option<u64>, clock: &dyn Clock) -> Result<Delivered, Halt> {
    let deadline = async {
        match timeout {
            Some(millis) => clock.sleep(Duration::from_millis(millis)).await,
            None => std::future::pending().await,
        }
    };
    let mut deadline = std::pin::pin!(deadline);
    loop {
        let mut changed = std::pin::pin!(queue.changed());
        // In line before looking, so that no change in between is missed.
        changed.as_mut().enable();
        match queue.next(max)? {
            Next::Outcomes(outcomes) => return Ok(Delivered::Outcomes(outcomes)),
            Next::Finished => return Ok(Delivered::Finished),
            Next::Wait => {}
        }
        tokio::select! {
            () = changed => {}
            () = queue.interrupted() => return Err(Halt::Interrupted),
            () = &mut deadline => return Ok(Delivered::TimedOut),
        }
    }
}

fn outcome_to_wit((id, outcome): Outcome) -> wit::Outcome {
    wit::Outcome { id, receipt: outcome.map(receipt_to_wit).map_err(failure) }
}
