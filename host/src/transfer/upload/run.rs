//! An upload from its first attempt to its end.

use super::attempt::{make_dirs, may_lack_folder};
use super::finish::Verified;
use super::origin::{Found, Origin};
use crate::crash;
use crate::model::{Digest, Direction, Fault, FaultCode, Receipt, RemotePath};
use crate::transfer::course::{Course, Trouble};
use crate::transfer::hash::HashState;
use crate::transfer::policy;
use crate::transfer::pool::{Lease, Member, Want};
use crate::transfer::record::{Header, Saved, Whereabouts, Writes, compact};
use crate::transfer::remote::{Features, Remote};
use crate::transfer::throttle::Throttle;
use crate::transfer::transfers::{Errand, Job, Transfers};

/// An upload under way.
pub(super) struct Upload<'j> {
    pub(super) transfers: &'j Transfers,
    pub(super) job: &'j Errand<'j>,
    pub(super) origin: Origin,
    pub(super) course: Course<'j>,
    pub(super) throttle: Throttle,
    /// The generation; `None` before the first.
    pub(super) header: Option<Header>,
    /// Of a site with several servers: where the part is, and where earlier ones are.
    pub(super) whereabouts: Whereabouts,
    /// The server of the session that this attempt began with, of a site with several.
    pub(super) met: Option<Member>,
    /// What the source's sidecar says.
    pub(super) sidecar: Option<Digest>,
    /// What this attempt failed with happened at the origin.
    pub(super) origin_failed: bool,
    /// Whether bytes of this generation may be on the server.
    pub(super) begun: bool,
    /// Whether the last session that wrote the part gave its final reply, so that nothing writes any
    /// more. Never so after a crash.
    pub(super) settled: bool,
    /// The server was seen to refuse REST before STOR, or not to do what it promised.
    pub(super) append_only: bool,
    /// Whether the target's folder was looked for after a refusal: once is enough.
    pub(super) folder_sought: bool,
    /// States at the ends of chunks that aren't in the log yet.
    pub(super) chunks: Vec<HashState>,
    /// The part is complete and verified; all that is left is its name.
    pub(super) verified: Option<Verified>,
    /// A rename of the verified part may have happened already.
    pub(super) in_doubt: bool,
}

impl Transfers {
    /// Sends a file: to a part beside its target, verified as far as the server allows, and renamed
    /// once. Goes on where an earlier process, or an earlier attempt, left off. Folders that are
    /// missing on the server are made.
    ///
    /// # Errors
    /// Any `ftp.*`, `file.*` or `verify.*` fault, once the attempts are used up or when no further
    /// attempt could help; then the part is removed if the server can be reached, unless the retry
    /// policy says that the run is paused, or room has to be made first. `run.interrupted` and `run.cancelled` when it was stopped;
    /// `run.indeterminate` when it can't be known whether the file was put in its place.
    pub async fn upload(&self, job: Job<'_>) -> Result<Receipt, Fault> {
        let (job, local) = job.split();
        self.send(job, Origin::Folder(local)).await
    }

    /// Sends what is at `origin`.
    pub(in crate::transfer) async fn send(&self, job: Errand<'_>, origin: Origin) -> Result<Receipt, Fault> {
        let saved = Saved::<Verified>::load(&*job.log).await?;
        let mut upload = Upload {
            transfers: self,
            job: &job,
            origin,
            course: Course::new(self, &job, saved.attempts),
            throttle: self.throttle(&job),
            begun: saved.header.is_some(),
            header: saved.header,
            whereabouts: saved.whereabouts,
            met: None,
            sidecar: None,
            origin_failed: false,
            settled: false,
            append_only: false,
            folder_sought: false,
            chunks: Vec::new(),
            in_doubt: saved.verified.is_some(),
            verified: saved.verified,
        };
        // What an attempt that a crash ended may have sent was counted before it was.
        upload.course.attempts.open = false;
        let result = upload.run().await;
        match &result {
            Err(fault) if upload.course.keeps(fault) => {}
            _ => upload.remove_parts(result.is_err()).await,
        }
        result
    }
}

impl Upload<'_> {
    async fn run(&mut self) -> Result<Receipt, Fault> {
        loop {
            self.course.begin().await?;
            let before = self.header.as_ref().map_or(0, |header| header.may_send);
            self.met = None;
            self.origin_failed = false;
            let trouble = match self.verified.clone() {
                Some(verified) => self.conclude(verified).await,
                None => self.attempt().await,
            };
            let trouble = match trouble {
                Ok(receipt) => return Ok(receipt),
                Err(Trouble::Fault(fault)) if self.made_missing_folder(&fault).await => Trouble::GoOn,
                Err(trouble) => trouble,
            };
            let trouble = trouble.map(|fault| self.name_site(fault));
            match trouble {
                Trouble::Fault(fault) => {
                    if let Some(server) = self.met.take().filter(|_| !self.origin_failed) {
                        server.lost(&fault);
                    }
                    let reached = self.header.as_ref().map_or(0, |header| header.may_send);
                    let further = reached.saturating_sub(before) >= self.transfers.options().commit_after();
                    let writes = self.settled_writes()?;
                    self.course
                        .failed(fault, further, writes)
                        .await
                        .map_err(|fault| self.last_word(fault))?;
                }
                Trouble::Discard(fault) => {
                    let writes = self.new_generation().await?;
                    self.course.failed(fault, false, writes).await?;
                }
                Trouble::Restart(fault) => {
                    let writes = self.new_generation().await?;
                    writes.attempts(&self.course.attempts)?.commit(&*self.job.log).await?;
                    self.job.watch.retry(self.course.attempts.begun, &fault, std::time::Duration::ZERO);
                }
                Trouble::GoOn => {
                    let writes = self.settled_writes()?;
                    writes.attempts(&self.course.attempts)?.commit(&*self.job.log).await?;
                }
            }
        }
    }

    /// Of a copy, says at which of both sites it failed.
    fn name_site(&self, fault: Fault) -> Fault {
        let Origin::Site(origin) = &self.origin else { return fault };
        if !fault.code.as_str().starts_with("ftp.") {
            return fault;
        }
        let site = if self.origin_failed { &origin.site.name } else { &self.job.site.name };
        fault.while_doing(format_args!("site {site}"))
    }

    /// The fault that the transfer ends with. Where the rename may have happened on a server that is gone,
    /// no other one can tell.
    fn last_word(&self, fault: Fault) -> Fault {
        let elsewhere = self.verified.is_some() && self.in_doubt && self.job.site.servers.are_apart();
        if !elsewhere || fault.reply.is_some() || self.course.keeps(&fault) {
            return fault;
        }
        let server = self.whereabouts.server.as_deref().unwrap_or("its server");
        let why = format!(
            "it isn't known whether {} was put in its place on {server}: {}",
            self.job.remote, fault.message
        );
        Fault { attempts: fault.attempts, ..Fault::new(FaultCode::RunIndeterminate, why) }
            .with_hint(format!("look at the folder on {server} once it is back"))
    }

    /// What an attempt wants of its session: the server where the part is. A transfer without a part, and
    /// a rename that may have happened, can go on nowhere else.
    pub(super) fn want(&self) -> Want<'_> {
        let (path, server) = (Want::path(&self.job.remote), self.whereabouts.server.as_deref());
        let apart = self.job.site.servers.are_apart();
        let bound = apart && (self.job.options.direct && self.begun || self.in_doubt);
        if bound { path.only(server) } else { path.rather(server) }
    }

    /// Takes note of the server of an attempt. A part that is on another one, which shares no storage with
    /// it, can't be gone on with.
    pub(super) fn move_to(&mut self, lease: &Lease) -> Result<(), Trouble> {
        self.met = lease.member.clone();
        let Some(here) = lease.server() else { return Ok(()) };
        let there = self.whereabouts.server.as_deref();
        let moved = there != Some(&**here);
        if moved && self.begun && self.job.site.servers.are_apart() {
            let there = there.unwrap_or("another server");
            let why = format!("the part of {} is on {there}, which doesn't answer", self.job.remote);
            return Err(Trouble::Restart(Fault::new(FaultCode::FtpUnreachable, why)));
        }
        self.whereabouts.server = Some(here.to_string());
        Ok(())
    }

    /// Whether the target's folder was missing and has been made. Some servers, libunftp among them,
    /// take STOR and say only afterwards that there is no such folder.
    async fn made_missing_folder(&mut self, fault: &Fault) -> bool {
        let parent = self.job.remote.parent();
        if self.folder_sought || self.origin_failed || !may_lack_folder(fault) || parent.is_root() {
            return false;
        }
        self.folder_sought = true;
        let made = async {
            let mut lease = self.transfers.lease(&self.job.site, &self.want()).await?;
            let missing = lease.stat(&parent).await?.is_none();
            if missing {
                make_dirs(&mut *lease, &parent).await?;
            }
            lease.give_back();
            Ok::<_, Fault>(missing)
        };
        // What goes wrong here goes wrong in the next attempt, too, and is told there.
        self.job.stop.unless(made).await.unwrap_or(false)
    }

    /// The first generation, of the source as it was found; `features` are those of the target's server.
    pub(super) fn first_generation(&mut self, found: &Found, features: &Features) {
        let mut algorithms = policy::algorithms(&self.job.options, features);
        // Both servers of a copy may be able to compare, and each something else.
        algorithms
            .extend(found.features().iter().flat_map(|origin| policy::algorithms(&self.job.options, origin)));
        algorithms.sort();
        algorithms.dedup();
        self.header = Some(Header {
            direction: if self.origin.is_remote() { Direction::Copy } else { Direction::Upload },
            generation: 1,
            stale: Vec::new(),
            source: compact(&found.info),
            identity: found.identity().cloned(),
            algorithms,
            refuted: 0,
            may_send: 0,
            appending: false,
        });
    }

    /// Begins again from byte 0, under a new name. The old part stays on the list until the end, since
    /// something may still be writing to it.
    async fn new_generation(&mut self) -> Result<Writes, Fault> {
        self.chunks.clear();
        self.verified = None;
        let Some(header) = &mut self.header else {
            return Ok(Writes::default());
        };
        if !self.job.options.direct && self.begun {
            header.stale.push(header.generation);
            if let Some((generation, server)) = self.whereabouts.gave_up(header.generation) {
                header.stale.retain(|other| *other != generation);
                leave(self.transfers, self.job, generation, &server);
            }
        }
        header.generation += 1;
        // What the source is now, the next attempt finds out.
        header.identity = None;
        header.source.size = None;
        header.source.modified = None;
        header.source.unique = None;
        header.may_send = 0;
        header.appending = false;
        self.begun = false;
        self.in_doubt = false;
        let writes = Writes::default().forget_generation(&*self.job.log).await?.header(header)?;
        writes.whereabouts(&self.whereabouts)
    }

    /// What an attempt that failed leaves for the next: the chunks that were read.
    fn settled_writes(&mut self) -> Result<Writes, Fault> {
        let mut writes = Writes::default();
        if let Some(header) = &self.header
            && self.begun
        {
            writes = writes.header(header)?.whereabouts(&self.whereabouts)?;
            for chunk in std::mem::take(&mut self.chunks) {
                writes = writes.chunk(&chunk)?;
            }
        }
        Ok(writes)
    }

    /// Where a generation's unfinished file is: the target itself for a direct transfer.
    pub(super) fn part_of(&self, generation: u32) -> Result<RemotePath, Fault> {
        let target = &self.job.remote;
        if self.job.options.direct {
            return Ok(target.clone());
        }
        target.parent().join(&self.job.part.of(target.name(), generation))
    }

    /// Where this generation's unfinished file is.
    pub(super) fn part(&self) -> Result<RemotePath, Fault> {
        self.part_of(self.header.as_ref().map_or(1, |header| header.generation))
    }

    /// Removes what generations left on the server: those before the last, and with `last` that one
    /// too. A failure doesn't change the outcome of the transfer.
    async fn remove_parts(&mut self, last: bool) {
        let Some(header) = &self.header else { return };
        let mut generations = header.stale.clone();
        let current = header.generation;
        if last && self.begun && !self.job.options.direct {
            generations.push(current);
        }
        let apart = self.job.site.servers.are_apart();
        let server_of = |generation: u32| match generation == current {
            _ if !apart => None,
            true => self.whereabouts.server.as_deref(),
            false => self.whereabouts.of(generation),
        };
        while let Some(generation) = generations.first().copied() {
            let server = server_of(generation);
            let here: Vec<u32> = generations.extract_if(.., |other| server_of(*other) == server).collect();
            let parts: Vec<_> = here.iter().filter_map(|generation| self.part_of(*generation).ok()).collect();
            let want = Want::path(&self.job.remote).only(server);
            let removed = async {
                let mut lease = self.transfers.lease(&self.job.site, &want).await?;
                for part in &parts {
                    remove_quietly(&mut *lease, part).await?;
                }
                lease.give_back();
                Ok::<_, Fault>(())
            };
            if let Err(fault) = removed.await {
                tracing::warn!(%fault, "a part couldn't be removed from the server");
                for generation in here {
                    if let Some(server) = server {
                        leave(self.transfers, self.job, generation, server);
                    }
                }
            }
        }
    }

    /// The target is there, and may not be replaced.
    pub(super) fn taken(&self) -> Fault {
        let why = format!("{} exists on site {}", self.job.remote, self.job.site.name);
        Fault::new(FaultCode::FtpExists, why)
    }
}

/// Remembers the part of a generation on a server that doesn't answer, to be removed when it is back.
fn leave(transfers: &Transfers, job: &Errand<'_>, generation: u32, server: &str) {
    let Ok(part) = job.remote.parent().join(&job.part.of(job.remote.name(), generation)) else { return };
    tracing::warn!(site = job.site.name, server, %part, "a part is left on a server that doesn't answer");
    if let Some(member) = transfers.member(&job.site, server) {
        member.leave(part);
    }
}

/// Removes a file that may not be there.
pub(in crate::transfer) async fn remove_quietly(
    session: &mut dyn Remote,
    path: &RemotePath,
) -> Result<(), Fault> {
    crash::point("remote.remove");
    let removed = session.remove(path).await;
    crash::point("remote.removed");
    match removed {
        Err(fault) if fault.code == FaultCode::FtpNotFound => Ok(()),
        removed => removed,
    }
}
