//! A download from its first attempt to its end.

use std::sync::Arc;

use super::finish::Verified;
use super::sink::Mark;
use crate::model::{Digest, Direction, Fault, FaultCode, FileInfo, Receipt};
use crate::transfer::course::{Course, Trouble};
use crate::transfer::local::{LocalFile, PartFile, blocking};
use crate::transfer::policy;
use crate::transfer::pool::Member;
use crate::transfer::record::{Header, Saved, Tail, Whereabouts, Writes, compact};
use crate::transfer::remote::Features;
use crate::transfer::throttle::Throttle;
use crate::transfer::transfers::{Errand, Job, Transfers};

/// A download under way.
pub(super) struct Download<'j> {
    pub(super) transfers: &'j Transfers,
    pub(super) job: &'j Errand<'j>,
    /// The target.
    pub(super) local: LocalFile,
    pub(super) course: Course<'j>,
    pub(super) throttle: Throttle,
    /// The generation; `None` before the first.
    pub(super) header: Option<Header>,
    /// Whether the log has `header` as it is here.
    pub(super) header_committed: bool,
    /// The committed offset and the state there.
    pub(super) tail: Option<Tail>,
    /// Of a site with several servers: where the bytes are from.
    pub(super) whereabouts: Whereabouts,
    /// The server of the session that this attempt began with, of a site with several.
    pub(super) met: Option<Member>,
    /// What the source's sidecar says.
    pub(super) sidecar: Option<Digest>,
    /// What the part holds beyond what is committed.
    pub(super) pending: Option<(Arc<PartFile>, Mark)>,
}

impl Transfers {
    /// Fetches a file: into a part beside its target, verified, and renamed once. Goes on where an
    /// earlier process, or an earlier attempt, left off.
    ///
    /// # Errors
    /// Any `ftp.*`, `file.*` or `verify.*` fault, once the attempts are used up or when no further
    /// attempt could help; then no part is left, unless the retry policy says that the run is paused, or
    /// room has to be made first.
    /// `run.interrupted` and `run.cancelled` when it was stopped; `run.indeterminate` when a crash
    /// left it open whether the file was put in its place, and somebody has moved it since.
    pub async fn download(&self, job: Job<'_>) -> Result<Receipt, Fault> {
        let (job, local) = job.split();
        let saved = Saved::<Verified>::load(&*job.log).await?;
        let mut download = Download {
            transfers: self,
            job: &job,
            local,
            course: Course::new(self, &job, saved.attempts),
            throttle: self.throttle(&job),
            header_committed: saved.header.is_some(),
            header: saved.header,
            tail: saved.tail,
            whereabouts: saved.whereabouts,
            met: None,
            sidecar: None,
            pending: None,
        };
        download.count_what_a_crash_left();
        let result = match saved.verified {
            Some(verified) => download.conclude(verified).await,
            None => download.run().await,
        };
        match &result {
            Err(fault) if download.course.keeps(fault) => {}
            _ => download.remove_parts(result.is_err()).await,
        }
        result
    }
}

impl Download<'_> {
    async fn run(&mut self) -> Result<Receipt, Fault> {
        loop {
            self.course.begin().await?;
            let before = self.committed();
            let trouble = match self.attempt().await {
                Ok(receipt) => return Ok(receipt),
                Err(trouble) => trouble,
            };
            let further = || self.reached().saturating_sub(before) >= self.transfers.options().commit_after();
            match trouble {
                Trouble::Fault(fault) => {
                    if let Some(server) = &self.met {
                        server.lost(&fault);
                    }
                    let further = further();
                    let writes = self.settle().await?;
                    self.course.failed(fault, further, writes).await?;
                }
                Trouble::Discard(fault) => {
                    let writes = self.new_generation().await?;
                    self.course.failed(fault, false, writes).await?;
                }
                Trouble::Restart(fault) => {
                    let writes = self.new_generation().await?;
                    writes.attempts(&self.course.attempts)?.commit(&*self.job.log).await?;
                    self.job.watch.retry(self.course.attempts.begun, &fault, std::time::Duration::ZERO);
                }
                Trouble::GoOn => {
                    self.settle().await?.attempts(&self.course.attempts)?.commit(&*self.job.log).await?;
                }
            }
        }
    }

    /// The committed offset.
    pub(super) fn committed(&self) -> u64 {
        self.tail.as_ref().map_or(0, |tail| tail.state.length)
    }

    /// How far it has come, committed or not.
    fn reached(&self) -> u64 {
        self.pending.as_ref().map_or(self.committed(), |(_, mark)| mark.state.length)
    }

    /// An attempt that a crash ended may have received as much as it ever may without a commit.
    fn count_what_a_crash_left(&mut self) {
        if !std::mem::take(&mut self.course.attempts.open) {
            return;
        }
        let total = self.header.as_ref().and_then(|header| header.source.size);
        let left = total.map_or(u64::MAX, |total| total.0.saturating_sub(self.committed()));
        self.course.moved(left.min(self.transfers.options().uncommitted_max()));
    }

    /// The first generation, of `source`. It isn't in the log yet.
    pub(super) fn first_generation(&mut self, source: &FileInfo, features: &Features) {
        self.header_committed = false;
        self.header = Some(Header {
            direction: Direction::Download,
            generation: 1,
            stale: Vec::new(),
            source: compact(source),
            identity: None,
            algorithms: policy::algorithms(&self.job.options, features),
            refuted: 0,
            may_send: 0,
            appending: false,
        });
    }

    /// Begins again from byte 0, under a new name; the old part is removed once the log knows.
    async fn new_generation(&mut self) -> Result<Writes, Fault> {
        self.pending = None;
        self.tail = None;
        let Some(header) = &mut self.header else {
            return Ok(Writes::default());
        };
        header.generation += 1;
        // What the source is now, the next attempt finds out.
        header.source.size = None;
        header.source.modified = None;
        header.source.unique = None;
        let writes = Writes::default().forget_generation(&*self.job.log).await?.header(header)?;
        let writes = writes.whereabouts(&self.whereabouts)?;
        self.header_committed = true;
        Ok(writes)
    }

    /// Makes what has come so far safe; the writes that are given back commit it.
    async fn settle(&mut self) -> Result<Writes, Fault> {
        let mut writes = Writes::default();
        if let Some(header) = &self.header
            && !self.header_committed
        {
            writes = writes.header(header)?.whereabouts(&self.whereabouts)?;
            self.header_committed = true;
        }
        let Some((part, Mark { state, chunks })) = self.pending.take() else {
            return Ok(writes);
        };
        blocking(move || part.sync()).await?;
        for chunk in &chunks {
            writes = writes.chunk(chunk)?;
        }
        self.tail = Some(Tail { state: state.clone() });
        writes.tail(state)
    }

    /// Where a generation's unfinished file is: the target itself for a direct transfer.
    pub(super) fn part_of(&self, generation: u32) -> LocalFile {
        if self.job.options.direct {
            return self.local.clone();
        }
        self.local.sibling(&self.job.part.of(self.local.name(), generation))
    }

    /// Removes what generations left behind: those before the last, and with `last` that one too. A
    /// failure doesn't change the outcome of the transfer.
    async fn remove_parts(&mut self, last: bool) {
        self.pending = None;
        let generation = self.header.as_ref().map_or(1, |header| header.generation);
        let end = if last { generation + 1 } else { generation };
        if self.job.options.direct || end == 1 {
            return;
        }
        let parts: Vec<_> = (1..end).map(|generation| self.part_of(generation)).collect();
        let removed = blocking(move || {
            for part in parts {
                part.remove_now()?;
            }
            Ok(())
        });
        if let Err(fault) = removed.await {
            tracing::warn!(%fault, "a part couldn't be removed");
        }
    }

    /// Removes all parts of a transfer that leaves its target alone.
    pub(super) async fn remove_own_part(&mut self) {
        self.remove_parts(true).await;
    }

    /// The target is there, and may not be replaced.
    pub(super) fn taken(&self) -> Fault {
        Fault::new(FaultCode::FileExists, format!("{} exists", self.local))
    }
}
