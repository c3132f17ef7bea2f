//! A small outside world with an effect log, and a workflow that does every kind of call to it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;

use crate::journal::{Call, Effect, Halt, Noted, Recovery, StepLog};
use crate::model::{Fault, FaultCode, ItemId, LogLevel, StepSeq, Timestamp};

/// What stands outside, and every effect that was ever carried out there.
#[derive(Debug, Default)]
pub(super) struct World {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    pub(super) files: BTreeMap<String, String>,
    pub(super) effects: Vec<String>,
    /// Log lines that listeners were told.
    pub(super) lines: Vec<String>,
}

pub(super) const NAMES: [&str; 3] = ["a.csv", "b.csv", "c.csv"];

impl World {
    pub(super) fn new() -> Self {
        let world = Self::default();
        for name in NAMES {
            world.inner().files.insert(format!("in/{name}"), format!("content of {name}"));
        }
        world
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    fn rename(&self, from: &str, to: &str) {
        let mut inner = self.inner();
        let content = inner.files.remove(from).unwrap();
        inner.files.insert(to.to_owned(), content);
        inner.effects.push(format!("rename {from} {to}"));
    }
}

/// What a guest saw: each result, with the time that it was told then.
pub(super) type Trace = Vec<(String, Timestamp)>;

/// One life of the guest in one process. `trace` grows with what it sees, `live_at` is how much it
/// had seen when the log became live.
pub(super) struct Life<'a> {
    pub(super) log: &'a mut StepLog,
    pub(super) world: &'a World,
    pub(super) trace: Trace,
    pub(super) live_at: Option<usize>,
}

impl Life<'_> {
    fn saw(&mut self, what: String) {
        self.trace.push((what, self.log.now()));
        if self.log.is_live() && self.live_at.is_none() {
            self.live_at = Some(self.trace.len());
        }
    }

    async fn line(&mut self, text: &str) -> Result<(), Halt> {
        let noted = self.log.log_line(LogLevel::Info, text.to_owned(), Vec::new()).await?;
        if noted == Noted::New {
            self.world.inner().lines.push(text.to_owned());
        }
        Ok(())
    }

    async fn rename(&mut self, from: String, to: String) -> Result<(), Halt> {
        let world = self.world;
        let args = (&from, &to);
        let call = Call { kind: "ftp.rename", args: &args, label: None, recovery: Recovery::VerifyThenRerun };
        let result: Result<(), Fault> = self
            .log
            .once(call, async |effect: &mut Effect| {
                if let Some(evidence) = effect.in_doubt() {
                    let old = String::from_utf8(evidence.to_vec()).unwrap();
                    let stands = world.inner().files.get(&to).cloned();
                    if stands == Some(old) {
                        return Ok(Ok(()));
                    }
                }
                let old = world.inner().files[&from].clone();
                effect.begin(old.as_bytes()).await?;
                world.rename(&from, &to);
                Ok(Ok(()))
            })
            .await?;
        self.saw(format!("rename {result:?}"));
        Ok(())
    }

    /// The whole workflow; gives its output.
    pub(super) async fn run(&mut self) -> Result<String, Halt> {
        let call = Call { kind: "ftp.list", args: &"in", label: Some("what came"), recovery: Recovery::Read };
        // Not what stands there now: renamed files are gone.
        let names: Vec<String> = self.log.once(call, async |_| Ok(NAMES.map(str::to_owned).to_vec())).await?;
        self.saw(format!("list {names:?}"));
        self.line("listed").await?;
        self.line("listed more").await?;

        for name in &names[..2] {
            self.rename(format!("in/{name}"), format!("done/{name}")).await?;
        }
        self.log.set_status("stage", "renamed").await?;

        // Larger than an entry may be, so it goes into a blob.
        let call = Call { kind: "ftp.read", args: &"big", label: None, recovery: Recovery::Read };
        let big: String = self.log.once(call, async |_| Ok("x".repeat(100_000))).await?;
        self.saw(format!("read {}", big.len()));

        self.log.save_checkpoint("seen", Bytes::from(names.join(","))).await?;
        self.saw("saved".to_owned());
        let seen = self.log.checkpoint("seen").await?;
        self.saw(format!("checkpoint {seen:?}"));

        self.batch().await?;
        self.retried().await?;
        self.notify().await?;
        self.rename("in/c.csv".to_owned(), "done/c.csv".to_owned()).await?;
        self.line("all done").await?;
        Ok(format!("{} files", names.len()))
    }

    /// Items that work in the background, with a table each; their outcomes come in an order that
    /// differs from life to life unless the log holds it.
    async fn batch(&mut self) -> Result<(), Halt> {
        let call = Call { kind: "batch.open", args: &2_u16, label: None, recovery: Recovery::Rerun };
        let batch: StepSeq = self.log.once(call, async |effect| Ok(effect.seq())).await?;
        self.saw(format!("batch {batch}"));
        for n in 0..4_u32 {
            let lucky = self.log.now().0;
            let log = &mut *self.log;
            let table = log.table(batch, ItemId(n));
            let item: u64 = log
                .deliver(batch, async |delivery| {
                    table.put(vec![("offset".to_owned(), Some(vec![1]))]).await?;
                    delivery.forget(batch, ItemId(n));
                    Ok(lucky % 97)
                })
                .await?;
            self.saw(format!("item {item}"));
            self.line(&format!("item {n}")).await?;
            if n == 1 {
                let call = Call { kind: "ftp.stat", args: &"x", label: None, recovery: Recovery::Read };
                let at: u64 = self.log.once(call, async |_| Ok(lucky)).await?;
                self.saw(format!("stat {at}"));
            }
        }
        let call = Call { kind: "batch.close", args: &batch, label: None, recovery: Recovery::Rerun };
        self.log
            .once(call, async |effect| {
                effect.forget(batch);
                Ok(())
            })
            .await?;
        Ok(())
    }

    /// A step that fails twice and waits between attempts.
    async fn retried(&mut self) -> Result<(), Halt> {
        let call = Call { kind: "ftp.upload", args: &"c.csv", label: None, recovery: Recovery::Rerun };
        let attempts: u32 = self
            .log
            .once(call, async |effect| {
                let slot = effect.slot(ItemId(0)).await;
                let before = effect.last_attempt().map_or(0, |last| last.attempt);
                for attempt in before + 1..=2 {
                    slot.put(vec![(format!("c{attempt}"), Some(vec![9; 100]))]).await?;
                    let busy = Fault::new(FaultCode::FtpBusy, "the server is busy");
                    effect.attempt_failed(attempt, &busy, Timestamp(5)).await?;
                }
                Ok(effect.last_attempt().map_or(0, |last| last.attempt) + 1)
            })
            .await?;
        self.saw(format!("attempts {attempts}"));
        Ok(())
    }

    /// An effect that can't be looked at.
    async fn notify(&mut self) -> Result<(), Halt> {
        let world = self.world;
        let call = Call { kind: "notify", args: &(), label: None, recovery: Recovery::AtMostOnce };
        let result: Result<(), Fault> = self
            .log
            .once(call, async |effect| {
                if effect.in_doubt().is_some() {
                    let fault = Fault::new(FaultCode::RunIndeterminate, "it may have been sent");
                    effect.mark_fault(&fault.code);
                    return Ok(Err(fault));
                }
                world.inner().effects.push("notify".to_owned());
                Ok(Ok(()))
            })
            .await?;
        self.saw(format!("notified {}", result.is_ok()));
        Ok(())
    }
}
