//! Effects on names: rename, remove, folders, times.

use super::evidence::{Evidence, check_unchanged, is_same, unknown};
use crate::crash;
use crate::model::{Fault, FaultCode, FileInfo, FileKind, RemotePath, Site, Timestamp};
use crate::transfer::remote::Remote;
use crate::transfer::transfers::Transfers;
use crate::transfer::upload::make_dirs;

/// What a look at the names says about an effect that is in doubt.
enum Seen {
    Done,
    Again,
}

impl Transfers {
    /// Looks at the names of a rename.
    ///
    /// # Errors
    /// `ftp.not-found`; `ftp.remote-changed` when `from` isn't `if_unchanged`; any other `ftp.*` fault.
    pub async fn plan_rename(
        &self,
        site: &Site,
        from: &RemotePath,
        to: &RemotePath,
        if_unchanged: Option<&FileInfo>,
    ) -> Result<Evidence, Fault> {
        let (found, server) = self.seen(site, &[from, to]).await?;
        let source = present(site, from, found.first())?;
        check_unchanged(from, source, if_unchanged)?;
        Ok(Evidence::new(&found, server))
    }

    /// Gives a file or folder another name. Whether a name that is taken is replaced is the server's
    /// business. With `in_doubt`, an earlier try may have been carried out.
    ///
    /// # Errors
    /// `ftp.exists` where the server refuses a name that is taken; `run.indeterminate`; any other
    /// `ftp.*` fault.
    pub async fn rename(
        &self,
        site: &Site,
        from: &RemotePath,
        to: &RemotePath,
        evidence: &Evidence,
        in_doubt: bool,
    ) -> Result<(), Fault> {
        let what = format!("{from} was renamed to {to}");
        self.settle(site, from, evidence, &what, in_doubt, |session, doubt| {
            let (from, to, evidence, what) = (from.clone(), to.clone(), evidence.clone(), what.clone());
            Box::pin(async move {
                if doubt.is_open() {
                    match look_at_rename(session, &from, &to, &evidence, &what).await? {
                        Seen::Done => return Ok(()),
                        Seen::Again => {}
                    }
                }
                crash::point("remote.rename");
                let renamed = doubt.during(session.rename(&from, &to)).await;
                crash::point("remote.renamed");
                renamed
            })
        })
        .await
    }

    /// Looks at a file that is to be removed.
    ///
    /// # Errors
    /// `ftp.not-found`; `ftp.remote-changed` when it isn't `if_unchanged`; any other `ftp.*` fault.
    pub async fn plan_remove(
        &self,
        site: &Site,
        path: &RemotePath,
        if_unchanged: Option<&FileInfo>,
    ) -> Result<Evidence, Fault> {
        let (found, server) = self.seen(site, &[path]).await?;
        check_unchanged(path, present(site, path, found.first())?, if_unchanged)?;
        Ok(Evidence::new(&found, server))
    }

    /// Removes a file. With `in_doubt`, an earlier try may have been carried out; then a file that is
    /// another one by now is left alone.
    ///
    /// # Errors
    /// `run.indeterminate` when the server couldn't be asked any more; any other `ftp.*` fault.
    pub async fn remove(
        &self,
        site: &Site,
        path: &RemotePath,
        evidence: &Evidence,
        in_doubt: bool,
    ) -> Result<(), Fault> {
        let what = format!("{path} was removed");
        self.settle(site, path, evidence, &what, in_doubt, |session, doubt| {
            let (path, evidence) = (path.clone(), evidence.clone());
            Box::pin(async move {
                if doubt.is_open() {
                    let now = session.stat(&path).await?;
                    let same = |now: &FileInfo| evidence.at(0).and_then(|before| is_same(now, before));
                    // What can't be told apart is taken for the same: it still has its name, and the
                    // workflow wants what has it gone.
                    match now {
                        Some(now) if same(&now) != Some(false) => {}
                        _ => return Ok(()),
                    }
                }
                crash::point("remote.remove");
                let removed = doubt.during(session.remove(&path)).await;
                crash::point("remote.removed");
                removed
            })
        })
        .await
    }

    /// Looks at a folder that is to be made.
    ///
    /// # Errors
    /// `ftp.exists` when the name is taken; any other `ftp.*` fault.
    pub async fn plan_make_dir(&self, site: &Site, path: &RemotePath) -> Result<Evidence, Fault> {
        let (found, server) = self.seen(site, &[path]).await?;
        if found.iter().any(Option::is_some) {
            return Err(Fault::new(FaultCode::FtpExists, format!("{path} exists on site {}", site.name)));
        }
        Ok(Evidence::new(&found, server))
    }

    /// Makes a folder, and those above it that are missing.
    ///
    /// # Errors
    /// `ftp.exists` when something else has the name; any other `ftp.*` fault.
    pub async fn make_dir(
        &self,
        site: &Site,
        path: &RemotePath,
        evidence: &Evidence,
        in_doubt: bool,
    ) -> Result<(), Fault> {
        let what = format!("the folder {path} was made");
        self.settle(site, path, evidence, &what, in_doubt, |session, doubt| {
            let path = path.clone();
            Box::pin(async move {
                if doubt.is_open() && session.stat(&path).await?.is_some_and(|now| now.kind == FileKind::Dir)
                {
                    return Ok(());
                }
                let parent = path.parent();
                if !parent.is_root() && session.stat(&parent).await?.is_none() {
                    make_dirs(session, &parent).await?;
                }
                crash::point("remote.mkdir");
                let made = doubt.during(session.make_dir(&path)).await;
                crash::point("remote.mkdir.done");
                made
            })
        })
        .await
    }

    /// Looks at a folder that is to be removed.
    ///
    /// # Errors
    /// `ftp.not-found`; any other `ftp.*` fault.
    pub async fn plan_remove_dir(&self, site: &Site, path: &RemotePath) -> Result<Evidence, Fault> {
        let (found, server) = self.seen(site, &[path]).await?;
        present(site, path, found.first())?;
        Ok(Evidence::new(&found, server))
    }

    /// Removes an empty folder.
    ///
    /// # Errors
    /// `ftp.denied` (or what else the server says) when it isn't empty; any other `ftp.*` fault.
    pub async fn remove_dir(
        &self,
        site: &Site,
        path: &RemotePath,
        evidence: &Evidence,
        in_doubt: bool,
    ) -> Result<(), Fault> {
        let what = format!("the folder {path} was removed");
        self.settle(site, path, evidence, &what, in_doubt, |session, doubt| {
            let path = path.clone();
            Box::pin(async move {
                if doubt.is_open() && session.stat(&path).await?.is_none() {
                    return Ok(());
                }
                crash::point("remote.rmdir");
                let removed = doubt.during(session.remove_dir(&path)).await;
                crash::point("remote.rmdir.done");
                removed
            })
        })
        .await
    }

    /// Sets when a file was last changed; may be done any number of times.
    ///
    /// # Errors
    /// `ftp.unsupported` when the server has no command for it; any other `ftp.*` fault.
    pub async fn set_modified(&self, site: &Site, path: &RemotePath, at: Timestamp) -> Result<(), Fault> {
        let done = self
            .repeat(site, path, |session| {
                let path = path.clone();
                Box::pin(async move { session.set_modified(&path, at).await })
            })
            .await?;
        if done {
            return Ok(());
        }
        let why = format!("the server of site {} can't set the time of {path}", site.name);
        Err(Fault::new(FaultCode::FtpUnsupported, why))
    }
}

/// What stands at a name that must be taken.
fn present<'f>(
    site: &Site,
    path: &RemotePath,
    found: Option<&'f Option<FileInfo>>,
) -> Result<&'f FileInfo, Fault> {
    found
        .and_then(Option::as_ref)
        .ok_or_else(|| Fault::new(FaultCode::FtpNotFound, format!("{path} isn't on site {}", site.name)))
}

/// Whether a rename that is in doubt took place.
async fn look_at_rename(
    session: &mut dyn Remote,
    from: &RemotePath,
    to: &RemotePath,
    evidence: &Evidence,
    what: &str,
) -> Result<Seen, Fault> {
    let Some(before) = evidence.at(0) else {
        return Err(Fault::new(FaultCode::StateDamaged, "a rename without evidence of its source"));
    };
    let source = session.stat(from).await?;
    if source.as_ref().and_then(|now| is_same(now, before)) == Some(true) {
        return Ok(Seen::Again);
    }
    let target = session.stat(to).await?;
    match (&source, &target) {
        (_, Some(now)) if is_same(now, before) == Some(true) => Ok(Seen::Done),
        // Of folders many servers tell nothing that could be compared. The name was free, and now it
        // is taken by what the other one has lost.
        (None, Some(now)) if evidence.at(1).is_none() && is_same(now, before) != Some(false) => {
            Ok(Seen::Done)
        }
        // Nor can a folder that never left be mistaken for another while the new name is still free.
        (Some(now), None) if is_same(now, before).is_none() => Ok(Seen::Again),
        (None, None) => Err(unknown(what, &"neither name is there")),
        _ => Err(unknown(what, &"what stands at the names is neither as it was nor as it should be")),
    }
}
