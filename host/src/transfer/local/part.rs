//! Open files of a transfer: the part that a download writes, and the source that an upload reads.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::root::{LocalFile, info};
use crate::crash;
use crate::model::{Fault, FaultCode, FileInfo, FileKind, Timestamp};
use crate::transfer::StopKind;

/// How long to wait for another holder of a part: the writer of a transfer that was just dropped
/// in this process, which ends after the write it is in.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// What tells one local file from another and one state of it from the next. A change of content
/// changes at least `changed`, which nobody can set back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Device and inode: the same under another name.
    pub(crate) device: u64,
    /// See `device`.
    pub(crate) inode: u64,
    /// Length in bytes.
    pub(crate) size: u64,
    /// `mtime` in seconds and nanoseconds.
    pub(crate) modified: (i64, i64),
    /// `ctime` in seconds and nanoseconds.
    pub(crate) changed: (i64, i64),
}

impl Identity {
    pub(super) fn new(stat: &Stat) -> Self {
        #[expect(clippy::unnecessary_cast, reason = "the types differ between architectures")]
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }

    /// Whether both are the same inode, whatever became of its content.
    pub(crate) fn same_inode(&self, other: &Self) -> bool {
        self.device == other.device && self.inode == other.inode
    }
}

/// The unfinished file of a download. While it is open, nobody else has it.
#[derive(Debug)]
pub(crate) struct PartFile {
    at: LocalFile,
    file: File,
}

impl PartFile {
    /// Opens the part; makes it, and its folder, where there is none. With `durable` its name then
    /// survives a power loss. Also tells whether it was there. It gives up as soon as nobody waits for
    /// it any more, as `wanted` says: a transfer that was dropped must not touch a part that the next
    /// one has finished meanwhile.
    ///
    /// # Errors
    /// `file.denied` for a symbolic link or what isn't a plain file; `file.io` when somebody else
    /// still writes it after ten seconds; `run.interrupted` when it isn't wanted any more.
    pub(crate) fn open(
        at: &LocalFile,
        durable: bool,
        wanted: &dyn Fn() -> bool,
    ) -> Result<(Self, bool), Fault> {
        let give_up = Instant::now() + LOCK_WAIT;
        loop {
            let (part, found) = Self::open_once(at, durable, wanted, give_up)?;
            if !wanted() {
                return Err(StopKind::Interrupt.fault());
            }
            // While the lock was waited for, its holder may have given the file its name: then this is
            // the part no more.
            if at.identity_now()?.is_some_and(|named| part.identity().is_ok_and(|own| own.same_inode(&named)))
            {
                return Ok((part, found));
            }
        }
    }

    fn open_once(
        at: &LocalFile,
        durable: bool,
        wanted: &dyn Fn() -> bool,
        give_up: Instant,
    ) -> Result<(Self, bool), Fault> {
        let failed = |error| at.failed("cannot open the part", error);
        // Also for a part: a direct transfer's is its target.
        at.refuse_twin()?;
        let place = at.place(true)?;
        let (file, found) = match place.open(OFlags::RDWR) {
            Err(Errno::NOENT) => {
                crash::point("part.create");
                let file = place.open(OFlags::RDWR | OFlags::CREATE).map_err(failed)?;
                crash::point("part.created");
                if durable {
                    place.sync().map_err(failed)?;
                }
                (file, false)
            }
            opened => (opened.map_err(failed)?, true),
        };
        let stat = rustix::fs::fstat(&file).map_err(failed)?;
        if info(String::new(), &stat).kind != FileKind::File {
            return Err(Fault::new(FaultCode::FileDenied, format!("{at} isn't a plain file")));
        }
        loop {
            if !wanted() {
                return Err(StopKind::Interrupt.fault());
            }
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK | Errno::INTR) if Instant::now() < give_up => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(Errno::WOULDBLOCK) => {
                    let why = format!("another process writes {at}");
                    return Err(Fault::new(FaultCode::FileIo, why));
                }
                // File systems without locks: then there is no such protection.
                Err(Errno::NOLCK | Errno::NOSYS | Errno::NOTSUP) => break,
                Err(error) => return Err(failed(error)),
            }
        }
        Ok((Self { at: at.clone(), file }, found))
    }

    /// Its name.
    pub(crate) fn at(&self) -> &LocalFile {
        &self.at
    }

    /// What it is now.
    pub(crate) fn identity(&self) -> Result<Identity, Fault> {
        let stat = rustix::fs::fstat(&self.file).map_err(|e| self.at.failed("cannot look at", e))?;
        Ok(Identity::new(&stat))
    }

    /// Cuts it off after `length` bytes.
    pub(crate) fn truncate(&self, length: u64) -> Result<(), Fault> {
        self.file.set_len(length).map_err(|e| Fault::local(format_args!("cannot cut {}", self.at), &e))
    }

    /// Fills `bytes` from `offset`; what is there must be that long.
    pub(crate) fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<(), Fault> {
        self.file
            .read_exact_at(bytes, offset)
            .map_err(|e| Fault::local(format_args!("cannot read {} at {offset}", self.at), &e))
    }

    /// Writes all of `bytes` at `offset`.
    pub(crate) fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), Fault> {
        crash::point("part.write");
        self.file
            .write_all_at(bytes, offset)
            .map_err(|e| Fault::local(format_args!("cannot write {} at {offset}", self.at), &e))
    }

    /// All bytes, and the length, are on disk when this returns. A failure is final: the system
    /// has forgotten what it couldn't write, so the same call may well succeed the next time.
    pub(crate) fn sync(&self) -> Result<(), Fault> {
        crash::point("part.sync");
        let synced = rustix::fs::fdatasync(&self.file).map_err(|e| self.at.failed("cannot sync", e));
        crash::point("part.synced");
        synced
    }

    /// Has the system begin to write what it holds of the file, without waiting for it. Linux does so
    /// before it looks which pages it can do without (`posix_fadvise(2)`, `POSIX_FADV_DONTNEED`).
    fn start_writing(&self) {
        // Where it can't be done, nothing is lost but time.
        let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed);
    }

    /// Sets its permission bits. Whoever owns it can read it in any case: it may have to be looked at again.
    pub(crate) fn set_mode(&self, mode: u32) -> Result<(), Fault> {
        rustix::fs::fchmod(&self.file, Mode::from_raw_mode(mode & 0o777 | 0o400))
            .map_err(|e| self.at.failed("cannot set the mode of", e))
    }

    /// Sets the time of its last change.
    pub(crate) fn set_modified(&self, at: Timestamp) -> Result<(), Fault> {
        let time = Timespec {
            tv_sec: i64::try_from(at.0 / 1000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(at.0 % 1000 * 1_000_000).unwrap_or(0),
        };
        rustix::fs::futimens(&self.file, &Timestamps { last_access: time, last_modification: time })
            .map_err(|e| self.at.failed("cannot set the time of", e))
    }
}

/// A complete part that is to be made durable, before it is given its name.
#[derive(Debug)]
pub(crate) struct Finishing {
    /// The part.
    pub(crate) part: Arc<PartFile>,
    /// The time of its last change, where it gets one.
    pub(crate) modified: Option<Timestamp>,
    /// The permission bits that it gets, where it gets any.
    pub(crate) mode: Option<u32>,
    /// The name that it is to have.
    pub(crate) target: LocalFile,
}

/// A part that is durable under its temporary name.
#[derive(Debug)]
pub(crate) struct Finished {
    /// What it is.
    pub(crate) part: Identity,
    /// What stands where it is to go.
    pub(crate) target: Option<Identity>,
}

/// Makes parts durable: for a [`Group`](super::Group).
pub(crate) fn finish_all(parts: Vec<Finishing>) -> Vec<Result<Finished, Fault>> {
    let timed: Vec<_> = parts
        .iter()
        .map(|finishing| {
            finishing.mode.map_or(Ok(()), |mode| finishing.part.set_mode(mode))?;
            finishing.modified.map_or(Ok(()), |modified| finishing.part.set_modified(modified))
        })
        .collect();
    if parts.len() > 1 {
        // All are on their way before the first is waited for, so that one commit of the file
        // system's own journal serves them all.
        parts.iter().for_each(|finishing| finishing.part.start_writing());
    }
    let finish = |(finishing, timed): (Finishing, Result<(), Fault>)| {
        timed?;
        finishing.part.sync()?;
        Ok(Finished { part: finishing.part.identity()?, target: finishing.target.identity_now()? })
    };
    parts.into_iter().zip(timed).map(finish).collect()
}

/// The file that an upload reads.
#[derive(Debug)]
pub(crate) struct Source {
    at: LocalFile,
    file: File,
}

impl Source {
    /// Opens it for reading.
    ///
    /// # Errors
    /// `file.not-found`, `file.denied` (also for a symbolic link, and for what isn't a plain file).
    pub(crate) fn open(at: &LocalFile) -> Result<Self, Fault> {
        let failed = |error| at.failed("cannot open", error);
        // A pipe without a writer would block the open for ever.
        let file = at.place(false)?.open(OFlags::RDONLY | OFlags::NONBLOCK).map_err(failed)?;
        let stat = rustix::fs::fstat(&file).map_err(failed)?;
        if info(String::new(), &stat).kind != FileKind::File {
            return Err(Fault::new(FaultCode::FileDenied, format!("{at} isn't a plain file")));
        }
        Ok(Self { at: at.clone(), file })
    }

    /// What it is now.
    pub(crate) fn identity(&self) -> Result<Identity, Fault> {
        let stat = rustix::fs::fstat(&self.file).map_err(|e| self.at.failed("cannot look at", e))?;
        Ok(Identity::new(&stat))
    }

    /// What it is now, in the words of the model.
    pub(crate) fn info(&self) -> Result<FileInfo, Fault> {
        let stat = rustix::fs::fstat(&self.file).map_err(|e| self.at.failed("cannot look at", e))?;
        Ok(info(self.at.to_string(), &stat))
    }

    /// Reads up to `bytes.len()` bytes at `offset`; 0 only at the end.
    pub(crate) fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<usize, Fault> {
        loop {
            match self.file.read_at(bytes, offset) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                read => {
                    return read
                        .map_err(|e| Fault::local(format_args!("cannot read {} at {offset}", self.at), &e));
                }
            }
        }
    }

    /// Its permission bits.
    pub(crate) fn mode(&self) -> Result<u32, Fault> {
        let stat = rustix::fs::fstat(&self.file).map_err(|e| self.at.failed("cannot look at", e))?;
        Ok(stat.st_mode & 0o777)
    }

    /// `length` bytes from `offset`; fewer only at the end.
    pub(crate) fn read_range(&self, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        let mut filled = 0;
        while filled < bytes.len() {
            let at = offset + u64::try_from(filled).unwrap_or(0);
            match self.read_at(&mut bytes[filled..], at)? {
                0 => break,
                read => filled += read,
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }
}
