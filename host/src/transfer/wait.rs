//! Waiting for a file that somebody else puts on a site.
//!
//! What is known so far is kept in a log: when the wait ends, and since when the file has stood as it is.
//! So whoever goes on after a crash waits only for the rest.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::log::TransferLog;
use super::pool::Want;
use super::record::{Writes, compact};
use super::stop::Stop;
use super::transfers::Transfers;
use crate::clock::Clock;
use crate::model::{Fault, FileInfo, FileKind, RemotePath, Site, Timestamp};

/// How often is looked at most and at least.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// How soon a server that couldn't be asked is asked again, at the earliest.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// How long the file must have kept its size and time.
    pub settle: Duration,
    /// How long is waited at most, from the first process on.
    pub timeout: Duration,
}

/// What a log holds of a wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waiting {
    /// When the wait ends.
    due: Timestamp,
    /// The file as it stands, and since when it was seen so.
    kept: Option<(FileInfo, Timestamp)>,
}

impl Transfers {
    /// Waits until a file is there and has kept its size and time for as long as `wait` says; `None` when it
    /// hasn't at the end of its timeout. Transient faults on the way are waited over. A wait that is begun
    /// again with the same log goes on with the rest; a log serves one wait only.
    ///
    /// # Errors
    /// `run.interrupted`, `run.cancelled`; any `ftp.*` fault that isn't transient.
    pub async fn wait_for(
        &self,
        site: &Site,
        path: &RemotePath,
        wait: Wait,
        log: &dyn TransferLog,
        stop: &Stop,
    ) -> Result<Option<FileInfo>, Fault> {
        let clock = Measured::from(self.clock());
        let mut waiting = match Waiting::load(log).await? {
            Some(waiting) => waiting,
            None => Waiting::begin(clock.now(), wait.timeout, log).await?,
        };
        let every = (wait.settle / 2).clamp(LOOK_EVERY.0, LOOK_EVERY.1);
        loop {
            let want = Want::path(path);
            let look = self.once(site, &want, |session| {
                let path = path.clone();
                Box::pin(async move { session.stat(&path).await })
            });
            let mut pause = every;
            match stop.unless(look).await {
                Ok((found, _)) => {
                    let found = found.filter(|info| info.kind == FileKind::File);
                    let since = waiting.note(found.as_ref(), clock.now(), log).await?;
                    let kept = since.map(|since| span(since, clock.now()));
                    if kept.is_some_and(|kept| kept >= wait.settle) {
                        return Ok(found);
                    }
                    pause = kept.map_or(pause, |kept| pause.min(wait.settle - kept));
                }
                // It may have stood still all the while.
                Err(fault) if fault.is_transient() => pause = pause.max(ASK_AGAIN),
                Err(fault) => return Err(fault),
            }
            let left = span(clock.now(), waiting.due);
            if left.is_zero() {
                return Ok(None);
            }
            let pause = pause.min(left).max(Duration::from_millis(1));
            let sleep = async {
                self.clock().sleep(pause).await;
                Ok(())
            };
            stop.unless(sleep).await?;
        }
    }
}

impl Waiting {
    async fn begin(now: Timestamp, timeout: Duration, log: &dyn TransferLog) -> Result<Self, Fault> {
        let timeout = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let waiting = Self { due: Timestamp(now.0.saturating_add(timeout)), kept: None };
        Writes::default().waiting(&waiting)?.commit(log).await?;
        Ok(waiting)
    }

    /// Takes note of what was found, durably where it is another than before. Gives since when it is there.
    async fn note(
        &mut self,
        found: Option<&FileInfo>,
        now: Timestamp,
        log: &dyn TransferLog,
    ) -> Result<Option<Timestamp>, Fault> {
        let found = found.map(compact);
        if self.kept.as_ref().map(|(file, _)| file) != found.as_ref() {
            self.kept = found.map(|file| (file, now));
            Writes::default().waiting(self)?.commit(log).await?;
        }
        Ok(self.kept.as_ref().map(|(_, since)| *since))
    }
}

/// The time of day when the wait began here, and what has passed since by a clock that nobody sets.
struct Measured<'a> {
    clock: &'a dyn Clock,
    began: Timestamp,
    start: Duration,
}

impl<'a> Measured<'a> {
    fn from(clock: &'a dyn Clock) -> Self {
        Self { clock, began: clock.now(), start: clock.monotonic() }
    }

    fn now(&self) -> Timestamp {
        let passed = self.clock.monotonic().saturating_sub(self.start);
        Timestamp(self.began.0.saturating_add(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)))
    }
}

fn span(from: Timestamp, to: Timestamp) -> Duration {
    Duration::from_millis(to.0.saturating_sub(from.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FaultCode;
    use crate::transfer::MemoryLog;
    use crate::transfer::fake::Rig;

    const WAIT: Wait = Wait { settle: Duration::from_secs(5), timeout: Duration::from_secs(60) };

    fn file() -> RemotePath {
        RemotePath::parse("a").unwrap()
    }

    #[tokio::test]
    async fn it_ends_when_a_file_has_settled_or_time_is_up() {
        let rig = Rig::new();
        let (transfers, stop) = (rig.transfers(), Stop::new());
        let before = rig.slept().iter().sum::<Duration>();
        let waited = transfers.wait_for(&rig.site, &file(), WAIT, &MemoryLog::default(), &stop).await;
        assert_eq!(waited.unwrap(), None);
        assert_eq!(rig.slept().iter().sum::<Duration>() - before, WAIT.timeout);
        rig.server.put("a", b"there");
        let waited = transfers.wait_for(&rig.site, &file(), WAIT, &MemoryLog::default(), &stop).await;
        assert_eq!(waited.unwrap().unwrap().size.unwrap().0, 5);
        assert_eq!(rig.slept().iter().sum::<Duration>() - before, WAIT.timeout + WAIT.settle);
        stop.interrupt();
        let waited = transfers.wait_for(&rig.site, &file(), WAIT, &MemoryLog::default(), &stop).await;
        assert_eq!(waited.unwrap_err().code, FaultCode::RunInterrupted);
    }

    /// Time that passed while no process waited counts for both.
    #[tokio::test]
    async fn a_wait_that_is_begun_again_goes_on_with_the_rest() {
        let rig = Rig::new();
        let stop = Stop::new();
        stop.interrupt();
        let interrupted =
            rig.transfers().wait_for(&rig.site, &file(), WAIT, &*rig.log, &stop).await.unwrap_err();
        assert_eq!(interrupted.code, FaultCode::RunInterrupted);
        rig.pass(Duration::from_secs(50)).await;
        let before = rig.slept().iter().sum::<Duration>();
        let again = rig.transfers();
        assert_eq!(again.wait_for(&rig.site, &file(), WAIT, &*rig.log, &Stop::new()).await.unwrap(), None);
        assert_eq!(rig.slept().iter().sum::<Duration>() - before, Duration::from_secs(10));
    }

    #[tokio::test]
    async fn a_file_that_stood_still_all_the_while_is_settled_at_once() {
        let rig = Rig::new();
        rig.server.put("a", b"there");
        let (transfers, stop) = (rig.transfers(), Stop::new());
        let found = transfers.stat(&rig.site, &file()).await.unwrap().unwrap();
        let clock = Measured::from(transfers.clock());
        let mut killed = Waiting::begin(clock.now(), WAIT.timeout, &*rig.log).await.unwrap();
        killed.note(Some(&found), clock.now(), &*rig.log).await.unwrap();
        rig.pass(WAIT.settle).await;
        let before = rig.slept().len();
        assert!(transfers.wait_for(&rig.site, &file(), WAIT, &*rig.log, &stop).await.unwrap().is_some());
        assert_eq!(rig.slept().len(), before, "it needs no further wait");
    }
}
