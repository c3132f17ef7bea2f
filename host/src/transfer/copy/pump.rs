//! From the source's session to the ring, and from there to whoever sends.
//!
//! A task of its own, so that a target that stands still doesn't keep the source's session waiting; it is
//! aborted when the attempt ends without it.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use tokio::sync::mpsc;

use super::reading::{Reading, lost};
use super::ring::{Ring, SPILL_AFTER};
use crate::clock::Clock;
use crate::model::{Digest, Fault, FaultClass, FaultCode, Offset};
use crate::transfer::hash::{Hasher, hash_chunks};
use crate::transfer::policy;
use crate::transfer::pool::{Lease, Want};
use crate::transfer::remote::Finish;
use crate::transfer::source::Change;
use crate::transfer::stop::Stop;
use crate::transfer::transfers::Transfers;
use crate::transfer::upload::Item;

/// What the source's server says of it once it was read.
#[derive(Clone, Debug)]
pub(in crate::transfer) struct Judged {
    /// What became of it while it was read.
    pub(in crate::transfer) change: Change,
    /// The server's own digest, where it has one that we have, too.
    pub(in crate::transfer) digest: Option<Digest>,
}

/// Up to where a source is read.
#[derive(Clone, Copy, Debug)]
pub(in crate::transfer) struct Extent {
    /// The offset after which no byte is wanted.
    pub(in crate::transfer) limit: Option<u64>,
    /// How much must come.
    pub(in crate::transfer) total: Option<u64>,
}

/// Why reading ended.
enum End {
    /// The data connection ended; the final reply hasn't been read.
    Eof,
    /// There is more than is wanted; the connection is still open.
    Over,
    /// Nobody takes anything any more.
    Unwanted,
    Lost(Fault),
    /// This host's disk failed.
    Local(Fault),
}

impl Reading {
    /// Reads to the end and hands everything to `outbox`. Gives the hasher of all bytes, and what the
    /// server says of the source after the last of them.
    ///
    /// # Errors
    /// Those of RETR; `ftp.truncated` where less came than there is; `run.interrupted` and
    /// `run.cancelled`.
    pub(in crate::transfer) async fn pump(
        mut self,
        transfers: Transfers,
        stop: Stop,
        extent: Extent,
        outbox: mpsc::Sender<Item>,
    ) -> Result<(Hasher, Judged), Fault> {
        if !self.begun {
            let begun = stop.unless(self.lease.begin_retrieve(&self.file.path, Offset::ZERO)).await;
            if let Err(fault) = begun {
                return Err(lost(self.lease, fault));
            }
        }
        let clock = transfers.clock();
        let mut ring = Ring::new(transfers.options().spill.as_ref(), clock.monotonic());
        let rest = std::mem::take(&mut self.rest);
        let over = take(&mut self.hasher, rest, extent.limit, &mut ring).await;
        let end = match over {
            true => End::Over,
            false => self.read(&transfers, extent.limit, &mut ring, &outbox).await,
        };
        if matches!(end, End::Unwanted) {
            return Err(Fault::new(FaultCode::FtpConnectionLost, "nobody takes what is read"));
        }
        let hasher = self.hasher.clone();
        // The source's session is done with while the target still takes what the ring holds.
        let (drained, judged) =
            tokio::join!(drain(ring, outbox, clock), self.wind_up(&transfers, &stop, extent, end));
        drained?;
        Ok((hasher, judged?))
    }

    async fn read(
        &mut self,
        transfers: &Transfers,
        limit: Option<u64>,
        ring: &mut Ring,
        outbox: &mpsc::Sender<Item>,
    ) -> End {
        let clock = transfers.clock();
        let mut throttle = transfers.throttle_of_source(&self.file.site);
        let step = AtomicUsize::new(throttle.step(clock));
        let mut blocked_until: Option<Duration> = None;
        // The session travels through the stream, so that a read under way survives each `select!`.
        let mut incoming = pin!(stream::unfold(&mut self.lease, |lease| async {
            lease.read_at_most(step.load(Ordering::Relaxed));
            Some((lease.read().await, lease))
        }));
        loop {
            let may_read = blocked_until.is_none() && ring.has_room(clock.monotonic());
            let may_wait = !may_read && blocked_until.is_none() && ring.waits_to_spill();
            tokio::select! {
                biased;
                room = outbox.reserve(), if !ring.is_empty() => match (room, ring.pop(clock.monotonic()).await) {
                    (Ok(room), Ok(Some(item))) => room.send(item),
                    (Ok(_), Ok(None)) => {}
                    (Ok(_), Err(fault)) => return End::Local(fault),
                    (Err(_), _) => return End::Unwanted,
                },
                item = incoming.next(), if may_read => {
                    let bytes = match item {
                        Some(Ok(Some(bytes))) => bytes,
                        Some(Ok(None)) | None => return End::Eof,
                        Some(Err(fault)) => return End::Lost(fault),
                    };
                    blocked_until = throttle.pass(bytes.len(), clock);
                    step.store(throttle.step(clock), Ordering::Relaxed);
                    if take(&mut self.hasher, bytes, limit, ring).await {
                        return End::Over;
                    }
                }
                () = clock.sleep(SPILL_AFTER), if may_wait => {}
                () = clock.sleep(blocked_until.unwrap_or_default().saturating_sub(clock.monotonic())),
                    if blocked_until.is_some() => blocked_until = throttle.blocked(clock),
            }
        }
    }

    /// Ends RETR and asks what has become of the source.
    async fn wind_up(
        mut self,
        transfers: &Transfers,
        stop: &Stop,
        extent: Extent,
        end: End,
    ) -> Result<Judged, Fault> {
        let length = self.hasher.length();
        let server = self.lease.server().cloned();
        let whole = extent.total.is_some_and(|total| length >= total);
        let finish = match end {
            End::Eof => stop.unless(self.lease.finish()).await?,
            End::Over => {
                self.lease.abandon().await;
                Finish::Confirmed
            }
            End::Lost(fault) => {
                self.lease.abandon().await;
                Finish::Unconfirmed(fault)
            }
            End::Local(fault) => return Err(fault),
            End::Unwanted => return Err(Fault::new(FaultCode::HostBug, "a reading ended twice")),
        };
        let total = extent.total.map_or("all".to_owned(), |total| total.to_string());
        match finish {
            Finish::Confirmed if extent.total.is_none() || whole => {}
            // It is all there, whatever the reply was: the look tells.
            Finish::Unconfirmed(_) if whole => {}
            Finish::Confirmed => {
                let why = format!(
                    "{length} of {total} bytes of {} came, and the server says that this is all",
                    self.file
                );
                self.lease.give_back();
                return Err(Fault::new(FaultCode::FtpTruncated, why));
            }
            Finish::Unconfirmed(fault) => {
                let doing = format!("{length} of {total} bytes of {} came", self.file);
                return Err(lost(self.lease, fault).while_doing(doing));
            }
        }
        let mut lease = match self.lease.is_poisoned() {
            false => self.lease,
            true => {
                drop(self.lease);
                let want = Want::path(&self.file.path).rather(server.as_deref());
                stop.unless(transfers.lease(&self.file.site, &want)).await?
            }
        };
        let change = stop.unless(self.file.look_again(&mut lease, &self.before, server.as_deref())).await;
        let change = match change {
            Ok(change) => change,
            Err(fault) => return Err(lost(lease, fault)),
        };
        let digests = self.hasher.digests();
        let ours = policy::comparable(&digests, lease.features()).filter(|_| change == Change::Same);
        let digest = match ours {
            Some(ours) => digest(&mut lease, &self.file.path, ours, stop).await?,
            None => None,
        };
        lease.give_back();
        Ok(Judged { change, digest })
    }
}

/// The server's digest; `None` where it can't be had, which leaves us with what we know anyway.
async fn digest(
    lease: &mut Lease,
    path: &crate::model::RemotePath,
    ours: &Digest,
    stop: &Stop,
) -> Result<Option<Digest>, Fault> {
    match stop.unless(lease.digest(path, ours.algorithm)).await {
        Ok(theirs) => Ok(theirs),
        Err(fault) if fault.class == FaultClass::Cancelled => Err(fault),
        Err(fault) => {
            tracing::debug!(%fault, "the source's digest couldn't be had");
            Ok(None)
        }
    }
}

/// Hashes bytes, as far as they are wanted, and puts them into the ring. True when there were more.
async fn take(hasher: &mut Hasher, mut bytes: Bytes, limit: Option<u64>, ring: &mut Ring) -> bool {
    let room = limit.map_or(u64::MAX, |limit| limit.saturating_sub(hasher.length()));
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    let over = bytes.len() > room;
    bytes.truncate(room);
    if !bytes.is_empty() {
        let mut chunks = Vec::new();
        // Hashing 256 KiB takes a tenth of a millisecond: no reason for a thread of its own.
        hash_chunks(hasher, &bytes, |state| chunks.push(state));
        ring.push(Item::of_bytes(bytes, chunks)).await;
    }
    over
}

/// Hands over what is left; the outbox is closed after it.
async fn drain(mut ring: Ring, outbox: mpsc::Sender<Item>, clock: &dyn Clock) -> Result<(), Fault> {
    while let Some(item) = ring.pop(clock.monotonic()).await? {
        if outbox.send(item).await.is_err() {
            // Whoever took them has failed, and tells why.
            break;
        }
    }
    Ok(())
}
