//! The copy loop of a download.
//!
//! One task does it all, so that nothing goes on when it is dropped: it reads from the session, hands
//! over to the [`Sink`], and has at most one commit under way meanwhile. A commit begins when a quarter
//! of [`Options::commit_bytes`](crate::transfer::Options) has come since the last, and reading pauses
//! when five eighths have: so what has come and isn't committed stays within bounds, and a disk that is
//! slow for a moment doesn't hold the network up.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};

use super::sink::{Mark, Sink};
use crate::clock::Clock;
use crate::crash;
use crate::model::{ByteCount, Fault, FaultCode};
use crate::transfer::course::Course;
use crate::transfer::local::blocking;
use crate::transfer::options::{Options, READ_BYTES_MAX};
use crate::transfer::record::{Header, Writes};
use crate::transfer::remote::Remote;
use crate::transfer::stop::StopKind;
use crate::transfer::throttle::Throttle;
use crate::transfer::transfers::Errand;

/// Why the loop ended.
#[derive(Debug)]
pub(super) enum End {
    /// The data connection ended; the final reply hasn't been read.
    Eof,
    /// The file has more bytes than `limit`; the connection is still open.
    Over,
    /// The first bytes aren't those on disk.
    Differs,
    /// The connection failed.
    Lost(Fault),
    /// The disk or the log failed: not to be tried again.
    Local(Fault),
    /// Somebody stopped it.
    Stopped(StopKind),
}

/// What a receiving loop needs besides the session and the sink.
pub(super) struct Receive<'r> {
    pub(super) job: &'r Errand<'r>,
    pub(super) clock: &'r dyn Clock,
    pub(super) options: &'r Options,
    pub(super) throttle: &'r mut Throttle,
    /// What is on disk between the offset at which RETR began and the committed one.
    pub(super) overlap: Bytes,
    /// The generation, where the log doesn't have it yet: no offset may be committed without the source
    /// that it is an offset in.
    pub(super) header: Option<Header>,
    /// The committed offset.
    pub(super) committed: u64,
    /// The length of the file, for progress.
    pub(super) total: Option<u64>,
    /// The offset after which no byte is wanted.
    pub(super) limit: Option<u64>,
}

type Commit = BoxFuture<'static, Result<u64, Fault>>;

impl Receive<'_> {
    /// Receives until the end, whatever that is. When it returns no commit is under way, and all
    /// bytes that count have been handed to the sink.
    pub(super) async fn run(mut self, session: &mut dyn Remote, sink: &Sink, course: &mut Course<'_>) -> End {
        let most = self.options.uncommitted_max();
        let (begun, idle) = (self.clock.monotonic(), self.options.commit_interval / 2);
        let mut received = self.committed;
        let mut slot: Option<Bytes> = None;
        let mut commit: Option<Commit> = None;
        let mut oldest = begun;
        let mut blocked_until: Option<Duration> = None;
        let mut reported = begun;
        let mut stopped = pin!(self.job.stop.stopped());
        // The session travels through the stream, so that a read under way survives each `select!`.
        let step = AtomicUsize::new(self.throttle.step(self.clock));
        let mut incoming = pin!(stream::unfold(session, |session| async {
            session.read_at_most(step.load(Ordering::Relaxed));
            Some((session.read().await, session))
        }));
        let mut tick = self.clock.sleep(idle);

        let end = loop {
            let uncommitted = received - self.committed;
            let may_read = slot.is_none() && blocked_until.is_none() && uncommitted + READ_BYTES_MAX <= most;
            tokio::select! {
                biased;
                kind = &mut stopped => break End::Stopped(kind),
                done = wait(&mut commit), if commit.is_some() => {
                    commit = None;
                    match done {
                        Ok(offset) => self.committed = offset,
                        Err(fault) => break End::Local(fault),
                    }
                }
                alive = sink.take(&mut slot), if slot.is_some() => {
                    if !alive {
                        break End::Local(Fault::new(FaultCode::FileIo, "the writer ended"));
                    }
                }
                item = incoming.next(), if may_read => {
                    let bytes = match item {
                        Some(Ok(Some(bytes))) => bytes,
                        Some(Ok(None)) | None => break End::Eof,
                        Some(Err(fault)) => break End::Lost(fault),
                    };
                    let now = self.clock.monotonic();
                    course.moved(u64::try_from(bytes.len()).unwrap_or(0));
                    blocked_until = self.throttle.pass(bytes.len(), self.clock);
                    step.store(self.throttle.step(self.clock), Ordering::Relaxed);
                    let Some(mut bytes) = self.compare(bytes) else {
                        break End::Differs;
                    };
                    let over = self.limit.is_some_and(|limit| {
                        let room = limit.saturating_sub(received);
                        let over = u64::try_from(bytes.len()).unwrap_or(u64::MAX) > room;
                        if over {
                            bytes.truncate(usize::try_from(room).unwrap_or(0));
                        }
                        over
                    });
                    if uncommitted == 0 {
                        oldest = now;
                    }
                    received += u64::try_from(bytes.len()).unwrap_or(0);
                    slot = (!bytes.is_empty()).then_some(bytes);
                    if over {
                        break End::Over;
                    }
                    if now.saturating_sub(reported) >= self.options.progress_interval {
                        reported = now;
                        self.job.watch.progress(ByteCount(received), self.total.map(ByteCount));
                    }
                    if let Some(most) = self.job.site.limits.transfer
                        && now.saturating_sub(begun) > most
                    {
                        let why = format!("not done after {} s", most.as_secs());
                        break End::Lost(Fault::new(FaultCode::FtpTimeout, why));
                    }
                }
                () = &mut tick => tick = self.clock.sleep(idle),
                () = self.clock.sleep(blocked_until.unwrap_or_default().saturating_sub(self.clock.monotonic())),
                    if blocked_until.is_some() => blocked_until = self.throttle.blocked(self.clock),
            }
            let uncommitted = received - self.committed;
            let due = uncommitted >= self.options.commit_after()
                || (uncommitted > 0 && self.clock.monotonic().saturating_sub(oldest) >= idle);
            if due && commit.is_none() && slot.is_none() {
                oldest = self.clock.monotonic();
                commit = Some(self.commit(sink, course));
            }
        };
        self.settle(end, slot, commit, sink).await
    }

    /// Compares what comes first with what is on disk, and gives what follows; `None` when it differs.
    fn compare(&mut self, mut bytes: Bytes) -> Option<Bytes> {
        let length = self.overlap.len().min(bytes.len());
        let (again, before) = (bytes.split_to(length), self.overlap.split_to(length));
        (again == before).then_some(bytes)
    }

    /// A commit of everything that the sink has been given: data first, then the log.
    fn commit(&self, sink: &Sink, course: &Course<'_>) -> Commit {
        let (log, part, orders) = (self.job.log.clone(), sink.part().clone(), sink.orders());
        let (attempts, header) = (course.attempts, self.header.clone());
        Box::pin(async move {
            let Some(Mark { state, chunks }) = Sink::mark(orders).await else {
                return Err(Fault::new(FaultCode::FileIo, "the writer ended"));
            };
            blocking(move || part.sync()).await?;
            let offset = state.length;
            let mut writes = Writes::default().attempts(&attempts)?.tail(state)?;
            if let Some(header) = &header {
                writes = writes.header(header)?;
            }
            for chunk in &chunks {
                writes = writes.chunk(chunk)?;
            }
            crash::point("download.commit");
            writes.commit(&*log).await?;
            crash::point("download.committed");
            Ok(offset)
        })
    }

    /// Hands over what is left and waits for the commit under way.
    async fn settle(self, end: End, mut slot: Option<Bytes>, mut commit: Option<Commit>, sink: &Sink) -> End {
        if slot.is_some() && !matches!(end, End::Local(_)) {
            sink.take(&mut slot).await;
        }
        match wait(&mut commit).await {
            Err(fault) if !matches!(end, End::Local(_)) => End::Local(fault),
            _ => end,
        }
    }
}

/// The end of the commit under way, if there is one.
async fn wait(commit: &mut Option<Commit>) -> Result<u64, Fault> {
    match commit {
        Some(commit) => commit.await,
        None => Ok(0),
    }
}
