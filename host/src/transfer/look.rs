//! Looking at what is on a site: safe to repeat, and changing nothing.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::pattern::Pattern;
use super::pool::Want;
use super::remote::{Features, Finish, ListItem, Remote};
use super::transfers::Transfers;
use crate::model::{
    Digest, Fault, FaultCode, FileInfo, FileKind, HashAlgorithm, Offset, RemotePath, Select, Site,
};

/// The most folders below one another in a recursive listing: servers that show linked folders as
/// folders can nest them without end (F48).
const DEPTH_MAX: usize = 64;

/// The most entries of one recursive listing.
const ENTRIES_MAX: u64 = 1_000_000;

impl Transfers {
    /// What the site's server is known to do.
    ///
    /// # Errors
    /// Those of [`super::Connect::connect`].
    pub async fn features(&self, site: &Site) -> Result<Features, Fault> {
        let root = RemotePath::default();
        self.repeat(site, &root, |session| Box::pin(async move { Ok(session.features().clone()) })).await
    }

    /// What is at `path` now; `None` for nothing.
    ///
    /// # Errors
    /// Any `ftp.*` fault but `ftp.not-found`.
    pub async fn stat(&self, site: &Site, path: &RemotePath) -> Result<Option<FileInfo>, Fault> {
        self.repeat(site, path, |session| {
            let path = path.clone();
            Box::pin(async move { session.stat(&path).await })
        })
        .await
    }

    /// The server's own digest of a file.
    ///
    /// # Errors
    /// `ftp.unsupported` when the server can't tell; any other `ftp.*` fault.
    pub async fn digest(
        &self,
        site: &Site,
        path: &RemotePath,
        algorithm: HashAlgorithm,
    ) -> Result<Digest, Fault> {
        let digest = self
            .repeat(site, path, |session| {
                let path = path.clone();
                Box::pin(async move { session.digest(&path, algorithm).await })
            })
            .await?;
        digest.ok_or_else(|| {
            let why =
                format!("the server of site {} gives no {} digest of {path}", site.name, algorithm.as_str());
            Fault::new(FaultCode::FtpUnsupported, why)
        })
    }

    /// A whole small file.
    ///
    /// # Errors
    /// `file.too-large` when it has more than `max` bytes; any `ftp.*` fault.
    pub async fn read_small(&self, site: &Site, path: &RemotePath, max: u32) -> Result<Vec<u8>, Fault> {
        self.repeat(site, path, |session| {
            let path = path.clone();
            Box::pin(async move { read_all(session, &path, max).await })
        })
        .await
    }

    /// The entries of a folder that `select` asks for, each handed to `sink` as it comes; where it is
    /// recursive, then those of the folders below. An entry is handed over once, also where the listing had
    /// to be repeated. Lines that weren't understood are always handed over.
    ///
    /// # Errors
    /// `ftp.not-found`; `file.too-large` over a million entries or 64 folders in one another;
    /// `call.invalid` for a glob that can't be read; any other `ftp.*` fault.
    pub async fn list(
        &self,
        site: &Site,
        path: &RemotePath,
        select: &Select,
        sink: &mut (dyn FnMut(ListItem) + Send),
    ) -> Result<(), Fault> {
        let pattern = Pattern::new(select)?;
        let mut count = 0;
        let mut waiting = vec![(path.clone(), 0)];
        let mut links = HashSet::new();
        while let Some((folder, depth)) = waiting.pop() {
            let mut below = Vec::new();
            let listed = self
                .list_folder(site, &folder, &mut |item| {
                    count += 1;
                    let ListItem::Entry(entry) = item else {
                        return sink(item);
                    };
                    let inside = entry.path.strip_prefix(path.as_str()).unwrap_or(&entry.path);
                    let inside = inside.trim_start_matches('/');
                    if pattern.excludes(inside, &entry) {
                        return;
                    }
                    if select.recursive && entry.kind == FileKind::Dir {
                        below.push((entry.path.clone(), entry.unique.clone()));
                    }
                    if pattern.takes(inside, &entry) {
                        sink(ListItem::Entry(entry));
                    }
                })
                .await;
            match listed {
                // A folder that vanished since its own folder was listed is no error. One that is still
                // there and can't be entered is: what is in it must not be taken for gone.
                Err(fault) if depth > 0 && fault.code == FaultCode::FtpNotFound => {
                    if self.is_listed(site, &folder).await? {
                        return Err(Fault { code: FaultCode::FtpDenied, ..fault });
                    }
                    continue;
                }
                listed => listed?,
            }
            let too_large = |what: String| Fault::new(FaultCode::FileTooLarge, what);
            if count > ENTRIES_MAX {
                return Err(too_large(format!(
                    "{path} on site {} has over {ENTRIES_MAX} entries",
                    site.name
                )));
            }
            for (folder, unique) in below.into_iter().rev() {
                if depth >= DEPTH_MAX {
                    let why =
                        format!("{path} on site {} has over {DEPTH_MAX} folders in one another", site.name);
                    return Err(too_large(why));
                }
                // The same folder under another name was or will be listed there.
                if unique.is_none_or(|unique| links.insert(unique)) {
                    waiting.push((RemotePath::parse(&folder)?, depth + 1));
                }
            }
        }
        Ok(())
    }

    /// Whether a folder stands in the listing of the one that holds it.
    async fn is_listed(&self, site: &Site, folder: &RemotePath) -> Result<bool, Fault> {
        let mut is_there = false;
        let mut sink = |item| {
            is_there |= matches!(item, ListItem::Entry(entry) if entry.path == folder.as_str());
        };
        match self.list_folder(site, &folder.parent(), &mut sink).await {
            Err(fault) if fault.code == FaultCode::FtpNotFound => Ok(false),
            listed => listed.map(|()| is_there),
        }
    }

    /// One folder, with repeats.
    async fn list_folder(
        &self,
        site: &Site,
        folder: &RemotePath,
        sink: &mut (dyn FnMut(ListItem) + Send),
    ) -> Result<(), Fault> {
        let start = self.clock().monotonic();
        // Only hashes of what was handed over, since a folder may have a million entries.
        let (keys, mut seen) = (RandomState::new(), HashSet::new());
        let (mut failed, mut previous) = (0, Duration::ZERO);
        loop {
            let mut once = |item: ListItem| {
                let key = match &item {
                    ListItem::Entry(entry) => keys.hash_one((0, &entry.path)),
                    ListItem::Unparsed(line) => keys.hash_one((1, line)),
                };
                if seen.insert(key) {
                    sink(item);
                }
            };
            let listed = async {
                let mut lease = self.lease(site, &Want::path(folder)).await?;
                let listed = lease.list(folder, &mut once).await;
                lease.after(&listed);
                listed
            };
            let mut fault = match listed.await {
                Ok(()) => return Ok(()),
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
}

/// Reads a file of at most `max` bytes from start to end.
pub(super) async fn read_all(
    session: &mut dyn Remote,
    path: &RemotePath,
    max: u32,
) -> Result<Vec<u8>, Fault> {
    let limit = usize::try_from(max).unwrap_or(usize::MAX);
    let too_large = || Fault::new(FaultCode::FileTooLarge, format!("{path} has more than {max} bytes"));
    let size = match session.size(path).await {
        Ok(Some(size)) if size.0 > u64::from(max) => return Err(too_large()),
        Ok(Some(size)) => Some(size.0),
        Ok(None) => return Err(Fault::new(FaultCode::FtpNotFound, format!("{path} isn't there"))),
        Err(fault) if fault.code == FaultCode::FtpUnsupported => None,
        Err(fault) => return Err(fault),
    };
    session.begin_retrieve(path, Offset::ZERO).await?;
    let mut content = Vec::new();
    while let Some(bytes) = session.read().await? {
        if content.len() + bytes.len() > limit {
            session.abandon().await;
            return Err(too_large());
        }
        content.extend_from_slice(&bytes);
    }
    let finish = session.finish().await?;
    let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
    match (finish, size) {
        (_, Some(size)) if size == length => Ok(content),
        (Finish::Confirmed, None) => Ok(content),
        (Finish::Unconfirmed(fault), None) => Err(fault),
        (_, Some(size)) => {
            let why = format!("{length} of {size} bytes of {path} came");
            Err(Fault::new(FaultCode::FtpTruncated, why))
        }
    }
}

#[cfg(test)]
mod tests;
