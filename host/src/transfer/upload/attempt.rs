//! One attempt of an upload.

use std::sync::Arc;

use super::feed::After;
use super::finish::Complete;
use super::origin::{Found, Opened, Origin, change};
use super::plan::Plan;
use super::run::Upload;
use super::send::{End, Send, first_reserve};
use crate::crash;
use crate::model::{
    ByteCount, Digest, Fault, FaultClass, FaultCode, FileInfo, FileKind, IfExists, IfSourceGrows, Receipt,
    RemotePath,
};
use crate::transfer::copy::{Both, Extent, SiteFile};
use crate::transfer::course::Trouble;
use crate::transfer::hash::Hasher;
use crate::transfer::local::{Identity, Source, blocking};
use crate::transfer::policy::{self, Verdict};
use crate::transfer::pool::Lease;
use crate::transfer::record::{Header, Writes, compact};
use crate::transfer::remote::{Finish, Remote, StoreFrom};
use crate::transfer::sidecar;
use crate::transfer::source::{Change, same_on_both};

impl Upload<'_> {
    pub(super) async fn attempt(&mut self) -> Result<Receipt, Trouble> {
        let job = self.job;
        let (mut lease, found) = self.meet().await?;
        self.move_to(&lease)?;
        let info = found.info.clone();
        if let Some(left) = self.judge_target(&mut lease, &info).await? {
            found.give_back();
            lease.give_back();
            return Ok(left);
        }
        self.settle_source(&found, &lease)?;
        self.sidecar.clone_from(&found.sidecar);
        let (before, mode) = (found.identity().cloned(), found.mode);

        let follow = job.options.if_source_grows == IfSourceGrows::Follow;
        let wanted = self.header().map(|header| header.source.size)?;
        let total = wanted.map(|size| size.0);
        let extent = Extent { limit: total.filter(|_| !follow), total };
        let plan = self.plan(&mut lease, found, extent.limit).await?;
        let at = plan.supply.at();
        self.course.resumed_from = at;
        job.watch.started(wanted, ByteCount(at));
        self.commit_begin(plan.from, at, extent.limit).await?;
        self.begin_store(&mut lease, plan.from).await?;
        let restarted = matches!(plan.from, StoreFrom::Restart(_));
        let (hasher, after) = self.send(&mut lease, plan, extent).await?;
        self.check_after(before.as_ref(), after, &hasher.digests())?;
        self.check_size(&mut lease, hasher.length(), restarted).await?;
        let complete = Complete { digests: hasher.digests(), length: hasher.length(), source: info, mode };
        self.verify(lease, complete).await
    }

    /// Looks at the source, and gets a session with the target's server; a copy needs one with the
    /// source's, too.
    async fn meet(&mut self) -> Result<(Lease, Found), Trouble> {
        let job = self.job;
        let changed = self.origin.changed_code();
        match &self.origin {
            Origin::Folder(local) => {
                let (local, local_of_source) = (local.clone(), local.clone());
                let wanted = job.options.check_sidecar;
                let (source, identity, info, mode) = blocking(move || {
                    let source = Source::open(&local_of_source)?;
                    let (identity, info, mode) = (source.identity()?, source.info()?, source.mode()?);
                    Ok((Arc::new(source), identity, info, mode))
                })
                .await?;
                policy::check_source(&info, &job.options, changed)?;
                let sidecar = match wanted {
                    Some(algorithm) => Some(sidecar::read_local(local, algorithm).await?),
                    None => None,
                };
                let mode = Some(mode).filter(|_| job.options.keep_mode);
                let lease = job.stop.unless(self.transfers.lease(&job.site, &self.want())).await?;
                Ok((lease, Found { info, sidecar, mode, opened: Opened::Folder { source, identity } }))
            }
            Origin::Site(file) => {
                let file = file.clone();
                let server = self.whereabouts.origin.clone();
                let both = async {
                    let target = (&*job.site, self.want());
                    Ok(file.lease_both(self.transfers, server.as_deref(), target).await)
                };
                let (mut source, target) = match job.stop.unless(both).await? {
                    Both::Sessions { source, target } => (source, target),
                    Both::NoTarget(fault) => return Err(fault.into()),
                    Both::NoSource(fault) => return Err(self.at_origin(fault).into()),
                };
                let info = match job.stop.unless(file.look(&mut source)).await {
                    Ok(info) => info,
                    Err(fault) => return Err(self.at_origin(fault).into()),
                };
                policy::check_source(&info, &job.options, changed).map_err(|fault| self.at_origin(fault))?;
                let beside = self.beside(&mut source, &file);
                let (sidecar, mode) = match job.stop.unless(beside).await {
                    Ok(found) => found,
                    Err(fault) => return Err(self.at_origin(fault).into()),
                };
                Ok((target, Found { info, sidecar, mode, opened: Opened::Site { lease: source, file } }))
            }
        }
    }

    /// What else the options want to know of a source on another site: its sidecar, and its mode.
    async fn beside(
        &self,
        lease: &mut Lease,
        file: &SiteFile,
    ) -> Result<(Option<Digest>, Option<u32>), Fault> {
        let sidecar = match self.job.options.check_sidecar {
            Some(algorithm) => Some(sidecar::read(&mut **lease, &file.path, algorithm).await?),
            None => None,
        };
        let mode = match self.job.options.keep_mode {
            true => lease.mode(&file.path).await?,
            false => None,
        };
        Ok((sidecar, mode))
    }

    /// A fault that is the source's server's, not the target's.
    pub(super) fn at_origin(&mut self, fault: Fault) -> Fault {
        self.origin_failed = self.origin.is_remote();
        fault
    }

    /// The generation; there is one once the source was settled.
    pub(super) fn header(&self) -> Result<&Header, Fault> {
        self.header.as_ref().ok_or_else(|| Fault::new(FaultCode::HostBug, "an upload without a generation"))
    }

    /// What the policy makes of what stands at the target. Gives a receipt when that is to be left.
    async fn judge_target(&mut self, lease: &mut Lease, source: &FileInfo) -> Result<Option<Receipt>, Fault> {
        // A direct transfer that goes on finds its own beginnings there.
        let own = self.job.options.direct && self.begun;
        if own || self.job.options.if_exists == IfExists::Replace {
            return Ok(None);
        }
        let found = self.job.stop.unless(lease.stat(&self.job.remote)).await?;
        match policy::judge(self.job.options.if_exists, source, found.as_ref()) {
            Verdict::Go => Ok(None),
            Verdict::Taken => Err(self.taken()),
            Verdict::Leave => {
                let found = found.ok_or_else(|| self.taken())?;
                Ok(Some(self.left(found)))
            }
        }
    }

    /// Makes the source the one of this generation, or says that a new one is due.
    fn settle_source(&mut self, found: &Found, lease: &Lease) -> Result<(), Trouble> {
        self.move_origin(found)?;
        let Some(header) = &mut self.header else {
            self.first_generation(found, lease.features());
            return Ok(());
        };
        let identity = found.identity().cloned();
        let change = found.change_since(&header.source, header.identity.as_ref());
        let grows = self.job.options.if_source_grows;
        match (change, grows) {
            (Change::Same, _) | (Change::Grown, IfSourceGrows::Follow) => {
                header.source = compact(&found.info);
                header.identity = identity;
                Ok(())
            }
            // The states of the chunks tell whether the prefix is still what was sent.
            (Change::Grown, IfSourceGrows::UpToStartSize) => Ok(()),
            (Change::Grown, IfSourceGrows::Fail) => Err(self.grown().into()),
            (Change::Other, _) => Err(Trouble::Discard(self.changed())),
        }
    }

    /// Goes on with another server of the source's site than the one that the bytes so far are from, if
    /// its file can be told to be the same; the last chunk is compared as well.
    fn move_origin(&mut self, found: &Found) -> Result<(), Trouble> {
        let Opened::Site { lease, file } = &found.opened else { return Ok(()) };
        let Some(here) = lease.server() else { return Ok(()) };
        let before = self.whereabouts.origin.replace(here.to_string());
        let servers = &file.site.servers;
        let moved = before.as_deref() != Some(&**here);
        let Some(header) = self.header.as_mut().filter(|_| moved && self.begun) else { return Ok(()) };
        if servers.shared_storage {
            return Ok(());
        }
        if !same_on_both(&found.info, &header.source, servers.time_tolerance) {
            let from = before.as_deref().unwrap_or("another server");
            let why = format!("{file} at {here} can't be told to be the one at {from}");
            return Err(Trouble::Restart(self.at_origin(Fault::new(FaultCode::FtpRemoteChanged, why))));
        }
        // From now on it is this server's file that must not change.
        header.source = compact(&found.info);
        Ok(())
    }

    /// Writes down what is about to go out.
    async fn commit_begin(&mut self, from: StoreFrom, at: u64, limit: Option<u64>) -> Result<(), Fault> {
        let reserved = first_reserve(self.transfers.options(), at, limit);
        let attempts = self.course.attempts_reserving(reserved - at);
        let Some(header) = &mut self.header else {
            return Err(Fault::new(FaultCode::HostBug, "an upload without a generation"));
        };
        header.may_send = header.may_send.max(reserved);
        header.appending = from == StoreFrom::Append;
        self.settled = false;
        self.begun = true;
        let writes = Writes::default().attempts(&attempts)?.header(header)?;
        let writes = writes.whereabouts(&self.whereabouts)?;
        crash::point("upload.begin");
        writes.commit(&*self.job.log).await?;
        crash::point("upload.begun");
        Ok(())
    }

    /// STOR or APPE; once more after making the folders above, where they may be missing.
    async fn begin_store(&mut self, lease: &mut Lease, from: StoreFrom) -> Result<(), Trouble> {
        let (part, stop) = (self.part()?, &self.job.stop);
        crash::point("upload.store");
        let refused = match stop.unless(lease.begin_store(&part, from)).await {
            Ok(()) => return Ok(()),
            Err(fault) => fault,
        };
        if let StoreFrom::Restart(_) | StoreFrom::Append = from
            && refused.code == FaultCode::FtpUnsupported
        {
            return self.refused_restart(from, refused);
        }
        let parent = self.job.remote.parent();
        if !may_lack_folder(&refused) || parent.is_root() || lease.is_poisoned() {
            return Err(refused.into());
        }
        // Where it is there by now, another transfer may have made it between the refusal and this look.
        if !stop.unless(lease.stat(&parent)).await?.is_some_and(|found| found.kind == FileKind::Dir) {
            stop.unless(make_dirs(&mut **lease, &parent)).await?;
        }
        Ok(stop.unless(lease.begin_store(&part, from)).await?)
    }

    /// A server that refuses REST before STOR: the next attempt appends, once it has read back what is
    /// there. One that refuses that too begins again.
    fn refused_restart(&mut self, from: StoreFrom, refused: Fault) -> Result<(), Trouble> {
        self.settled = true;
        if from != StoreFrom::Append && !self.append_only {
            self.append_only = true;
            return Err(Trouble::GoOn);
        }
        Err(Trouble::Restart(refused))
    }

    /// Sends what is missing, and reads the final reply.
    async fn send(
        &mut self,
        lease: &mut Lease,
        plan: Plan,
        extent: Extent,
    ) -> Result<(Hasher, After), Trouble> {
        let from = plan.supply.at();
        let Some(header) = &mut self.header else {
            return Err(Fault::new(FaultCode::HostBug, "an upload without a generation").into());
        };
        let mut feed = plan.supply.feed(self.transfers, &self.job.stop, extent);
        let send = Send {
            job: self.job,
            clock: self.transfers.clock(),
            options: self.transfers.options(),
            throttle: &mut self.throttle,
            header,
            chunks: &mut self.chunks,
            from,
            limit: extent.limit,
        };
        match send.run(&mut **lease, &mut feed, &mut self.course).await {
            End::Sent => {}
            End::Stopped(kind) => {
                lease.abandon().await;
                return Err(kind.fault().into());
            }
            End::Local(fault) => {
                lease.abandon().await;
                return Err(fault.into());
            }
            End::Lost(fault) => return Err(self.why_lost(lease, fault).await.into()),
        }
        if self.origin.is_remote() {
            // What has come is good, and the target's server shouldn't wait for what the source's has to
            // say: either of them may take its time.
            let finish = self.finish(lease).await;
            let (hasher, after) = feed.close().await.map_err(|fault| self.at_origin(fault))?;
            self.judge_finish(lease, finish?, hasher.length()).await?;
            return Ok((hasher, after));
        }
        // A source that couldn't be read to its end must not look like a whole file.
        let (hasher, after) = match feed.close().await {
            Ok(read) => read,
            Err(fault) => {
                lease.abandon().await;
                return Err(fault.into());
            }
        };
        let finish = self.finish(lease).await?;
        self.judge_finish(lease, finish, hasher.length()).await?;
        Ok((hasher, after))
    }

    /// Ends the data connection and reads the final reply.
    async fn finish(&mut self, lease: &mut Lease) -> Result<Finish, Fault> {
        crash::point("upload.sent");
        let finish = self.job.stop.unless(lease.finish()).await?;
        crash::point("upload.finished");
        self.settled = match &finish {
            Finish::Confirmed => true,
            Finish::Unconfirmed(fault) => fault.reply.is_some(),
        };
        Ok(finish)
    }

    /// Whether the server took all `length` bytes, as far as its reply tells.
    async fn judge_finish(&mut self, lease: &mut Lease, finish: Finish, length: u64) -> Result<(), Trouble> {
        match finish {
            Finish::Unconfirmed(fault) if !self.has_whole(lease, &fault, length).await? => {
                Err(fault.while_doing(format_args!("sending {}", self.job.remote)).into())
            }
            Finish::Confirmed | Finish::Unconfirmed(_) => Ok(()),
        }
    }

    /// Whether the server has all bytes although it says 426: some do for a TLS goodbye that comes late
    /// (F18), and would say it again to every attempt.
    async fn has_whole(&self, lease: &mut Lease, fault: &Fault, length: u64) -> Result<bool, Fault> {
        if fault.reply != Some(426) || fault.code != FaultCode::FtpBusy || lease.is_poisoned() {
            return Ok(false);
        }
        match self.job.stop.unless(lease.size(&self.part()?)).await {
            Ok(size) => Ok(size.is_some_and(|size| size.0 == length)),
            Err(fault) if fault.code == FaultCode::FtpUnsupported => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// After a failed write: the server's reply says more than a broken pipe does.
    async fn why_lost(&mut self, lease: &mut Lease, lost: Fault) -> Fault {
        match self.job.stop.unless(lease.finish()).await {
            Ok(Finish::Unconfirmed(fault)) if fault.reply.is_some() => {
                self.settled = true;
                fault.while_doing(format_args!("sending {}", self.job.remote))
            }
            Err(fault) if fault.class == FaultClass::Cancelled => fault,
            _ => lost.while_doing(format_args!("sending {}", self.job.remote)),
        }
    }

    /// The source must be what it was when the attempt began, and what its server says of it true.
    fn check_after(
        &mut self,
        before: Option<&Identity>,
        after: After,
        ours: &[Digest],
    ) -> Result<(), Trouble> {
        let change = match (after, before) {
            (After::Folder(after), Some(before)) => change(before, &after),
            (After::Folder(_), None) => Change::Other,
            (After::Site(judged), _) => {
                if let Some(theirs) = judged.digest
                    && !ours.iter().any(|ours| theirs.agrees_with(ours))
                {
                    let ours = ours.iter().find(|ours| ours.algorithm == theirs.algorithm);
                    let ours = ours.map_or_else(String::new, ToString::to_string);
                    return Err(self.refuted(format!("{} is {theirs} there, and {ours} here", self.origin)));
                }
                judged.change
            }
        };
        match (change, self.job.options.if_source_grows) {
            (Change::Same, _) | (Change::Grown, IfSourceGrows::UpToStartSize) => Ok(()),
            // What came in the meantime was read with the rest, or is sent now.
            (Change::Grown, IfSourceGrows::Follow) => Err(Trouble::GoOn),
            (Change::Grown, IfSourceGrows::Fail) => Err(self.grown().into()),
            (Change::Other, _) => Err(Trouble::Discard(self.changed())),
        }
    }

    /// 226 alone proves nothing: the server must have as many bytes as were sent. One that takes REST
    /// before STOR and begins at 0 all the same (F34) must not be asked for it again.
    async fn check_size(&mut self, lease: &mut Lease, length: u64, restarted: bool) -> Result<(), Trouble> {
        let part = self.part()?;
        match self.job.stop.unless(lease.size(&part)).await {
            Ok(Some(size)) if size.0 == length => Ok(()),
            Ok(size) => {
                let size = size.map_or("nothing".to_owned(), |size| format!("{size} bytes"));
                let why = format!("the server confirmed {length} bytes of {part} and has {size}");
                let fault = Fault::new(FaultCode::FtpTruncated, why);
                if restarted {
                    self.append_only = true;
                    return Err(Trouble::Restart(fault));
                }
                Err(fault.into())
            }
            Err(fault) if fault.code == FaultCode::FtpUnsupported => Ok(()),
            Err(fault) => Err(fault.into()),
        }
    }

    fn grown(&mut self) -> Fault {
        let why = format!("{} grew while it was sent", self.origin);
        let fault = Fault::new(self.origin.changed_code(), why).with_class(FaultClass::Permanent);
        self.at_origin(fault)
            .with_hint("if-source-grows says what else may be done: up-to-start-size, or follow")
    }

    pub(super) fn changed(&mut self) -> Fault {
        let why = format!("{} changed while it was sent", self.origin);
        let fault = Fault::new(self.origin.changed_code(), why).with_class(FaultClass::Transient);
        self.at_origin(fault)
    }
}

/// Whether a refusal of STOR may be for want of the folder: servers have many words for that.
pub(in crate::transfer) fn may_lack_folder(fault: &Fault) -> bool {
    use FaultCode::{FtpBadName, FtpBusy, FtpDenied, FtpNotFound};
    fault.reply.is_some() && matches!(fault.code, FtpNotFound | FtpBadName | FtpDenied | FtpBusy)
}

/// Makes a folder and those above it. What is there already is as good.
pub(in crate::transfer) async fn make_dirs(session: &mut dyn Remote, path: &RemotePath) -> Result<(), Fault> {
    let mut refused = None;
    let text = path.as_str();
    for end in text.match_indices('/').map(|(at, _)| at).chain([text.len()]) {
        let folder = RemotePath::parse(&text[..end])?;
        crash::point("remote.mkdir");
        let made = session.make_dir(&folder).await;
        crash::point("remote.mkdir.done");
        match made {
            Ok(()) => refused = None,
            Err(fault) if fault.code == FaultCode::FtpExists => refused = None,
            // A folder above that may not be made may be there all the same.
            Err(fault) if fault.reply.is_some() => refused = Some(fault),
            Err(fault) => return Err(fault),
        }
    }
    match refused {
        Some(fault) if session.stat(path).await?.is_none() => Err(fault),
        _ => Ok(()),
    }
}
