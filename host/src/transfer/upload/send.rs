//! The copy loop of an upload.
//!
//! One task does it all, so that nothing goes on when it is dropped. No byte goes out before the log
//! says that it may have: `may_send` is moved on in commits that run while earlier bytes are sent.

use std::pin::pin;
use std::time::Duration;

use futures::future::BoxFuture;

use super::feed::{Feed, Item};
use crate::clock::Clock;
use crate::crash;
use crate::model::{ByteCount, Fault, FaultCode};
use crate::transfer::course::Course;
use crate::transfer::hash::HashState;
use crate::transfer::options::Options;
use crate::transfer::record::{Header, Writes};
use crate::transfer::remote::Remote;
use crate::transfer::stop::StopKind;
use crate::transfer::throttle::Throttle;
use crate::transfer::transfers::Errand;

/// Why the loop ended.
#[derive(Debug)]
pub(super) enum End {
    /// Everything was sent; the final reply hasn't been read.
    Sent,
    /// The connection failed; the server may have said why.
    Lost(Fault),
    /// The log failed: not to be tried again.
    Local(Fault),
    /// Somebody stopped it.
    Stopped(StopKind),
}

/// What a sending loop needs besides the session and the feed.
pub(super) struct Send<'r> {
    pub(super) job: &'r Errand<'r>,
    pub(super) clock: &'r dyn Clock,
    pub(super) options: &'r Options,
    pub(super) throttle: &'r mut Throttle,
    /// The generation; its `may_send` is moved on.
    pub(super) header: &'r mut Header,
    /// States at the ends of chunks that aren't in the log yet.
    pub(super) chunks: &'r mut Vec<HashState>,
    /// Where sending begins.
    pub(super) from: u64,
    /// The length of the file, for progress and as the end of `may_send`; `None` when it is followed.
    pub(super) limit: Option<u64>,
}

/// How far bytes may go out ahead of those that have: half a window, since as much may lie in buffers
/// on the way when a kill comes; where that is gone before a commit is done, what goes out in an eighth
/// of a second, up to four windows. A kill costs no more for it, since the server knows how much it
/// has; only what the receipt says was sent again may be so much too high.
fn ahead(options: &Options, sent: u64, time: Duration) -> u64 {
    let millis = time.as_millis().max(1);
    let eighth = u64::try_from(u128::from(sent) * 125 / millis).unwrap_or(u64::MAX);
    eighth.clamp(options.window() / 2, options.window() * 4)
}

/// Up to where bytes may go out when an attempt begins at `at`.
pub(super) fn first_reserve(options: &Options, at: u64, limit: Option<u64>) -> u64 {
    at.saturating_add(options.window() / 2).min(limit.unwrap_or(u64::MAX))
}

type Commit = BoxFuture<'static, Result<u64, Fault>>;

impl Send<'_> {
    /// Sends until the feed ends, or something else does. When it returns no commit is under way.
    pub(super) async fn run(
        mut self,
        session: &mut dyn Remote,
        feed: &mut Feed,
        course: &mut Course<'_>,
    ) -> End {
        let begun = self.clock.monotonic();
        let mut sent = self.from;
        let mut ahead = ahead(self.options, 0, Duration::ZERO);
        let mut idle = Some(session);
        let mut writing = None;
        // What is to be sent next, and how much of it went out already: a limit cuts it into pieces.
        let mut slot: Option<(Item, usize)> = None;
        let mut commit: Option<Commit> = None;
        let mut blocked_until: Option<Duration> = None;
        let mut reported = begun;
        let mut stopped = pin!(self.job.stop.stopped());

        let end = loop {
            let fits = |slot: &(Item, usize)| sent + left(slot) <= self.header.may_send;
            if blocked_until.is_none()
                && slot.as_ref().is_some_and(fits)
                && let Some(session) = idle.take()
                && let Some((item, from)) = slot.take()
            {
                let to = item.bytes().len().min(from + self.throttle.step(self.clock));
                // Counted before it goes out.
                course.moved(count(to - from));
                writing = Some(Box::pin(async move {
                    let written = session.write(&item.bytes()[from..to]).await;
                    (session, item, from..to, written)
                }));
            }
            let wanted = slot.as_ref().map_or(0, left);
            let low = self.header.may_send.saturating_sub(sent + wanted) < ahead / 2;
            if low && commit.is_none() && self.limit.is_none_or(|limit| self.header.may_send < limit) {
                commit = Some(self.commit(sent, wanted, ahead, course));
            }
            tokio::select! {
                biased;
                kind = &mut stopped => break End::Stopped(kind),
                done = poll_option(&mut commit), if commit.is_some() => {
                    commit = None;
                    match done {
                        Ok(may_send) => self.header.may_send = may_send,
                        Err(fault) => break End::Local(fault),
                    }
                }
                (session, item, piece, written) = poll_option(&mut writing), if writing.is_some() => {
                    writing = None;
                    idle = Some(session);
                    let now = self.clock.monotonic();
                    blocked_until = self.throttle.pass(piece.len(), self.clock);
                    sent += count(piece.len());
                    ahead = self::ahead(self.options, sent - self.from, now.saturating_sub(begun));
                    if let Err(fault) = written {
                        break End::Lost(fault);
                    }
                    match piece.end < item.bytes().len() {
                        true => slot = Some((item, piece.end)),
                        false => feed.give_back(item),
                    }
                    if now.saturating_sub(reported) >= self.options.progress_interval {
                        reported = now;
                        self.job.watch.progress(ByteCount(sent), self.limit.map(ByteCount));
                    }
                    if let Some(most) = self.job.site.limits.transfer
                        && now.saturating_sub(begun) > most
                    {
                        let why = format!("not done after {} s", most.as_secs());
                        break End::Lost(Fault::new(FaultCode::FtpTimeout, why));
                    }
                }
                item = feed.next(), if slot.is_none() && writing.is_none() => match item {
                    Some(mut item) => {
                        self.chunks.append(&mut item.chunks);
                        slot = Some((item, 0));
                    }
                    None => break End::Sent,
                },
                () = self.clock.sleep(blocked_until.unwrap_or_default().saturating_sub(self.clock.monotonic())),
                    if blocked_until.is_some() => blocked_until = self.throttle.blocked(self.clock),
            }
        };
        match commit {
            Some(commit) => match commit.await {
                Ok(may_send) => {
                    self.header.may_send = may_send;
                    end
                }
                Err(fault) => End::Local(fault),
            },
            None => end,
        }
    }

    /// Moves `may_send` on; the states of the chunks that were sent meanwhile ride along.
    fn commit(&mut self, sent: u64, wanted: u64, ahead: u64, course: &Course<'_>) -> Commit {
        let may_send = (sent + wanted).saturating_add(ahead).min(self.limit.unwrap_or(u64::MAX));
        let header = Header { may_send, ..self.header.clone() };
        let chunks = std::mem::take(self.chunks);
        let attempts = course.attempts_reserving(may_send.saturating_sub(sent));
        let log = self.job.log.clone();
        Box::pin(async move {
            let mut writes = Writes::default().attempts(&attempts)?.header(&header)?;
            for chunk in &chunks {
                writes = writes.chunk(chunk)?;
            }
            crash::point("upload.commit");
            writes.commit(&*log).await?;
            crash::point("upload.committed");
            Ok(may_send)
        })
    }
}

/// How much of an item is still to be sent.
fn left((item, from): &(Item, usize)) -> u64 {
    count(item.bytes().len() - from)
}

fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// The end of a future that is there; none otherwise, so it is only for guarded branches.
async fn poll_option<F: Future + Unpin>(future: &mut Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
