//! The end of a download: verification, the rename, and what a crash leaves between them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::attempt::SMALL_BYTES;
use super::run::Download;
use crate::crash;
use crate::model::{
    ByteCount, Digest, Fault, FaultClass, FaultCode, FileInfo, HashAlgorithm, IfExists, Proof, Receipt,
};
use crate::transfer::course::Trouble;
use crate::transfer::hash::Hasher;
use crate::transfer::local::{
    Finished, Finishing, Identity, LocalFile, PartFile, Placing, Renamed, Source, blocking, count_records,
    replace_mode,
};
use crate::transfer::policy::{self, Proofs};
use crate::transfer::pool::Lease;
use crate::transfer::record::Writes;
use crate::transfer::sidecar;

/// A file that is complete, on disk and verified; all that is left is its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Verified {
    /// The part: its device and inode go with it to the target.
    part: Identity,
    /// What stood at the target.
    target: Option<Identity>,
    digests: Vec<Digest>,
    proof: Proof,
    resumed_from: u64,
    /// The permission bits that the part has from its source.
    mode: Option<u32>,
}

impl Download<'_> {
    /// Verifies a complete part, and puts it in its place.
    pub(super) async fn verify(
        &mut self,
        mut lease: Lease,
        part: Arc<PartFile>,
        hasher: Hasher,
        source: &FileInfo,
    ) -> Result<Receipt, Trouble> {
        let digests = hasher.digests();
        let compared = self.compare_with_server(&mut lease, &digests).await?;
        let mode = self.mode(&mut lease).await?;
        lease.give_back();
        self.job.watch.landed();
        let name = self.job.remote.as_str();
        let beside = policy::check_sidecar(name, &digests, self.sidecar.as_ref());
        let sidecar = beside.map_err(|why| self.refuted(why))?;
        let expected =
            policy::check_expected(self.job.remote.as_str(), &digests, self.job.options.expect.as_ref())?;
        let counted = self.check_records(part.at().clone()).await?;
        let proofs = Proofs {
            digest_of_server: compared,
            digest_expected: expected,
            sidecar,
            read_back: false,
            records: counted,
        };
        let modified = source.modified.filter(|_| self.job.options.keep_mtime);
        let finishing = Finishing { part, modified, mode, target: self.local.clone() };
        let group = self.transfers.finishing();
        let finished = match hasher.length() {
            0..=SMALL_BYTES => group.join(finishing).await?,
            _ => group.alone(finishing).await?,
        };
        self.pending = None;
        let resumed_from = self.course.resumed_from;
        let Finished { part, target } = finished;
        let verified = Verified { part, target, digests, proof: proofs.strongest(), resumed_from, mode };
        self.course.attempts.open = false;
        let mut writes = Writes::default().attempts(&self.course.attempts)?.verified(&verified)?;
        if let Some(header) = &self.header {
            writes = writes.header(header)?.whereabouts(&self.whereabouts)?;
        }
        crash::point("download.verified");
        writes.commit(&*self.job.log).await?;
        crash::point("download.verified.committed");
        Ok(self.place(verified).await?)
    }

    /// Whether the server's own digest is equal; false when it has none. A digest that differs refutes
    /// the generation: once that may be an accident on the way, twice it isn't.
    async fn compare_with_server(&mut self, lease: &mut Lease, digests: &[Digest]) -> Result<bool, Trouble> {
        let Some(ours) = policy::comparable(digests, lease.features()) else {
            return Ok(false);
        };
        let asked = self.job.stop.unless(lease.digest(&self.job.remote, ours.algorithm)).await;
        let theirs = match asked {
            Ok(Some(theirs)) => theirs,
            Ok(None) => return Ok(false),
            Err(fault) if fault.class == FaultClass::Cancelled => return Err(fault.into()),
            // Servers that announce a hash and can't compute it leave us with what we know anyway.
            Err(fault) => {
                tracing::debug!(%fault, "the server's digest couldn't be had");
                return Ok(false);
            }
        };
        if theirs.agrees_with(ours) {
            return Ok(true);
        }
        Err(self.refuted(format!("{} is {theirs} on the server, and {ours} here", self.job.remote)))
    }

    /// A digest that differs refutes the generation: once that may be an accident on the way, twice it
    /// isn't.
    fn refuted(&mut self, why: String) -> Trouble {
        let fault = Fault::new(FaultCode::VerifyDigest, why);
        match &mut self.header {
            Some(header) if header.refuted == 0 => {
                header.refuted += 1;
                Trouble::Discard(fault.with_class(FaultClass::Transient))
            }
            _ => Trouble::Fault(fault),
        }
    }

    /// The permission bits that the file is to have, where they are to be kept and the server shows them.
    async fn mode(&self, lease: &mut Lease) -> Result<Option<u32>, Fault> {
        if !self.job.options.keep_mode {
            return Ok(None);
        }
        let mode = self.job.stop.unless(lease.mode(&self.job.remote)).await?;
        if mode.is_none() {
            tracing::info!(path = %self.job.remote, site = self.job.site.name, "the server doesn't show the mode");
        }
        Ok(mode)
    }

    /// Writes what the options want beside the file, once that has its name.
    async fn write_sidecar(&self, verified: &Verified) -> Result<(), Fault> {
        let Some(algorithm) = self.job.options.write_sidecar else { return Ok(()) };
        let Some(digest) = verified.digests.iter().find(|digest| digest.algorithm == algorithm) else {
            return Err(Fault::new(FaultCode::HostBug, "the digest for a sidecar wasn't computed"));
        };
        let local = &self.local;
        let beside = local.sibling(&sidecar::name_of(local.name(), algorithm));
        beside.root.write_atomic(&beside.inside, sidecar::written(local.name(), digest)).await
    }

    /// Compares the number of records with the one expected; false when none is expected.
    async fn check_records(&self, part: LocalFile) -> Result<bool, Fault> {
        let Some(expected) = self.job.options.expect_records else {
            return Ok(false);
        };
        let counted = blocking(move || count_records(&Source::open(&part)?)).await?;
        if counted == expected {
            return Ok(true);
        }
        let why = format!("{} has {counted} records, not {expected} as expected", self.job.remote);
        Err(Fault::new(FaultCode::VerifyRecords, why))
    }

    /// Puts the verified part in its place.
    async fn place(&mut self, verified: Verified) -> Result<Receipt, Fault> {
        if self.job.options.direct {
            return self.receipt(verified).await;
        }
        let generation = self.header.as_ref().map_or(1, |header| header.generation);
        let placing = Placing {
            part: self.part_of(generation),
            target: self.local.clone(),
            replace: replace_mode(self.job.options.if_exists),
        };
        let placed = self.transfers.placing().join(placing).await?;
        match placed.renamed {
            Renamed::Done => {
                self.write_sidecar(&verified).await?;
                Ok(self.receipt_of(verified, placed.file))
            }
            Renamed::Taken if self.job.options.if_exists == IfExists::Skip => self.left().await,
            Renamed::Taken => Err(self.taken()),
        }
    }

    /// Goes on after a crash between `Verified` and the end.
    pub(super) async fn conclude(&mut self, verified: Verified) -> Result<Receipt, Fault> {
        let generation = self.header.as_ref().map_or(1, |header| header.generation);
        let (part, target) = (self.part_of(generation), self.local.clone());
        let (part, target) = blocking(move || Ok((part.identity_now()?, target.identity_now()?))).await?;
        let ours = |found: &Option<Identity>| found.as_ref().is_some_and(|f| f.same_inode(&verified.part));
        if ours(&target) {
            // The rename happened; whether the folder was synced after it isn't known.
            let target = self.local.clone();
            blocking(move || target.sync_folder()).await?;
            return self.receipt(verified).await;
        }
        if ours(&part) && !self.job.options.direct {
            return self.place(verified).await;
        }
        // The part is gone, so our rename happened: perhaps the target was copied since, bytes intact.
        if target.is_some_and(|target| target.size == verified.part.size) {
            let local = &self.local;
            let digest = local.root.hash(&local.inside, HashAlgorithm::Sha256).await?;
            if verified.digests.contains(&digest) {
                return self.receipt(verified).await;
            }
        }
        let why = format!(
            "{} was complete before a crash, and neither it nor its part is there now as it was",
            self.local
        );
        Err(Fault::new(FaultCode::RunIndeterminate, why)
            .with_hint("if something takes the files away as they come, it has probably taken this one"))
    }

    async fn receipt(&self, verified: Verified) -> Result<Receipt, Fault> {
        self.write_sidecar(&verified).await?;
        let local = &self.local;
        let file = local.root.stat(&local.inside).await?;
        Ok(self.receipt_of(verified, file))
    }

    fn receipt_of(&self, verified: Verified, file: Option<FileInfo>) -> Receipt {
        // Whoever waits for the files may have taken it away already.
        let file = file.unwrap_or_else(|| FileInfo {
            path: self.local.to_string(),
            kind: crate::model::FileKind::File,
            size: Some(ByteCount(verified.part.size)),
            modified: None,
            unique: None,
        });
        Receipt {
            bytes: ByteCount(verified.part.size),
            resumed_from: ByteCount(verified.resumed_from),
            resent: self.course.resent(verified.part.size),
            attempts: self.course.attempts.begun,
            elapsed_ms: self.course.elapsed_ms(),
            digests: verified.digests,
            proof: verified.proof,
            skipped: false,
            mode: verified.mode,
            file,
        }
    }

    /// The receipt of a transfer that left its target as it is.
    pub(super) async fn left(&mut self) -> Result<Receipt, Fault> {
        self.remove_own_part().await;
        let local = &self.local;
        let file = local.root.stat(&local.inside).await?.ok_or_else(|| {
            Fault::new(FaultCode::FileNotFound, format!("{local} was there and is gone"))
                .with_class(FaultClass::Transient)
        })?;
        Ok(Receipt {
            bytes: file.size.unwrap_or_default(),
            resumed_from: ByteCount(0),
            resent: self.course.resent(0),
            attempts: self.course.attempts.begun,
            elapsed_ms: self.course.elapsed_ms(),
            digests: Vec::new(),
            proof: Proof::SizeOnly,
            skipped: true,
            mode: None,
            file,
        })
    }
}
