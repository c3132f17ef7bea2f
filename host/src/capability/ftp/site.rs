//! The resource `site`: looking and changing.
//!
//! | call | found begun after a crash |
//! |---|---|
//! | features, list-dir, stat, digest, read-small | asked again |
//! | set-modified | done again: comes to the same |
//! | rename, remove, make-dir, remove-dir, put-bytes | what stands there is compared with what stood there before |
//! | download, upload, wait-for | goes on where its log says |

use serde::Serialize;
use serde::de::DeserializeOwned;
use wasmtime::component::Resource;

use super::transfer::{Transfer, What, exhausted};
use crate::capability::bindings::ftp::{
    Digest as WitDigest, Failure, Features as WitFeatures, FileInfo as WitFileInfo,
    HashAlgorithm as WitAlgorithm, HostSite, Receipt as WitReceipt, Selection as WitSelection,
    TransferOptions as WitOptions,
};
use crate::capability::convert::{
    algorithm_to_model, digest_to_wit, failure, features_to_wit, file_to_model, file_to_wit,
    options_to_model, selection_to_model,
};
use crate::capability::ctx::{Ctx, Fail};
use crate::capability::listing::{Listing, Spool};
use crate::journal::{Effect, Recovery};
use crate::model::{
    Digest, Direction, Fault, FaultCode, FileInfo, FileKind, HashAlgorithm, RemotePath, Select, Site,
    Timestamp, TransferOptions,
};
use crate::transfer::{Evidence, Features, ListItem, Stop, StopKind, Transfers};

/// A site in the hands of a guest. It holds no connection.
#[derive(Debug)]
pub struct SiteHandle {
    pub(super) name: String,
}

#[derive(Serialize)]
struct PathArgs<'a> {
    site: &'a str,
    path: &'a RemotePath,
}

#[derive(Serialize)]
struct ListArgs<'a> {
    site: &'a str,
    path: &'a RemotePath,
    which: &'a Select,
}

#[derive(Serialize)]
struct RenameArgs<'a> {
    site: &'a str,
    source: &'a RemotePath,
    target: &'a RemotePath,
    if_unchanged: Option<&'a FileInfo>,
}

#[derive(Serialize)]
struct RemoveArgs<'a> {
    site: &'a str,
    path: &'a RemotePath,
    if_unchanged: Option<&'a FileInfo>,
}

#[derive(Serialize)]
struct TimeArgs<'a> {
    site: &'a str,
    path: &'a RemotePath,
    at: u64,
}

#[derive(Serialize)]
struct DigestArgs<'a> {
    site: &'a str,
    path: &'a RemotePath,
    algorithm: HashAlgorithm,
}

#[derive(Serialize)]
struct TransferArgs<'a> {
    site: &'a str,
    transfer: &'a Transfer,
    options: &'a TransferOptions,
}

/// What the effects on names have in common: looked at before anything is repeated.
pub(super) const VERIFY: Recovery = Recovery::VerifyThenRerun;

/// Reads a remote path, or gives the failure to the guest.
macro_rules! remote {
    ($ctx:ident, $text:expr) => {
        match RemotePath::parse($text) {
            Ok(path) => path,
            Err(fault) => return $ctx.refuse(fault),
        }
    };
}
pub(super) use remote;

impl HostSite for Ctx {
    async fn open(&mut self, name: String) -> wasmtime::Result<Result<Resource<SiteHandle>, Failure>> {
        if let Err(fault) = self.reach.may_use_site(&name) {
            return self.refuse(fault);
        }
        let reach = self.reach.clone();
        let site = name.clone();
        // The configuration may have changed by the time of a replay, so the answer is recorded.
        let opened: Result<(), Fault> = self
            .step("ftp.open", &name, Recovery::Read, async move |_, _| {
                reach.site(&site)?;
                Ok(())
            })
            .await?;
        match opened {
            Ok(()) => Ok(Ok(self.push(SiteHandle { name })?)),
            Err(fault) => Ok(Err(failure(fault))),
        }
    }

    async fn features(&mut self, it: Resource<SiteHandle>) -> wasmtime::Result<Result<WitFeatures, Failure>> {
        let site = self.site_name(&it)?;
        let found = self
            .on_site("ftp.features", &site, &site, Recovery::Read, async |_, _, site, transfers| {
                Ok(transfers.features(site).await?)
            })
            .await?;
        Ok(found.map(|found: Features| features_to_wit(found)).map_err(failure))
    }

    async fn list_dir(
        &mut self,
        it: Resource<SiteHandle>,
        path: String,
        which: WitSelection,
    ) -> wasmtime::Result<Result<Resource<Listing>, Failure>> {
        let (site, path, which) = (self.site_name(&it)?, remote!(self, &path), selection_to_model(which));
        let args = ListArgs { site: &site, path: &path, which: &which };
        let listed = self
            .on_site("ftp.list-dir", &args, &site, Recovery::Read, async |_, _, site, transfers| {
                let (mut entries, mut unparsed) = (Vec::new(), Vec::new());
                let mut sink = |item: ListItem| match item {
                    ListItem::Entry(entry) => entries.push(entry),
                    ListItem::Unparsed(line) => unparsed.push(line),
                };
                transfers.list(site, &path, &which, &mut sink).await?;
                Ok(Spool::new(entries, unparsed))
            })
            .await?;
        match listed {
            Ok(spool) => Ok(Ok(self.push(Listing::new(spool))?)),
            Err(fault) => Ok(Err(failure(fault))),
        }
    }

    async fn stat(
        &mut self,
        it: Resource<SiteHandle>,
        path: String,
    ) -> wasmtime::Result<Result<Option<WitFileInfo>, Failure>> {
        let (site, path) = (self.site_name(&it)?, remote!(self, &path));
        let args = PathArgs { site: &site, path: &path };
        let found = self
            .on_site("ftp.stat", &args, &site, Recovery::Read, async |_, _, site, transfers| {
                Ok(transfers.stat(site, &path).await?)
            })
            .await?;
        Ok(found.map(|file: Option<FileInfo>| file.map(file_to_wit)).map_err(failure))
    }

    async fn wait_for(
        &mut self,
        it: Resource<SiteHandle>,
        path: String,
        settle: u64,
        timeout: u64,
    ) -> wasmtime::Result<Result<Option<WitFileInfo>, Failure>> {
        self.settled_file(&it, &path, settle, timeout).await
    }

    async fn read_small(
        &mut self,
        it: Resource<SiteHandle>,
        path: String,
        max: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, Failure>> {
        self.small_file(&it, &path, max).await
    }

    async fn put_bytes(
        &mut self,
        it: Resource<SiteHandle>,
        path: String,
        bytes: Vec<u8>,
    ) -> wasmtime::Result<Result<WitReceipt, Failure>> {
        self.put_small_file(&it, &path, bytes).await
    }

    async fn make_dir(
        &mut self,
        it: Resource<SiteHandle>,
        path: String,
    ) -> wasmtime::Result<Result<(), Failure>> {
        let (site, path) = (self.site_name(&it)?, remote!(self, &path));
        let args = PathArgs { site: &site, path: &path };
        let made = self
            .on_site("ftp.make-dir", &args, &site, VERIFY, async |step, _, site, transfers| {
                make_dir(step, site, transfers, &path).await
            })
            .await?;
        Ok(made.map_err(failure))
    }

    async fn remove_dir(
        &mut self,
        it: Resource<SiteHandle>,
        path: String,
    ) -> wasmtime::Result<Result<(), Failure>> {
        let (site, path) = (self.site_name(&it)?, remote!(self, &path));
        let args = PathArgs { site: &site, path: &path };
        let removed = self
            .on_site("ftp.remove-dir", &args, &site, VERIFY, async |step, _, site, transfers| {
                let plan = transfers.plan_remove_dir(site, &path);
                let (evidence, in_doubt) = evidence(step, plan).await?;
                Ok(transfers.remove_dir(site, &path, &evidence, in_doubt).await?)
            })
            .await?;
        Ok(removed.map_err(failure))
    }

    async fn rename(
        &mut self,
        it: Resource<SiteHandle>,
        source: String,
        target: String,
        if_unchanged: Option<WitFileInfo>,
    ) -> wasmtime::Result<Result<(), Failure>> {
        let (site, source, target) = (self.site_name(&it)?, remote!(self, &source), remote!(self, &target));
        let if_unchanged = if_unchanged.map(file_to_model);
        let args =
            RenameArgs { site: &site, source: &source, target: &target, if_unchanged: if_unchanged.as_ref() };
        let renamed = self
            .on_site("ftp.rename", &args, &site, VERIFY, async |step, _, site, transfers| {
                if step.in_doubt().is_none() && transfers.stat(site, &target).await?.is_some() {
                    return Err(taken(site, &target).into());
                }
                let plan = transfers.plan_rename(site, &source, &target, if_unchanged.as_ref());
                let (evidence, in_doubt) = evidence(step, plan).await?;
                Ok(transfers.rename(site, &source, &target, &evidence, in_doubt).await?)
            })
            .await?;
        Ok(renamed.map_err(failure))
    }

    async fn remove(
        &mut self,
        it: Resource<SiteHandle>,
        path: String,
        if_unchanged: Option<WitFileInfo>,
    ) -> wasmtime::Result<Result<(), Failure>> {
        let (site, path) = (self.site_name(&it)?, remote!(self, &path));
        let if_unchanged = if_unchanged.map(file_to_model);
        let args = RemoveArgs { site: &site, path: &path, if_unchanged: if_unchanged.as_ref() };
        let removed = self
            .on_site("ftp.remove", &args, &site, VERIFY, async |step, _, site, transfers| {
                let plan = transfers.plan_remove(site, &path, if_unchanged.as_ref());
                let (evidence, in_doubt) = evidence(step, plan).await?;
                Ok(transfers.remove(site, &path, &evidence, in_doubt).await?)
            })
            .await?;
        Ok(removed.map_err(failure))
    }

    async fn set_modified(
        &mut self,
        it: Resource<SiteHandle>,
        path: String,
        at: u64,
    ) -> wasmtime::Result<Result<bool, Failure>> {
        let (site, path) = (self.site_name(&it)?, remote!(self, &path));
        let args = TimeArgs { site: &site, path: &path, at };
        let set = self
            .on_site("ftp.set-modified", &args, &site, Recovery::Rerun, async |_, _, site, transfers| {
                match transfers.set_modified(site, &path, Timestamp(at).whole_second()).await {
                    Ok(()) => Ok(true),
                    Err(fault) if fault.code == FaultCode::FtpUnsupported => Ok(false),
                    Err(fault) => Err(fault.into()),
                }
            })
            .await?;
        Ok(set.map_err(failure))
    }

    async fn digest(
        &mut self,
        it: Resource<SiteHandle>,
        path: String,
        algorithm: WitAlgorithm,
    ) -> wasmtime::Result<Result<Option<WitDigest>, Failure>> {
        let (site, path) = (self.site_name(&it)?, remote!(self, &path));
        let algorithm = algorithm_to_model(algorithm);
        let args = DigestArgs { site: &site, path: &path, algorithm };
        let found =
            self.on_site("ftp.digest", &args, &site, Recovery::Read, async |_, _, site, transfers| {
                match transfers.digest(site, &path, algorithm).await {
                    Ok(digest) => Ok(Some(digest)),
                    Err(fault) if fault.code == FaultCode::FtpUnsupported => Ok(None),
                    Err(fault) => Err(fault.into()),
                }
            })
            .await?;
        Ok(found.map(|digest: Option<Digest>| digest.and_then(digest_to_wit)).map_err(failure))
    }

    async fn download(
        &mut self,
        it: Resource<SiteHandle>,
        remote: String,
        local: String,
        options: WitOptions,
    ) -> wasmtime::Result<Result<WitReceipt, Failure>> {
        self.transfer("ftp.download", Direction::Download, &it, &remote, &local, options).await
    }

    async fn upload(
        &mut self,
        it: Resource<SiteHandle>,
        local: String,
        remote: String,
        options: WitOptions,
    ) -> wasmtime::Result<Result<WitReceipt, Failure>> {
        self.transfer("ftp.upload", Direction::Upload, &it, &remote, &local, options).await
    }

    async fn drop(&mut self, it: Resource<SiteHandle>) -> wasmtime::Result<()> {
        self.table.delete(it)?;
        Ok(())
    }
}

impl Ctx {
    pub(super) fn site_name(&self, it: &Resource<SiteHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(it)?.name.clone())
    }

    /// A step that asks the site's server, unless it is stopped meanwhile.
    pub(super) async fn on_site<A, T, F>(
        &mut self,
        kind: &'static str,
        args: &A,
        site: &str,
        recovery: Recovery,
        effect: F,
    ) -> wasmtime::Result<Result<T, Fault>>
    where
        A: Serialize,
        T: Serialize + DeserializeOwned,
        F: AsyncFnOnce(&mut Effect, &Stop, &Site, &Transfers) -> Result<T, Fail>,
    {
        let reach = self.reach.clone();
        let name = site.to_owned();
        self.step(kind, args, recovery, async move |step: &mut Effect, stop: &Stop| {
            let site = reach.site(&name)?;
            let asked = async {
                match effect(step, stop, &site, reach.transfers()).await {
                    Err(Fail::Fault(fault)) => Err(match exhausted(fault, Some(site.retry.on_exhausted)) {
                        Ok(fault) => Fail::Fault(fault),
                        Err(halt) => Fail::Halt(halt),
                    }),
                    result => result,
                }
            };
            let stopped = async {
                match stop.stopped().await {
                    // What changes something is waited for: its outcome would be unknown.
                    StopKind::Cancel if recovery != Recovery::Read => std::future::pending().await,
                    kind => kind.fault(),
                }
            };
            tokio::select! {
                biased;
                fault = stopped => Err(Fail::Fault(fault)),
                result = asked => result,
            }
        })
        .await
    }

    async fn transfer(
        &mut self,
        kind: &'static str,
        direction: Direction,
        it: &Resource<SiteHandle>,
        remote: &str,
        local: &str,
        options: WitOptions,
    ) -> wasmtime::Result<Result<WitReceipt, Failure>> {
        let site = self.site_name(it)?;
        let remote = remote!(self, remote);
        let local = match self.reach.local_path(local) {
            Ok(path) => path,
            Err(fault) => return self.refuse(fault),
        };
        let options = match options_to_model(options) {
            Ok(options) => options,
            Err(fault) => return self.refuse(fault),
        };
        let transfer = Transfer { direction, remote, local };
        let args = TransferArgs { site: &site, transfer: &transfer, options: &options };
        self.move_one(kind, &args, &site, What::Transfer(&transfer), &options).await
    }
}

/// What stood there before the effect: from the journal, or looked at now and recorded before
/// anything happens. True when it may have happened already.
pub(super) async fn evidence(
    step: &mut Effect,
    look: impl Future<Output = Result<Evidence, Fault>>,
) -> Result<(Evidence, bool), Fail> {
    if let Some(recorded) = step.in_doubt() {
        return Ok((Evidence::from_bytes(recorded)?, true));
    }
    let evidence = look.await?;
    step.begin(&evidence.to_bytes()?).await?;
    Ok((evidence, false))
}

/// Makes a folder; one that is there already is fine.
async fn make_dir(
    step: &mut Effect,
    site: &Site,
    transfers: &Transfers,
    path: &RemotePath,
) -> Result<(), Fail> {
    if step.in_doubt().is_none() {
        match transfers.stat(site, path).await? {
            Some(found) if found.kind == FileKind::File => return Err(taken(site, path).into()),
            // A link may lead to a folder; the server knows.
            Some(_) => return Ok(()),
            None => {}
        }
    }
    let (evidence, in_doubt) = evidence(step, transfers.plan_make_dir(site, path)).await?;
    match transfers.make_dir(site, path, &evidence, in_doubt).await {
        // Somebody else made it meanwhile.
        Err(fault) if fault.code == FaultCode::FtpExists => match transfers.stat(site, path).await? {
            Some(found) if found.kind != FileKind::File => Ok(()),
            _ => Err(fault.into()),
        },
        made => Ok(made?),
    }
}

fn taken(site: &Site, path: &RemotePath) -> Fault {
    Fault::new(FaultCode::FtpExists, format!("{path} is there already on site {}", site.name))
}
