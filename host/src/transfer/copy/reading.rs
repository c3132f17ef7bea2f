//! A RETR on the source, proven up to where the part goes on.

use bytes::Bytes;

use super::source::SiteFile;
use crate::model::{Fault, FaultCode, FileInfo, HashAlgorithm, Offset};
use crate::transfer::hash::{HashState, Hasher, hash_chunks};
use crate::transfer::pool::Lease;
use crate::transfer::record::CHUNK_BYTES;
use crate::transfer::remote::Finish;
use crate::transfer::stop::Stop;

/// A source that is being read, or is about to be.
pub(in crate::transfer) struct Reading {
    pub(super) lease: Lease,
    pub(super) file: SiteFile,
    /// What it was when the attempt began, and on which of several servers.
    pub(super) before: FileInfo,
    /// Has seen everything up to where the part goes on.
    pub(in crate::transfer) hasher: Hasher,
    /// What has come of the bytes behind that.
    pub(super) rest: Bytes,
    /// RETR was sent.
    pub(super) begun: bool,
    /// The last bytes before where it goes on, as many as were asked for.
    pub(in crate::transfer) tail: Vec<u8>,
}

/// Where a part goes on, and what is to be known of the bytes before.
pub(in crate::transfer) struct Point<'p> {
    pub(in crate::transfer) at: u64,
    /// The hash states at the ends of the chunks that were read before.
    pub(in crate::transfer) chunks: &'p [HashState],
    pub(in crate::transfer) algorithms: &'p [HashAlgorithm],
    /// How many bytes before `at` are to be kept.
    pub(in crate::transfer) tail: u64,
}

impl Reading {
    /// The source from its first byte on; RETR is sent by whoever reads.
    pub(in crate::transfer) fn from_start(
        lease: Lease,
        file: SiteFile,
        before: FileInfo,
        algorithms: &[HashAlgorithm],
    ) -> Self {
        let hasher = Hasher::new(algorithms);
        Self { lease, file, before, hasher, rest: Bytes::new(), begun: false, tail: Vec::new() }
    }

    /// The source from `point` on. The last chunk before it that the log knows is read and hashed again:
    /// its state stands for everything before. `None` when that isn't what was read then; the session is
    /// of no use after it.
    ///
    /// # Errors
    /// Those of RETR; `ftp.truncated` when the source ends before `point`.
    pub(in crate::transfer) async fn go_on(
        mut lease: Lease,
        file: SiteFile,
        before: FileInfo,
        point: &Point<'_>,
        stop: &Stop,
    ) -> Result<Option<Self>, Fault> {
        let known: Vec<_> = point.chunks.iter().filter(|state| state.length <= point.at).collect();
        let mut hasher = start(&known, point.algorithms)?;
        if hasher.length() > 0 {
            let offset = Offset(hasher.length());
            let begun = match lease.features().rest {
                true => stop.unless(lease.begin_retrieve(&file.path, offset)).await,
                false => Err(Fault::new(FaultCode::FtpUnsupported, "the server has no REST")),
            };
            match begun {
                Ok(()) => {}
                // What is there already needn't be sent again, but it has to be read.
                Err(fault) if fault.code == FaultCode::FtpUnsupported && !lease.is_poisoned() => {
                    hasher = Hasher::new(point.algorithms);
                }
                Err(fault) => return Err(lost(lease, fault)),
            }
        }
        if hasher.length() == 0 {
            let begun = stop.unless(lease.begin_retrieve(&file.path, Offset::ZERO)).await;
            if let Err(fault) = begun {
                return Err(lost(lease, fault));
            }
        }
        let hashed = Self { lease, file, before, hasher, rest: Bytes::new(), begun: true, tail: Vec::new() };
        hashed.prove(&known, point, stop).await
    }

    /// Reads up to `point`, and compares the states on the way.
    async fn prove(
        mut self,
        known: &[&HashState],
        point: &Point<'_>,
        stop: &Stop,
    ) -> Result<Option<Self>, Fault> {
        while self.hasher.length() < point.at {
            let mut bytes = match stop.unless(self.lease.read()).await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => return Err(self.ended(point.at, stop).await),
                Err(fault) => return Err(lost(self.lease, fault)),
            };
            let left = usize::try_from(point.at - self.hasher.length()).unwrap_or(usize::MAX);
            self.rest = bytes.split_off(left.min(bytes.len()));
            let mut same = true;
            hash_chunks(&mut self.hasher, &bytes, |state| {
                let before = known.iter().find(|known| known.length == state.length);
                same &= before.is_none_or(|before| **before == state);
            });
            if !same {
                self.lease.abandon().await;
                return Ok(None);
            }
            self.keep(&bytes, point.tail);
        }
        Ok(Some(self))
    }

    /// Keeps the last `most` bytes.
    fn keep(&mut self, bytes: &[u8], most: u64) {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        self.tail.extend_from_slice(bytes);
        let over = self.tail.len().saturating_sub(most);
        self.tail.drain(..over);
    }

    /// Why the data ended before `at`.
    async fn ended(mut self, at: u64, stop: &Stop) -> Fault {
        let why = format!("{} bytes of {} came, and {at} were there before", self.hasher.length(), self.file);
        match stop.unless(self.lease.finish()).await {
            Ok(Finish::Confirmed) => {
                self.lease.give_back();
                Fault::new(FaultCode::FtpTruncated, why)
            }
            Ok(Finish::Unconfirmed(fault)) => fault.while_doing(why),
            Err(fault) => lost(self.lease, fault),
        }
    }
}

/// Where reading begins: at the start of the last chunk that is known, so that it is compared.
fn start(known: &[&HashState], algorithms: &[HashAlgorithm]) -> Result<Hasher, Fault> {
    let last = known.iter().map(|state| state.length).max().unwrap_or(0);
    let before = last.saturating_sub(CHUNK_BYTES);
    match known.iter().find(|state| state.length == before) {
        Some(state) => state.restore(),
        None => Ok(Hasher::new(algorithms)),
    }
}

/// Gives the session back, or throws it away, as the fault says.
pub(super) fn lost(lease: Lease, fault: Fault) -> Fault {
    let result: Result<(), Fault> = Err(fault.clone());
    lease.after(&result);
    fault
}
