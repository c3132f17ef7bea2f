//! One attempt of a download.

use std::sync::Arc;

use bytes::Bytes;

use super::receive::{End, Receive};
use super::resume::{overlap, verified_prefix};
use super::run::Download;
use super::sink::Sink;
use crate::model::{
    ByteCount, Fault, FaultClass, FaultCode, FileInfo, FileKind, IfSourceGrows, Offset, Receipt,
};
use crate::transfer::course::Trouble;
use crate::transfer::hash::{HashState, Hasher};
use crate::transfer::local::{PartFile, blocking};
use crate::transfer::policy::{self, Verdict};
use crate::transfer::pool::{Lease, Want};
use crate::transfer::record::{self, Writes, compact};
use crate::transfer::remote::Finish;
use crate::transfer::sidecar;
use crate::transfer::source::{Change, compare, same_on_both};

/// Files up to this length are committed only once, when they are verified: fetching them again costs
/// no more than another write to the log.
pub(super) const SMALL_BYTES: u64 = 1 << 20;

impl Download<'_> {
    pub(super) async fn attempt(&mut self) -> Result<Receipt, Trouble> {
        let job = self.job;
        self.met = None;
        let mut lease = job.stop.unless(self.transfers.lease(&job.site, &self.want())).await?;
        self.met = lease.member.clone();
        let source = job.stop.unless(self.look(&mut lease)).await?;
        policy::check_source(&source, &job.options, FaultCode::FtpRemoteChanged)?;
        // A direct transfer that goes on finds its own beginnings there.
        if !(job.options.direct && self.header.is_some()) {
            match self.judge_target(&source).await? {
                Verdict::Go => {}
                Verdict::Leave => {
                    lease.give_back();
                    return Ok(self.left().await?);
                }
                Verdict::Taken => return Err(self.taken().into()),
            }
        }
        let source = self.settle_source(source, &lease)?;
        if let Some(algorithm) = job.options.check_sidecar {
            // Before the bytes: whoever forgot it should not wait for them.
            let read = sidecar::read(&mut *lease, &job.remote, algorithm);
            self.sidecar = Some(job.stop.unless(read).await?);
        }
        let total = source.size.map(|size| size.0);

        let (part, hasher) = self.open_part(total).await?;
        let from = hasher.length();
        self.course.resumed_from = from;
        job.watch.started(source.size, ByteCount(from));
        if from > 0 || total.is_none_or(|total| total > SMALL_BYTES) {
            self.commit_begin().await?;
        }
        let (lease, hasher) = if from > 0 && total == Some(from) {
            (Some(lease), hasher)
        } else {
            self.receive(lease, part.clone(), hasher, &source).await?
        };
        let lease = self.look_again(lease, &source, hasher.length()).await?;
        self.verify(lease, part, hasher, &source).await
    }

    /// Any server will do, but rather the one that it was begun at.
    fn want(&self) -> Want<'_> {
        Want::path(&self.job.remote).rather(self.whereabouts.server.as_deref())
    }

    /// What the source is now.
    async fn look(&self, lease: &mut Lease) -> Result<FileInfo, Fault> {
        let found = lease.stat(&self.job.remote).await?;
        found.ok_or_else(|| {
            let why = format!("{} isn't on site {}", self.job.remote, self.job.site.name);
            Fault::new(FaultCode::FtpNotFound, why)
        })
    }

    /// What stands at the target, and what the policy makes of it.
    async fn judge_target(&self, source: &FileInfo) -> Result<Verdict, Fault> {
        let local = &self.local;
        let target = local.root.stat(&local.inside).await?;
        match target.as_ref().map(|target| target.kind) {
            None | Some(FileKind::File) => {}
            Some(FileKind::Dir) => {
                return Err(Fault::new(FaultCode::FileExists, format!("{local} is a folder")));
            }
            Some(FileKind::Link | FileKind::Other) => {
                let why = format!("{local} isn't a plain file, and is not replaced");
                return Err(Fault::new(FaultCode::FileDenied, why));
            }
        }
        Ok(policy::judge(self.job.options.if_exists, source, target.as_ref()))
    }

    /// Makes `source` the one of this generation, or says that a new one is due. Gives the source
    /// with the length up to which it is to be fetched.
    fn settle_source(&mut self, source: FileInfo, lease: &Lease) -> Result<FileInfo, Trouble> {
        self.move_to(lease, &source)?;
        let Some(header) = &mut self.header else {
            self.first_generation(&source, lease.features());
            return Ok(source);
        };
        let compared = compare(&compact(&source), &header.source);
        let known = header.source.size.is_some();
        match compared {
            // A new generation knows nothing of its source yet, so everything is the same as that.
            Change::Same => {
                header.source = compact(&source);
                Ok(source)
            }
            Change::Grown if known => match self.job.options.if_source_grows {
                IfSourceGrows::Fail => Err(self.grown().into()),
                IfSourceGrows::UpToStartSize => Ok(FileInfo { size: header.source.size, ..source }),
                IfSourceGrows::Follow => {
                    header.source = compact(&source);
                    self.header_committed = false;
                    Ok(source)
                }
            },
            Change::Grown | Change::Other => Err(Trouble::Discard(self.changed())),
        }
    }

    /// Goes on with another server than the one that the bytes so far are from, if its file can be told to
    /// be the same; the overlap is compared as well before anything is joined on.
    fn move_to(&mut self, lease: &Lease, source: &FileInfo) -> Result<(), Trouble> {
        let Some(here) = lease.server() else { return Ok(()) };
        let before = self.whereabouts.server.replace(here.to_string());
        if before.as_deref() == Some(&**here) {
            return Ok(());
        }
        self.header_committed = false;
        let (Some(header), Some(_)) = (&mut self.header, &self.tail) else {
            // Nothing has come yet, so that any of them will do.
            if let Some(header) = &mut self.header {
                header.source = compact(source);
            }
            return Ok(());
        };
        if self.job.site.servers.shared_storage {
            return Ok(());
        }
        if !same_on_both(source, &header.source, self.job.site.servers.time_tolerance) {
            let from = before.as_deref().unwrap_or("another server");
            let why = format!("{} on {here} can't be told to be the one on {from}", self.job.remote);
            return Err(Trouble::Restart(Fault::new(FaultCode::FtpRemoteChanged, why)));
        }
        // From now on it is this server's file that must not change.
        header.source = compact(source);
        Ok(())
    }

    /// Opens the part and proves as much of it as the log allows.
    async fn open_part(&mut self, total: Option<u64>) -> Result<(Arc<PartFile>, Hasher), Fault> {
        let Some(header) = &self.header else {
            return Err(Fault::new(FaultCode::HostBug, "a download without a generation"));
        };
        let at = self.part_of(header.generation);
        let algorithms = header.algorithms.clone();
        // Without a length nothing tells that the rest of the same file would follow.
        let tail = self.tail.as_ref().filter(|_| total.is_some()).map(|tail| tail.state.clone());
        let chunks = if tail.is_some() { record::chunks(&*self.job.log).await? } else { Vec::new() };
        let durable = total.is_none_or(|total| total > SMALL_BYTES);
        // Goes with this future: once nobody waits, the thread lets go of the part.
        let waiting = Arc::new(());
        let asked = Arc::downgrade(&waiting);
        let (part, found, hasher) = blocking(move || {
            let wanted = || asked.strong_count() > 0;
            let (part, found) = PartFile::open(&at, durable, &wanted)?;
            let hasher = match (&tail, found) {
                (Some(_), true) => verified_prefix(&part, tail.as_ref(), &chunks)?,
                _ => {
                    part.truncate(0)?;
                    None
                }
            };
            Ok((part, found, hasher))
        })
        .await?;
        drop(waiting);
        if found && !self.header_committed && !self.job.options.direct {
            // A small file's first attempt was ended by a crash before it had written to the log.
            self.course.moved(total.unwrap_or(0).min(SMALL_BYTES));
        }
        let hasher = hasher.unwrap_or_else(|| Hasher::new(&algorithms));
        self.tail = (hasher.length() > 0).then(|| record::Tail { state: hasher.state() });
        Ok((Arc::new(part), hasher))
    }

    /// Writes down that an attempt begins, and where.
    async fn commit_begin(&mut self) -> Result<(), Fault> {
        let mut writes = Writes::default().attempts(&self.course.attempts)?;
        if let Some(header) = &self.header {
            writes = writes.header(header)?.whereabouts(&self.whereabouts)?;
        }
        if let Some(tail) = &self.tail {
            writes = writes.tail(HashState::clone(&tail.state))?;
        }
        writes.commit(&*self.job.log).await?;
        self.header_committed = true;
        Ok(())
    }

    /// Fetches what is missing. Gives the session back where it is still good.
    async fn receive(
        &mut self,
        mut lease: Lease,
        part: Arc<PartFile>,
        hasher: Hasher,
        source: &FileInfo,
    ) -> Result<(Option<Lease>, Hasher), Trouble> {
        let committed = hasher.length();
        let total = source.size.map(|size| size.0);
        let overlap_bytes = self.transfers.options().overlap.0;
        let overlap = match committed {
            0 => Bytes::new(),
            _ => {
                let reader = part.clone();
                blocking(move || overlap(&reader, committed, overlap_bytes)).await?
            }
        };
        let from = committed - u64::try_from(overlap.len()).unwrap_or(0);
        match self.job.stop.unless(lease.begin_retrieve(&self.job.remote, Offset(from))).await {
            Ok(()) => {}
            Err(fault) if from > 0 && fault.code == FaultCode::FtpUnsupported => {
                return Err(Trouble::Restart(fault));
            }
            Err(fault) => {
                // vsftpd has the same words for a file that isn't there and one that may not be read.
                let there = fault.code == FaultCode::FtpNotFound && self.look(&mut lease).await.is_ok();
                lease.after::<()>(&Err(fault.clone()));
                return Err(if there { Fault { code: FaultCode::FtpDenied, ..fault } } else { fault }.into());
            }
        }
        let sink = Sink::new(part.clone(), hasher);
        let follow = self.job.options.if_source_grows == IfSourceGrows::Follow;
        let receive = Receive {
            job: self.job,
            clock: self.transfers.clock(),
            options: self.transfers.options(),
            throttle: &mut self.throttle,
            overlap,
            header: self.header.clone().filter(|_| !self.header_committed),
            committed,
            total,
            limit: total.filter(|_| !follow),
        };
        let end = receive.run(&mut *lease, &sink, &mut self.course).await;
        match (sink.close().await, end) {
            // The thread knows best why it ended.
            (Err(fault), _) | (Ok(_), End::Local(fault)) => {
                lease.abandon().await;
                Err(fault.into())
            }
            (Ok((hasher, mark)), end) => {
                self.pending = Some((part, mark));
                self.after_receive(lease, end, hasher, source, from).await
            }
        }
    }

    /// Judges how the data connection, on which bytes `from` an offset were asked for, ended: by what
    /// has come, not by what the server says.
    async fn after_receive(
        &mut self,
        mut lease: Lease,
        end: End,
        hasher: Hasher,
        source: &FileInfo,
        from: u64,
    ) -> Result<(Option<Lease>, Hasher), Trouble> {
        let total = source.size.map(|size| size.0);
        let length = hasher.length();
        let finish = match end {
            End::Eof => self.job.stop.unless(lease.finish()).await?,
            End::Over => {
                lease.abandon().await;
                // There may be no place for a second session beside this one.
                drop(lease);
                return match self.job.options.if_source_grows {
                    IfSourceGrows::UpToStartSize => Ok((None, hasher)),
                    IfSourceGrows::Fail | IfSourceGrows::Follow => Err(self.why_over(source, from).await),
                };
            }
            End::Differs => {
                lease.abandon().await;
                let why = "what the server sent doesn't join on to what is there";
                return Err(Trouble::Restart(Fault::new(FaultCode::FtpRemoteChanged, why)));
            }
            End::Stopped(kind) => {
                lease.abandon().await;
                return Err(kind.fault().into());
            }
            End::Lost(fault) => {
                lease.abandon().await;
                Finish::Unconfirmed(fault)
            }
            End::Local(fault) => return Err(fault.into()),
        };
        let reply = match finish {
            Finish::Confirmed => None,
            Finish::Unconfirmed(fault) => Some(fault),
        };
        let name = &self.job.remote;
        match (total, reply) {
            (Some(total), None) if length >= total => Ok((Some(lease), hasher)),
            // It is all there, whatever the reply was; another session looks whether that is all.
            (Some(total), Some(_)) if length >= total => Ok((None, hasher)),
            (None, None) => Ok((Some(lease), hasher)),
            (Some(total), None) => {
                let why =
                    format!("{length} of {total} bytes of {name} came, and the server says that this is all");
                lease.give_back();
                Err(Fault::new(FaultCode::FtpTruncated, why).into())
            }
            (Some(total), Some(fault)) => {
                Err(fault.while_doing(format_args!("{length} of {total} bytes of {name} came")).into())
            }
            (None, Some(fault)) => {
                Err(Trouble::Discard(fault.while_doing(format_args!("{length} bytes of {name} came"))))
            }
        }
    }

    /// Why more bytes came than the file has: it grew, or it is another one now; or REST was ignored, and
    /// the file so much like itself that the overlap didn't show it.
    async fn why_over(&self, source: &FileInfo, from: u64) -> Trouble {
        let again = async {
            let mut lease = self.transfers.lease(&self.job.site, &self.want()).await?;
            let again = self.look(&mut lease).await?;
            lease.give_back();
            Ok::<_, Fault>(again)
        };
        let again = match self.job.stop.unless(again).await {
            Ok(again) => again,
            Err(fault) => return fault.into(),
        };
        match compare(&again, source) {
            Change::Grown => self.grown().into(),
            Change::Other => Trouble::Discard(self.changed()),
            Change::Same => {
                let why = format!("more bytes of {} came than the server says it has", self.job.remote);
                let fault = Fault::new(FaultCode::FtpRemoteChanged, why);
                match from {
                    0 => fault.with_class(FaultClass::Permanent).into(),
                    _ => Trouble::Restart(fault),
                }
            }
        }
    }

    /// SIZE and MDTM once more: a file that changed while it was read may be half of each.
    async fn look_again(
        &mut self,
        lease: Option<Lease>,
        source: &FileInfo,
        length: u64,
    ) -> Result<Lease, Trouble> {
        let mut lease = match lease {
            Some(lease) => lease,
            None => self.job.stop.unless(self.transfers.lease(&self.job.site, &self.want())).await?,
        };
        let again = self.job.stop.unless(self.look(&mut lease)).await?;
        let servers = &self.job.site.servers;
        let elsewhere =
            lease.server().is_some_and(|here| self.whereabouts.server.as_deref() != Some(&**here));
        if elsewhere && !servers.shared_storage {
            return match same_on_both(&again, source, servers.time_tolerance) {
                true => Ok(lease),
                // Its own server can't be asked any more whether it changed while it was read.
                false => Err(Trouble::Restart(self.changed())),
            };
        }
        match (compare(&again, source), self.job.options.if_source_grows) {
            (Change::Same, _) => Ok(lease),
            (Change::Grown, IfSourceGrows::UpToStartSize) => Ok(lease),
            (Change::Grown, IfSourceGrows::Fail) => Err(self.grown().into()),
            (Change::Grown, IfSourceGrows::Follow) if again.size == Some(ByteCount(length)) => Ok(lease),
            (Change::Grown, IfSourceGrows::Follow) => {
                lease.give_back();
                Err(Trouble::GoOn)
            }
            (Change::Other, _) => Err(Trouble::Discard(self.changed())),
        }
    }

    fn grown(&self) -> Fault {
        Fault::new(FaultCode::FtpRemoteChanged, format!("{} grew while it was read", self.job.remote))
            .with_class(FaultClass::Permanent)
            .with_hint("if-source-grows says what else may be done: up-to-start-size, or follow")
    }

    fn changed(&self) -> Fault {
        Fault::new(FaultCode::FtpRemoteChanged, format!("{} changed while it was read", self.job.remote))
    }
}
