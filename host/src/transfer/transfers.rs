//! The handle through which everything on a site is done.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;

use super::local::{Finished, Finishing, Group, LocalFile, Placed, Placing, finish_all, place_all};
use super::log::TransferLog;
use super::options::Options;
use super::part::PartName;
use super::pool::{Lane, Lease, Member, Pool, ServerView, Want};
use super::remote::{Connect, Remote};
use super::stop::Stop;
use super::throttle::{Bucket, Limits, Throttle};
use super::watch::Watch;
use crate::clock::Clock;
use crate::model::{Fault, RateLimit, RemotePath, RetryPolicy, RunId, Site, TransferOptions};

/// Moves files, and looks at and changes what is on sites. Cheap to clone; all clones share one pool
/// of sessions.
#[derive(Clone)]
pub struct Transfers {
    inner: Arc<Inner>,
    /// What all through this handle and its clones have together.
    shared: Option<Arc<Bucket>>,
    /// The run whose turn it counts as when sessions are short.
    lane: Lane,
}

struct Inner {
    pool: Pool,
    clock: Arc<dyn Clock>,
    options: Options,
    limits: Limits,
    finishing: Group<Finishing, Finished>,
    placing: Group<Placing, Placed>,
    /// The state of a splitmix64 generator, for jitter only.
    dice: AtomicU64,
}

/// One file to move, and where what happens is kept and told.
pub struct Job<'a> {
    /// Where the remote side is.
    pub site: Arc<Site>,
    /// The remote file.
    pub remote: RemotePath,
    /// The local file.
    pub local: LocalFile,
    /// How it is to be moved.
    pub options: TransferOptions,
    /// Whose part the unfinished file is.
    pub part: PartName,
    /// Where the transfer keeps what must survive a crash. A job that is started again with the same
    /// log goes on where the log says; a log serves one job only.
    pub log: Arc<dyn TransferLog>,
    /// Who is told how it goes.
    pub watch: &'a dyn Watch,
    /// What stops it early.
    pub stop: Stop,
}

/// What all transfers of one file have in common, whatever is at their other end.
pub struct Errand<'a> {
    /// Where the remote side is; for a copy, where the target is.
    pub site: Arc<Site>,
    /// The remote file; for a copy, the target.
    pub remote: RemotePath,
    /// How it is to be moved.
    pub options: TransferOptions,
    /// Whose part the unfinished file is.
    pub part: PartName,
    /// Where the transfer keeps what must survive a crash; see [`Job::log`].
    pub log: Arc<dyn TransferLog>,
    /// Who is told how it goes.
    pub watch: &'a dyn Watch,
    /// What stops it early.
    pub stop: Stop,
}

impl<'a> Errand<'a> {
    /// The same, between the site and a local file.
    #[must_use]
    pub fn with(self, local: LocalFile) -> Job<'a> {
        let Self { site, remote, options, part, log, watch, stop } = self;
        Job { site, remote, local, options, part, log, watch, stop }
    }
}

impl<'a> Job<'a> {
    /// The errand, and the local file that it is about.
    pub(super) fn split(self) -> (Errand<'a>, LocalFile) {
        let Self { site, remote, local, options, part, log, watch, stop } = self;
        (Errand { site, remote, options, part, log, watch, stop }, local)
    }
}

impl Transfers {
    /// Transfers over sessions that `connect` makes. No connection is opened yet.
    #[must_use]
    pub fn new(connect: Arc<dyn Connect>, clock: Arc<dyn Clock>, options: Options) -> Self {
        let mut seed = [0; 8];
        // Jitter that everybody could foresee would still be jitter.
        let _ = getrandom::fill(&mut seed);
        let seed = u64::from_le_bytes(seed);
        let pool = Pool::new(connect, clock.clone(), &options, seed);
        let dice = AtomicU64::new(seed);
        let limits = Limits::new(options.rate.as_ref());
        let (finishing, placing) = (Group::new(finish_all), Group::new(place_all));
        let inner = Inner { pool, clock, options, limits, finishing, placing, dice };
        Self { inner: Arc::new(inner), shared: None, lane: None }
    }

    /// The same, where all that is moved through this handle and its clones has at most so many bytes per
    /// second together, both ways; the other limits hold as before.
    #[must_use]
    pub fn limited_to(&self, bytes_per_second: u64) -> Self {
        let bucket = Bucket::new(RateLimit::Fixed(bytes_per_second));
        Self { shared: Some(Arc::new(bucket)), ..self.clone() }
    }

    /// The same transfers in the hands of a run: where sessions are short, runs get them in turn.
    #[must_use]
    pub fn of_run(&self, run: &RunId) -> Self {
        Self { lane: Some(run.clone()), ..self.clone() }
    }

    /// How the sessions with each server of a site stand.
    #[must_use]
    pub fn servers(&self, site: &Site) -> Vec<ServerView> {
        self.inner.pool.view(site)
    }

    /// Says QUIT on all sessions that aren't in use; for the end of the process.
    pub async fn close(&self) {
        self.inner.pool.close_idle().await;
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.inner.clock
    }

    pub(super) fn options(&self) -> &Options {
        &self.inner.options
    }

    /// All limits on bytes per second that hold for an errand.
    pub(super) fn throttle(&self, job: &Errand<'_>) -> Throttle {
        self.inner.limits.of(&job.site, self.shared.as_ref(), job.options.rate_limit)
    }

    /// Those that hold for whatever is read from a site to be sent to another one: the copy's own limit
    /// holds for what is sent, and that is as much.
    pub(super) fn throttle_of_source(&self, site: &Site) -> Throttle {
        self.inner.limits.of(site, None, None)
    }

    /// Makes complete parts durable, many at a time.
    pub(super) fn finishing(&self) -> &Group<Finishing, Finished> {
        &self.inner.finishing
    }

    /// Gives complete parts their names, many at a time.
    pub(super) fn placing(&self) -> &Group<Placing, Placed> {
        &self.inner.placing
    }

    /// A session of this site; see [`Pool::lease`].
    pub(super) async fn lease(&self, site: &Site, want: &Want<'_>) -> Result<Lease, Fault> {
        self.inner.pool.lease(site, &self.lane, want).await
    }

    /// One of the servers of a site that has several.
    pub(super) fn member(&self, site: &Site, server: &str) -> Option<Member> {
        self.inner.pool.member(site, server)
    }

    /// The wait after the `failed`-th failure in a row, or `None` when `fault` is final or the
    /// attempts are used up.
    pub(super) fn backoff(
        &self,
        policy: &RetryPolicy,
        fault: &Fault,
        failed: u32,
        elapsed: Duration,
        previous: Duration,
    ) -> Option<Duration> {
        if !fault.is_transient() || policy.non_retryable.iter().any(|code| code == fault.code.as_str()) {
            return None;
        }
        let wait = policy.delay(failed, elapsed, previous, self.roll())?;
        Some(wait.max(Duration::from_millis(fault.retry_after_ms.unwrap_or(0))))
    }

    /// A number that is uniform in 0..=u32::MAX (splitmix64; Steele, Lea, Flood 2014).
    fn roll(&self) -> u32 {
        let mut z = self.inner.dice.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        u32::try_from((z ^ (z >> 31)) >> 32).unwrap_or(0)
    }

    /// Does what is safe to repeat, on a session of its own each time, as often as the site's policy
    /// says.
    pub(super) async fn repeat<T, F>(&self, site: &Site, path: &RemotePath, work: F) -> Result<T, Fault>
    where
        F: for<'s> FnMut(&'s mut dyn Remote) -> BoxFuture<'s, Result<T, Fault>>,
    {
        Ok(self.repeat_somewhere(site, path, work).await?.0)
    }

    /// As [`Transfers::repeat`]; also gives the server where it was done, of a site with several.
    pub(super) async fn repeat_somewhere<T, F>(
        &self,
        site: &Site,
        path: &RemotePath,
        mut work: F,
    ) -> Result<(T, Option<Arc<str>>), Fault>
    where
        F: for<'s> FnMut(&'s mut dyn Remote) -> BoxFuture<'s, Result<T, Fault>>,
    {
        let start = self.clock().monotonic();
        let (mut failed, mut previous) = (0, Duration::ZERO);
        loop {
            let mut fault = match self.once(site, &Want::path(path), &mut work).await {
                Ok(done) => return Ok(done),
                Err(fault) => fault,
            };
            failed += 1;
            let elapsed = self.clock().monotonic().saturating_sub(start);
            let Some(wait) = self.backoff(&site.retry, &fault, failed, elapsed, previous) else {
                fault.attempts = failed;
                return Err(fault);
            };
            previous = wait;
            self.clock().sleep(wait).await;
        }
    }

    /// Does something once, on a leased session; also gives its server, of a site with several.
    pub(super) async fn once<T, F>(
        &self,
        site: &Site,
        want: &Want<'_>,
        mut work: F,
    ) -> Result<(T, Option<Arc<str>>), Fault>
    where
        F: for<'s> FnMut(&'s mut dyn Remote) -> BoxFuture<'s, Result<T, Fault>>,
    {
        let mut lease = self.lease(site, want).await?;
        let result = work(&mut *lease).await;
        let server = lease.server().cloned();
        lease.after(&result);
        Ok((result?, server))
    }
}

impl fmt::Debug for Transfers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfers").field("options", &self.inner.options).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::SiteFile;

    /// Transfers run as tasks of a runtime with several threads: this holds when it compiles.
    fn send<T: Future + Send>(future: T) -> T {
        future
    }

    #[expect(dead_code, reason = "compiling it is the test")]
    async fn futures_of_transfers_are_send(
        transfers: &Transfers,
        (down, up): (Job<'_>, Job<'_>),
        (copy, from): (Errand<'_>, SiteFile),
    ) {
        let _ = send(transfers.download(down)).await;
        let _ = send(transfers.upload(up)).await;
        let _ = send(transfers.copy(copy, from)).await;
    }
}
