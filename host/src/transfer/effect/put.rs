//! Small files that are written whole: done-markers and sidecars.

use std::sync::Arc;

use super::evidence::{Doubt, Evidence, is_same, unknown};
use crate::crash;
use crate::model::{
    ByteCount, Fault, FaultCode, FileInfo, FileKind, HashAlgorithm, Proof, Receipt, RemotePath, Site,
};
use crate::transfer::hash::Hasher;
use crate::transfer::look::read_all;
use crate::transfer::part::PartName;
use crate::transfer::remote::{Finish, Remote, StoreFrom};
use crate::transfer::transfers::Transfers;
use crate::transfer::upload::{make_dirs, may_lack_folder, remove_quietly};

/// The most bytes of one such file.
pub const PUT_BYTES_MAX: usize = 64 * 1024;

/// One file to put.
struct Put {
    target: RemotePath,
    part: RemotePath,
    bytes: Vec<u8>,
    evidence: Evidence,
}

impl Transfers {
    /// Looks at what is to be written.
    ///
    /// # Errors
    /// `ftp.exists` when a folder has the name; any other `ftp.*` fault.
    pub async fn plan_put(&self, site: &Site, path: &RemotePath) -> Result<Evidence, Fault> {
        let (found, server) = self.seen(site, &[path]).await?;
        if found.iter().flatten().any(|found| found.kind == FileKind::Dir) {
            return Err(Fault::new(FaultCode::FtpExists, format!("{path} is a folder")));
        }
        Ok(Evidence::new(&found, server))
    }

    /// Writes a small file, so that others see either what was there before or all of `bytes`. Folders
    /// that are missing are made. With `in_doubt`, an earlier try may have been carried out.
    ///
    /// # Errors
    /// `file.too-large` over 64 KiB; `run.indeterminate`; any other `ftp.*` fault.
    pub async fn put_bytes(
        &self,
        site: &Site,
        path: &RemotePath,
        bytes: &[u8],
        part: &PartName,
        evidence: &Evidence,
        in_doubt: bool,
    ) -> Result<Receipt, Fault> {
        if bytes.len() > PUT_BYTES_MAX {
            let why = format!("{} bytes for {path} are over the limit of {PUT_BYTES_MAX}", bytes.len());
            return Err(Fault::new(FaultCode::FileTooLarge, why).with_hint("upload a file instead"));
        }
        let start = self.clock().monotonic();
        let put = Arc::new(Put {
            target: path.clone(),
            part: path.parent().join(&part.of(path.name(), 1))?,
            bytes: bytes.to_vec(),
            evidence: evidence.clone(),
        });
        let mut attempts = 0;
        let what = format!("{path} was written");
        let file = self
            .settle(site, path, evidence, &what, in_doubt, |session, doubt| {
                attempts += 1;
                let put = put.clone();
                Box::pin(async move { put.act(session, doubt).await })
            })
            .await?;
        let mut hasher = Hasher::new(&[HashAlgorithm::Sha256]);
        hasher.update(bytes);
        let elapsed = self.clock().monotonic().saturating_sub(start);
        Ok(Receipt {
            bytes: ByteCount(hasher.length()),
            resumed_from: ByteCount(0),
            resent: ByteCount(hasher.length() * u64::from(attempts - 1)),
            attempts,
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            digests: hasher.digests(),
            proof: Proof::SizeOnly,
            skipped: false,
            mode: None,
            file,
        })
    }
}

impl Put {
    async fn act(&self, session: &mut dyn Remote, doubt: Doubt) -> Result<FileInfo, Fault> {
        if doubt.is_open()
            && let Some(done) = self.look(session).await?
        {
            remove_quietly(session, &self.part).await?;
            return Ok(done);
        }
        store(session, &self.target, &self.part, &self.bytes).await?;
        doubt.during(rename_over(session, &self.part, &self.target)).await?;
        let found = session.stat(&self.target).await?;
        found.ok_or_else(|| unknown(&format!("{} was written", self.target), &"it isn't there"))
    }

    /// What is there, if it is what was to be written; `None` if it must be written again.
    async fn look(&self, session: &mut dyn Remote) -> Result<Option<FileInfo>, Fault> {
        let before = self.evidence.at(0);
        let Some(now) = session.stat(&self.target).await? else {
            // It wasn't there before either, or it was removed to make room.
            return Ok(None);
        };
        let size = u64::try_from(self.bytes.len()).unwrap_or(u64::MAX);
        if now.size.is_none_or(|now| now.0 == size) {
            let max = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
            match read_all(session, &self.target, max).await {
                Ok(content) if content == self.bytes => return Ok(Some(now)),
                Err(fault) if fault.code != FaultCode::FileTooLarge => return Err(fault),
                _ => {}
            }
        }
        match before.map(|before| is_same(&now, before)) {
            Some(Some(true)) => Ok(None),
            _ => {
                let what = format!("{} was written", self.target);
                Err(unknown(&what, &"something else stands there now"))
            }
        }
    }
}

/// Writes a small file so that others see either what was there before or all of it. What was begun and
/// not ended is simply done again.
pub(in crate::transfer) async fn put_over(
    session: &mut dyn Remote,
    target: &RemotePath,
    part: &RemotePath,
    bytes: &[u8],
) -> Result<(), Fault> {
    store(session, target, part, bytes).await?;
    rename_over(session, part, target).await
}

/// Gives a part its name, in place of what has it.
async fn rename_over(session: &mut dyn Remote, part: &RemotePath, target: &RemotePath) -> Result<(), Fault> {
    crash::point("remote.put.rename");
    let mut renamed = session.rename(part, target).await;
    crash::point("remote.put.renamed");
    if let Err(fault) = &renamed
        && matches!(fault.code, FaultCode::FtpExists | FaultCode::FtpDenied | FaultCode::FtpBadName)
        && fault.reply.is_some()
        && session.stat(target).await?.is_some()
    {
        // Some servers refuse a name that is taken. Between the two commands there is no target,
        // and a crash there must find its way: what was there is gone, so it is written again.
        remove_quietly(session, target).await?;
        renamed = session.rename(part, target).await;
    }
    renamed
}

/// Writes the part, and once more after making the folders above it, where they were missing.
async fn store(
    session: &mut dyn Remote,
    target: &RemotePath,
    part: &RemotePath,
    bytes: &[u8],
) -> Result<(), Fault> {
    let refused = match write_part(session, part, bytes).await {
        Err(fault) if may_lack_folder(&fault) => fault,
        written => return written,
    };
    let parent = target.parent();
    if parent.is_root() || session.is_poisoned() || session.stat(&parent).await?.is_some() {
        return Err(refused);
    }
    make_dirs(session, &parent).await?;
    write_part(session, part, bytes).await
}

/// As often as needed, since nobody else looks at it.
async fn write_part(session: &mut dyn Remote, part: &RemotePath, bytes: &[u8]) -> Result<(), Fault> {
    crash::point("remote.put.store");
    session.begin_store(part, StoreFrom::Start).await?;
    let written = session.write(bytes).await;
    let finish = session.finish().await?;
    crash::point("remote.put.stored");
    match (finish, written) {
        (Finish::Confirmed, Ok(())) => {}
        (Finish::Unconfirmed(fault), _) | (_, Err(fault)) => return Err(fault),
    }
    match session.size(part).await {
        Ok(Some(size)) if usize::try_from(size.0) == Ok(bytes.len()) => Ok(()),
        Err(fault) if fault.code == FaultCode::FtpUnsupported => Ok(()),
        Err(fault) => Err(fault),
        Ok(_) => {
            let why = format!("the server confirmed {part} and hasn't all of it");
            Err(Fault::new(FaultCode::FtpTruncated, why))
        }
    }
}
