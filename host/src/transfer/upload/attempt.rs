//! One attempt of an upload.

use std::sync::Arc;
use std::time::Duration;

use super::feed::{Feed, hasher_at};
use super::finish::Complete;
use super::run::{Upload, remove_quietly};
use super::send::{End, Send, first_reserve};
use crate::crash;
use crate::model::{
    ByteCount, Fault, FaultClass, FaultCode, FileInfo, FileKind, IfExists, IfSourceGrows, Offset, Receipt,
    RemotePath,
};
use crate::transfer::course::Trouble;
use crate::transfer::hash::Hasher;
use crate::transfer::local::{Identity, Source, blocking};
use crate::transfer::policy::{self, Verdict};
use crate::transfer::pool::Lease;
use crate::transfer::record::{self, Header, Writes, compact};
use crate::transfer::remote::{Finish, Remote, StoreFrom};

/// How many settle times a part may go on growing before it is given up.
const SETTLE_ROUNDS_MAX: u32 = 5;

/// Where sending begins, and how the server is told.
struct Plan {
    from: StoreFrom,
    hasher: Hasher,
}

impl Upload<'_> {
    pub(super) async fn attempt(&mut self) -> Result<Receipt, Trouble> {
        let (job, local) = (self.job, self.job.local.clone());
        let (source, identity, info) = blocking(move || {
            let source = Source::open(&local)?;
            let (identity, info) = (source.identity()?, source.info()?);
            Ok((Arc::new(source), identity, info))
        })
        .await?;
        policy::check_source(&info, &job.options, FaultCode::FileChanged)?;
        let mut lease = job.stop.unless(self.transfers.lease(&job.site, &self.want())).await?;
        self.move_to(&lease)?;
        if let Some(left) = self.judge_target(&mut lease, &info).await? {
            lease.give_back();
            return Ok(left);
        }
        self.settle_source(&info, &identity, &lease)?;

        let follow = job.options.if_source_grows == IfSourceGrows::Follow;
        let wanted = self.header().map(|header| header.source.size)?;
        let limit = wanted.map(|size| size.0).filter(|_| !follow);
        let plan = self.plan(&mut lease, &source, limit).await?;
        let at = plan.hasher.length();
        self.course.resumed_from = at;
        job.watch.started(wanted, ByteCount(at));
        self.commit_begin(&plan, limit).await?;
        self.begin_store(&mut lease, plan.from).await?;
        let restarted = matches!(plan.from, StoreFrom::Restart(_));
        let (hasher, after) = self.send(&mut lease, source, plan, limit).await?;
        self.check_after(&identity, &after)?;
        self.check_size(&mut lease, hasher.length(), restarted).await?;
        let complete = Complete { digests: hasher.digests(), length: hasher.length(), source: info };
        self.verify(lease, complete).await
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
    fn settle_source(&mut self, info: &FileInfo, identity: &Identity, lease: &Lease) -> Result<(), Trouble> {
        let Some(header) = &mut self.header else {
            self.first_generation(info, identity, lease.features());
            return Ok(());
        };
        let Some(before) = &header.identity else {
            // A new generation takes the source as it finds it.
            header.source = compact(info);
            header.identity = Some(identity.clone());
            return Ok(());
        };
        if before == identity {
            return Ok(());
        }
        let grown = before.same_inode(identity) && identity.size > before.size;
        match self.job.options.if_source_grows {
            // The states of the chunks tell whether the prefix is still what was sent.
            IfSourceGrows::UpToStartSize if grown => Ok(()),
            IfSourceGrows::Follow if grown => {
                header.source = compact(info);
                header.identity = Some(identity.clone());
                Ok(())
            }
            IfSourceGrows::Fail if grown => Err(self.grown().into()),
            _ => Err(Trouble::Discard(self.changed())),
        }
    }

    /// Finds out where to go on.
    async fn plan(
        &mut self,
        lease: &mut Lease,
        source: &Arc<Source>,
        limit: Option<u64>,
    ) -> Result<Plan, Trouble> {
        let algorithms = self.header()?.algorithms.clone();
        let fresh = Plan { from: StoreFrom::Start, hasher: Hasher::new(&algorithms) };
        self.remove_stale(lease).await;
        if !self.begun {
            return Ok(fresh);
        }
        let part = self.part()?;
        let Some(there) = self.settle(lease, &part).await? else {
            return Ok(fresh);
        };
        let header = self.header()?;
        if there > header.may_send || limit.is_some_and(|limit| there > limit) {
            let why = format!("{part} has {there} bytes, of which only {} can be ours", header.may_send);
            return Err(Trouble::Restart(Fault::new(FaultCode::FtpRemoteChanged, why)));
        }
        if header.appending && !self.settled {
            let why = format!("{part} was appended to by a session whose end isn't known");
            return Err(Trouble::Restart(Fault::new(FaultCode::FtpRemoteChanged, why)));
        }
        if there == 0 {
            return Ok(fresh);
        }
        let overlap = self.transfers.options().overlap.0;
        let resumable = lease.features().rest && !self.append_only;
        let at = if resumable { there.saturating_sub(overlap) } else { there };
        let chunks = record::chunks(&*self.job.log).await?;
        let reader = source.clone();
        let hasher = blocking(move || hasher_at(&reader, at, &chunks, &algorithms)).await?;
        let Some(hasher) = hasher else {
            return Err(Trouble::Discard(self.changed()));
        };
        if resumable {
            let from = if at == 0 { StoreFrom::Start } else { StoreFrom::Restart(Offset(at)) };
            return Ok(Plan { from, hasher });
        }
        self.compare_tail(lease, &part, source, there).await?;
        Ok(Plan { from: StoreFrom::Append, hasher })
    }

    /// Tries to remove the parts of earlier generations, for the sake of the server's disk; what fails
    /// is tried again at the end.
    async fn remove_stale(&self, lease: &mut Lease) {
        let stale = self.header.as_ref().map_or(&[][..], |header| &header.stale);
        let apart = self.job.site.servers.are_apart();
        for generation in stale {
            if apart && self.whereabouts.of(*generation) != lease.server().map(|server| &**server) {
                continue;
            }
            if let Ok(part) = self.part_of(*generation)
                && !lease.is_poisoned()
            {
                let _ = remove_quietly(&mut **lease, &part).await;
            }
        }
    }

    /// The size of the part once it stays the same; `None` when there is no part.
    async fn settle(&mut self, lease: &mut Lease, part: &RemotePath) -> Result<Option<u64>, Trouble> {
        let stop = &self.job.stop;
        let look = async |lease: &mut Lease| match stop.unless(lease.size(part)).await {
            Err(fault) if fault.code == FaultCode::FtpUnsupported => Err(Trouble::Restart(fault)),
            size => Ok(size?.map(|size| size.0)),
        };
        let mut size = look(lease).await?;
        if self.settled {
            return Ok(size);
        }
        for _ in 0..SETTLE_ROUNDS_MAX {
            self.pause(self.job.site.limits.settle).await?;
            let again = look(lease).await?;
            if again == size {
                return Ok(size);
            }
            size = again;
        }
        let why = format!("{part} goes on growing although nobody sends");
        Err(Trouble::Restart(Fault::new(FaultCode::FtpBusy, why)))
    }

    async fn pause(&self, time: Duration) -> Result<(), Fault> {
        let clock = self.transfers.clock();
        self.job
            .stop
            .unless(async {
                clock.sleep(time).await;
                Ok(())
            })
            .await
    }

    /// Reads the last bytes of the part back: APPE takes what is there for granted.
    async fn compare_tail(
        &mut self,
        lease: &mut Lease,
        part: &RemotePath,
        source: &Arc<Source>,
        end: u64,
    ) -> Result<(), Trouble> {
        let length = self.transfers.options().overlap.0.min(end);
        let begun = self.job.stop.unless(lease.begin_retrieve(part, Offset(end - length))).await;
        match begun {
            Err(fault) if fault.code == FaultCode::FtpUnsupported => return Err(Trouble::Restart(fault)),
            begun => begun?,
        }
        let mut tail = Vec::new();
        while let Some(bytes) = self.job.stop.unless(lease.read()).await? {
            self.course.moved(u64::try_from(bytes.len()).unwrap_or(0));
            tail.extend_from_slice(&bytes);
        }
        self.job.stop.unless(lease.finish()).await?;
        let reader = source.clone();
        let same = blocking(move || {
            let mut ours = vec![0; usize::try_from(length).unwrap_or(0)];
            let mut filled = 0;
            while filled < ours.len() {
                let at = end - length + u64::try_from(filled).unwrap_or(0);
                match reader.read_at(&mut ours[filled..], at)? {
                    0 => break,
                    read => filled += read,
                }
            }
            Ok(ours == tail)
        })
        .await?;
        if same {
            return Ok(());
        }
        let why = format!("the end of {part} isn't what was sent");
        Err(Trouble::Restart(Fault::new(FaultCode::FtpRemoteChanged, why)))
    }

    /// Writes down what is about to go out.
    async fn commit_begin(&mut self, plan: &Plan, limit: Option<u64>) -> Result<(), Fault> {
        let at = plan.hasher.length();
        let reserved = first_reserve(self.transfers.options(), at, limit);
        let attempts = self.course.attempts_reserving(reserved - at);
        let Some(header) = &mut self.header else {
            return Err(Fault::new(FaultCode::HostBug, "an upload without a generation"));
        };
        header.may_send = header.may_send.max(reserved);
        header.appending = plan.from == StoreFrom::Append;
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
        source: Arc<Source>,
        plan: Plan,
        limit: Option<u64>,
    ) -> Result<(Hasher, Identity), Trouble> {
        let from = plan.hasher.length();
        let Some(header) = &mut self.header else {
            return Err(Fault::new(FaultCode::HostBug, "an upload without a generation").into());
        };
        let mut feed = Feed::new(source, plan.hasher, limit);
        let send = Send {
            job: self.job,
            clock: self.transfers.clock(),
            options: self.transfers.options(),
            throttle: &mut self.throttle,
            header,
            chunks: &mut self.chunks,
            from,
            limit,
        };
        let end = send.run(&mut **lease, &mut feed, &mut self.course).await;
        let read = feed.close().await;
        match end {
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
        // A source that couldn't be read to its end must not look like a whole file.
        let (hasher, after) = match read {
            Ok(read) => read,
            Err(fault) => {
                lease.abandon().await;
                return Err(fault.into());
            }
        };
        crash::point("upload.sent");
        let finish = self.job.stop.unless(lease.finish()).await?;
        crash::point("upload.finished");
        match finish {
            Finish::Confirmed => self.settled = true,
            Finish::Unconfirmed(fault) => {
                self.settled = fault.reply.is_some();
                if !self.has_whole(lease, &fault, hasher.length()).await? {
                    return Err(fault.while_doing(format_args!("sending {}", self.job.remote)).into());
                }
            }
        }
        Ok((hasher, after))
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

    /// The source must be what it was when the attempt began.
    fn check_after(&mut self, before: &Identity, after: &Identity) -> Result<(), Trouble> {
        if before == after {
            return Ok(());
        }
        let grown = before.same_inode(after) && after.size > before.size;
        match self.job.options.if_source_grows {
            IfSourceGrows::UpToStartSize if grown => Ok(()),
            // What came in the meantime was read with the rest, or is sent now.
            IfSourceGrows::Follow if grown => Err(Trouble::GoOn),
            IfSourceGrows::Fail if grown => Err(self.grown().into()),
            _ => Err(Trouble::Discard(self.changed())),
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

    fn grown(&self) -> Fault {
        Fault::new(FaultCode::FileChanged, format!("{} grew while it was sent", self.job.local))
            .with_hint("if-source-grows says what else may be done: up-to-start-size, or follow")
    }

    fn changed(&self) -> Fault {
        Fault::new(FaultCode::FileChanged, format!("{} changed while it was sent", self.job.local))
            .with_class(FaultClass::Transient)
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
