//! The end of an upload: verification, the rename, and what a crash leaves between them.

use serde::{Deserialize, Serialize};

use super::origin::Origin;
use super::run::Upload;
use crate::crash;
use crate::model::{
    ByteCount, Digest, Fault, FaultClass, FaultCode, FileInfo, FileKind, IfExists, Offset, Proof, Receipt,
    RemotePath,
};
use crate::transfer::course::Trouble;
use crate::transfer::effect::put_over;
use crate::transfer::hash::Hasher;
use crate::transfer::local::{Records, Source, blocking, count_records, replace_mode};
use crate::transfer::policy::{self, Proofs};
use crate::transfer::pool::{Lease, Want};
use crate::transfer::record::{Writes, compact};
use crate::transfer::remote::Finish;
use crate::transfer::sidecar;

/// A part that the server has whole.
pub(super) struct Complete {
    pub(super) digests: Vec<Digest>,
    pub(super) length: u64,
    /// The source, as it was when the attempt began.
    pub(super) source: FileInfo,
    /// The permission bits that the target is to have.
    pub(super) mode: Option<u32>,
}

/// A part that is complete and verified; all that is left is its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Verified {
    /// What the server says of the part, but its path.
    part: FileInfo,
    length: u64,
    digests: Vec<Digest>,
    proof: Proof,
    resumed_from: u64,
    /// The permission bits that the part was given.
    mode: Option<u32>,
}

impl Upload<'_> {
    /// Verifies a complete part, and puts it in its place.
    pub(super) async fn verify(&mut self, mut lease: Lease, complete: Complete) -> Result<Receipt, Trouble> {
        let (job, part) = (self.job, self.part()?);
        let Complete { digests, length, source, mode } = complete;
        let compared = self.compare_with_server(&mut lease, &digests).await?;
        if lease.is_poisoned() {
            drop(lease);
            let apart = job.site.servers.are_apart();
            let server = self.whereabouts.server.as_deref();
            let path = Want::path(&job.remote);
            let want = if apart { path.only(server) } else { path.rather(server) };
            lease = job.stop.unless(self.transfers.lease(&job.site, &want)).await?;
        }
        // What came from another site is only to be counted on its way back.
        let counts = self.origin.is_remote() && job.options.expect_records.is_some();
        let read_back = match job.options.read_back || counts {
            true => Some(self.read_back(&mut lease, &digests).await?),
            false => None,
        };
        let name = self.origin.to_string();
        let expected = policy::check_expected(&name, &digests, job.options.expect.as_ref())?;
        let beside = policy::check_sidecar(&name, &digests, self.sidecar.as_ref());
        let sidecar = beside.map_err(|why| self.refuted(why))?;
        let counted = self.check_records(read_back).await?;
        let proofs = Proofs {
            digest_of_server: compared,
            digest_expected: expected,
            sidecar,
            read_back: read_back.is_some(),
            records: counted,
        };
        let mode = self.set_mode(&mut lease, &part, mode).await?;
        if job.options.keep_mtime
            && let Some(modified) = source.modified
        {
            // A server that can't, or won't, leaves the time of the upload: no reason to fail.
            match job.stop.unless(lease.set_modified(&part, modified.whole_second())).await {
                Ok(_) => {}
                Err(fault) if fault.reply.is_some() => {}
                Err(fault) => return Err(fault.into()),
            }
        }
        let found = job.stop.unless(lease.stat(&part)).await?;
        let found =
            found.ok_or_else(|| Fault::new(FaultCode::FtpRemoteChanged, format!("{part} is gone")))?;
        let resumed_from = self.course.resumed_from;
        let verified = Verified {
            part: compact(&found),
            length,
            digests,
            proof: proofs.strongest(),
            resumed_from,
            mode,
        };
        self.course.attempts.open = false;
        let mut writes = Writes::default().attempts(&self.course.attempts)?.verified(&verified)?;
        if let Some(header) = &mut self.header {
            header.appending = false;
            writes = writes.header(header)?;
        }
        crash::point("upload.verified");
        writes.commit(&*job.log).await?;
        crash::point("upload.verified.committed");
        self.chunks.clear();
        self.verified = Some(verified.clone());
        self.place(lease, verified).await
    }

    /// Gives the part the permission bits of the source; those that it was given.
    async fn set_mode(
        &self,
        lease: &mut Lease,
        part: &RemotePath,
        mode: Option<u32>,
    ) -> Result<Option<u32>, Fault> {
        let site = &self.job.site.name;
        let Some(mode) = mode else {
            if self.job.options.keep_mode {
                tracing::info!(source = %self.origin, site, "the mode of the source isn't known");
            }
            return Ok(None);
        };
        let set = self.job.stop.unless(lease.set_mode(part, mode)).await?;
        if !set {
            tracing::info!(target_path = %self.job.remote, site, "the server doesn't set modes");
        }
        Ok(set.then_some(mode))
    }

    /// Writes what the options want beside the file, once that has its name.
    async fn write_sidecar(&self, lease: &mut Lease, verified: &Verified) -> Result<(), Trouble> {
        let Some(algorithm) = self.job.options.write_sidecar else { return Ok(()) };
        let Some(digest) = verified.digests.iter().find(|digest| digest.algorithm == algorithm) else {
            return Err(Fault::new(FaultCode::HostBug, "the digest for a sidecar wasn't computed").into());
        };
        let target = sidecar::path_of(&self.job.remote, algorithm)?;
        let part = target.parent().join(&self.job.part.of(target.name(), 1))?;
        let text = sidecar::written(self.job.remote.name(), digest);
        let written = self.job.stop.unless(put_over(&mut **lease, &target, &part, &text)).await;
        written.map_err(|fault| fault.while_doing(format_args!("writing the sidecar {target}")).into())
    }

    /// Whether the server's own digest of the part is equal; false when it has none.
    async fn compare_with_server(&mut self, lease: &mut Lease, digests: &[Digest]) -> Result<bool, Trouble> {
        let Some(ours) = policy::comparable(digests, lease.features()) else {
            return Ok(false);
        };
        let part = self.part()?;
        let theirs = match self.job.stop.unless(lease.digest(&part, ours.algorithm)).await {
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
        Err(self.refuted(format!("{} is {ours}, and {theirs} on the server", self.origin)))
    }

    /// Reads the whole part back and compares its digest; gives the number of its records.
    async fn read_back(&mut self, lease: &mut Lease, digests: &[Digest]) -> Result<u64, Trouble> {
        let (part, stop) = (self.part()?, &self.job.stop);
        let (mut hasher, mut records) = (Hasher::new(&[]), Records::default());
        stop.unless(lease.begin_retrieve(&part, Offset::ZERO)).await?;
        while let Some(bytes) = stop.unless(lease.read()).await? {
            // Hashing 256 KiB takes a tenth of a millisecond: no reason for a thread of its own.
            hasher.update(&bytes);
            records.take(&bytes);
        }
        let finish = stop.unless(lease.finish()).await?;
        let theirs = hasher.digests();
        if theirs.iter().all(|digest| digests.contains(digest)) {
            return Ok(records.count());
        }
        match finish {
            Finish::Unconfirmed(fault) => Err(fault.while_doing(format_args!("reading {part} back")).into()),
            Finish::Confirmed => {
                Err(self.refuted(format!("{} was read back and isn't what was sent", self.job.remote)))
            }
        }
    }

    /// A digest that differs refutes the generation: once that may be an accident on the way, twice it
    /// isn't.
    pub(super) fn refuted(&mut self, why: String) -> Trouble {
        let fault = Fault::new(FaultCode::VerifyDigest, why);
        match &mut self.header {
            Some(header) if header.refuted == 0 => {
                header.refuted += 1;
                Trouble::Discard(fault.with_class(FaultClass::Transient))
            }
            _ => Trouble::Fault(fault),
        }
    }

    /// Compares the number of records with the one expected; false when none is expected.
    async fn check_records(&self, read_back: Option<u64>) -> Result<bool, Fault> {
        let Some(expected) = self.job.options.expect_records else {
            return Ok(false);
        };
        let counted = match (&self.origin, read_back) {
            (Origin::Folder(local), _) => {
                let local = local.clone();
                blocking(move || count_records(&Source::open(&local)?)).await?
            }
            (Origin::Site(_), Some(counted)) => counted,
            (Origin::Site(_), None) => return Ok(false),
        };
        if counted == expected {
            return Ok(true);
        }
        let why = format!("{} has {counted} records, not {expected} as expected", self.origin);
        Err(Fault::new(FaultCode::VerifyRecords, why))
    }

    /// Goes on after `Verified`: an earlier try, or an earlier process, may have renamed the part.
    pub(super) async fn conclude(&mut self, verified: Verified) -> Result<Receipt, Trouble> {
        let stop = &self.job.stop;
        let mut lease = stop.unless(self.transfers.lease(&self.job.site, &self.want())).await?;
        self.move_to(&lease)?;
        let stop = &self.job.stop;
        if self.job.options.direct || !self.in_doubt {
            return self.place(lease, verified).await;
        }
        let part = stop.unless(lease.stat(&self.part()?)).await?;
        if part.is_some_and(|part| part.same_file(&verified.part)) {
            return self.place(lease, verified).await;
        }
        let target = stop.unless(lease.stat(&self.job.remote)).await?;
        if target.is_some_and(|target| target.same_file(&verified.part)) {
            self.write_sidecar(&mut lease, &verified).await?;
            lease.give_back();
            return Ok(self.receipt(verified));
        }
        let why = format!(
            "{} was complete on site {} before a lost reply or a crash, and neither it nor its part is there \
             now as it was",
            self.job.remote, self.job.site.name
        );
        Err(Trouble::Fault(
            Fault::new(FaultCode::RunIndeterminate, why)
                .with_hint("if something takes the files away as they come, it has probably taken this one"),
        ))
    }

    /// Puts the verified part in its place.
    async fn place(&mut self, mut lease: Lease, verified: Verified) -> Result<Receipt, Trouble> {
        if self.job.options.direct {
            self.write_sidecar(&mut lease, &verified).await?;
            lease.give_back();
            return Ok(self.receipt(verified));
        }
        let (part, target, stop) = (self.part()?, self.job.remote.clone(), self.job.stop.clone());
        let replace = replace_mode(self.job.options.if_exists);
        if !replace && let Some(found) = stop.unless(lease.stat(&target)).await? {
            return match self.job.options.if_exists {
                IfExists::Skip => {
                    stop.unless(super::run::remove_quietly(&mut *lease, &part)).await?;
                    lease.give_back();
                    Ok(self.left(found))
                }
                _ => Err(self.taken().into()),
            };
        }
        self.in_doubt = true;
        crash::point("upload.rename");
        let mut renamed = stop.unless(lease.rename(&part, &target)).await;
        crash::point("upload.renamed");
        if let Err(fault) = &renamed
            && replace
            && matches!(fault.code, FaultCode::FtpExists | FaultCode::FtpDenied | FaultCode::FtpBadName)
            && !lease.is_poisoned()
        {
            // Some servers refuse a name that is taken; the policy says to replace what has it.
            let found = stop.unless(lease.stat(&target)).await?;
            if found.is_some_and(|found| found.kind == FileKind::File) {
                stop.unless(super::run::remove_quietly(&mut *lease, &target)).await?;
                crash::point("upload.rename");
                renamed = stop.unless(lease.rename(&part, &target)).await;
                crash::point("upload.renamed");
            }
        }
        renamed?;
        self.write_sidecar(&mut lease, &verified).await?;
        lease.give_back();
        Ok(self.receipt(verified))
    }

    fn receipt(&self, verified: Verified) -> Receipt {
        Receipt {
            bytes: ByteCount(verified.length),
            resumed_from: ByteCount(verified.resumed_from),
            resent: self.course.resent(verified.length),
            attempts: self.course.attempts.begun,
            elapsed_ms: self.course.elapsed_ms(),
            digests: verified.digests,
            proof: verified.proof,
            skipped: false,
            mode: verified.mode,
            file: FileInfo { path: self.job.remote.to_string(), ..verified.part },
        }
    }

    /// The receipt of a transfer that left its target as it is.
    pub(super) fn left(&self, found: FileInfo) -> Receipt {
        Receipt {
            bytes: found.size.unwrap_or_default(),
            resumed_from: ByteCount(0),
            resent: self.course.resent(0),
            attempts: self.course.attempts.begun,
            elapsed_ms: self.course.elapsed_ms(),
            digests: Vec::new(),
            proof: Proof::SizeOnly,
            skipped: true,
            mode: None,
            file: found,
        }
    }
}
