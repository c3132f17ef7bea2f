//! Changes of names: atomic, and durable when they return.

use rustix::fs::{AtFlags, FlockOperation, OFlags, RenameFlags};
use rustix::io::Errno;
use std::io::{Seek, Write};

use super::part::Identity;
use super::root::{LocalFile, LocalRoot, Place, blocking, create_dirs};
use crate::crash;
use crate::model::{Fault, FaultCode, FileInfo, IfExists};

/// Whether a rename found its new name taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renamed {
    /// It took place, and is durable.
    Done,
    /// The new name is taken; nothing was done.
    Taken,
}

/// Whether a rename under this policy may replace what stands at the new name.
pub(crate) fn replace_mode(policy: IfExists) -> bool {
    match policy {
        IfExists::Replace | IfExists::Newer => true,
        IfExists::Fail | IfExists::Skip => false,
    }
}

impl LocalRoot {
    /// Writes a whole file so that others see either what was there before or all of `bytes`.
    /// Folders that are missing are made. Durable when it returns.
    ///
    /// # Errors
    /// `file.denied`, `file.no-space`, `file.bad-name`, `file.io`.
    pub async fn write_atomic(&self, inside: &str, bytes: Vec<u8>) -> Result<(), Fault> {
        let file = self.file(inside)?;
        blocking(move || file.write_now(&bytes)).await
    }

    /// Gives a file or folder another name within this root; an existing file is replaced.
    ///
    /// # Errors
    /// `file.not-found`, `file.denied`, `file.bad-name`, `file.io`.
    pub async fn rename(&self, from: &str, to: &str) -> Result<(), Fault> {
        let (from, to) = (self.file(from)?, self.file(to)?);
        blocking(move || from.rename_now(&to, true).map(|_| ())).await
    }

    /// Removes a file, a link, or an empty folder.
    ///
    /// # Errors
    /// `file.not-found`, `file.denied` (also for a folder with something in it), `file.io`.
    pub async fn remove(&self, inside: &str) -> Result<(), Fault> {
        let file = self.file(inside)?;
        blocking(move || {
            if file.remove_now()? {
                return Ok(());
            }
            Err(Fault::new(FaultCode::FileNotFound, format!("cannot remove {file}: nothing is there")))
        })
        .await
    }

    /// Makes a folder, and those above it that are missing. One that is there already is as good.
    ///
    /// # Errors
    /// `file.exists` where a file has that name; `file.denied`, `file.no-space`, `file.io`.
    pub async fn make_dir(&self, inside: &str) -> Result<(), Fault> {
        let file = self.file(inside)?;
        if file.inside.is_empty() {
            return Ok(());
        }
        blocking(move || {
            let failed = |e| Fault::local(format_args!("cannot make the folder {file}"), &e);
            create_dirs(file.root.dir(), &file.inside).map_err(failed)?;
            if file.root.dir().symlink_metadata(&file.inside).map_err(failed)?.is_dir() {
                return Ok(());
            }
            let why = format!("cannot make the folder {file}: something else has that name");
            Err(Fault::new(FaultCode::FileExists, why))
        })
        .await
    }
}

impl LocalFile {
    /// What stands there, by inode; `None` for nothing.
    pub(crate) fn identity_now(&self) -> Result<Option<Identity>, Fault> {
        let place = match self.place(false) {
            Ok(place) => place,
            Err(fault) if fault.code == FaultCode::FileNotFound => return Ok(None),
            Err(fault) => return Err(fault),
        };
        match place.stat() {
            Ok(stat) => Ok(Some(Identity::new(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.failed("cannot look at", error)),
        }
    }

    /// Gives this file another name; without `replace`, only one that isn't taken. Both folders
    /// are durable when it returns.
    pub(crate) fn rename_now(&self, to: &Self, replace: bool) -> Result<Renamed, Fault> {
        let mut folders = Folders::default();
        let renaming = Renaming::begin(self, to, replace, &mut folders)?;
        folders.sync();
        renaming.end(&folders)
    }

    /// Makes the names in its folder durable.
    pub(crate) fn sync_folder(&self) -> Result<(), Fault> {
        self.place(false)?.sync().map_err(|error| self.failed("cannot sync the folder of", error))
    }

    /// Removes what has this name; false when nothing has.
    pub(crate) fn remove_now(&self) -> Result<bool, Fault> {
        let failed = |error| self.failed("cannot remove", error);
        let place = match self.place(false) {
            Ok(place) => place,
            Err(fault) if fault.code == FaultCode::FileNotFound => return Ok(false),
            Err(fault) => return Err(fault),
        };
        crash::point("local.remove");
        let removed = match rustix::fs::unlinkat(&place, place.name.as_str(), AtFlags::empty()) {
            Err(Errno::ISDIR) => rustix::fs::unlinkat(&place, place.name.as_str(), AtFlags::REMOVEDIR),
            removed => removed,
        };
        crash::point("local.removed");
        match removed {
            Ok(()) => place.sync().map_err(failed).map(|()| true),
            Err(Errno::NOENT) => Ok(false),
            Err(Errno::NOTEMPTY) => {
                let why = format!("cannot remove {self}: the folder isn't empty");
                Err(Fault::new(FaultCode::FileDenied, why))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Writes all of `bytes` beside the file and renames. The name beside it is always the same,
    /// so that what a crash leaves is used up by the next write; a lock keeps two writers apart.
    fn write_now(&self, bytes: &[u8]) -> Result<(), Fault> {
        let failed = |error| self.failed("cannot write", error);
        let failed_io = |error| Fault::local(format_args!("cannot write {self}"), &error);
        let hash = blake3::hash(self.name().as_bytes()).to_hex();
        let aside = self.sibling(&format!(".{}.write.part", &hash[..32]));
        let place = aside.place(true)?;
        let mut file = loop {
            let file = place.open(OFlags::WRONLY | OFlags::CREATE).map_err(failed)?;
            rustix::fs::flock(&file, FlockOperation::LockExclusive).map_err(failed)?;
            // Whoever had the lock before has renamed the file away: then this isn't it any more.
            let held = rustix::fs::fstat(&file).map_err(failed)?;
            if place.stat().is_ok_and(|named| (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)) {
                break file;
            }
        };
        file.set_len(0).map_err(failed_io)?;
        file.rewind().map_err(failed_io)?;
        crash::point("local.write");
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        crash::point("local.written");
        if let Err(error) = written {
            // A full disk is no reason to leave a useless part there.
            let _ = aside.remove_now();
            return Err(failed_io(error));
        }
        let renamed = aside.rename_now(self, true).map(|_| ());
        if renamed.as_ref().is_err_and(|f| matches!(f.code, FaultCode::FileBadName | FaultCode::FileExists)) {
            // No such name can be: what was written for it is still ours, and of no use.
            let _ = aside.remove_now();
        }
        renamed
    }
}

/// A complete part that is to have its name.
#[derive(Debug)]
pub(crate) struct Placing {
    /// Its temporary name.
    pub(crate) part: LocalFile,
    /// The name that it is to have.
    pub(crate) target: LocalFile,
    /// Whether what stands there is replaced.
    pub(crate) replace: bool,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Placed {
    /// Whether the name was free, or could be replaced.
    pub(crate) renamed: Renamed,
    /// What stands there now.
    pub(crate) file: Option<FileInfo>,
}

/// Gives parts their names: for a [`Group`](super::Group). A folder that several share is synced once.
pub(crate) fn place_all(placings: Vec<Placing>) -> Vec<Result<Placed, Fault>> {
    let mut folders = Folders::default();
    let begun: Vec<_> = placings
        .iter()
        .map(|placing| Renaming::begin(&placing.part, &placing.target, placing.replace, &mut folders))
        .collect();
    folders.sync();
    let end = |(placing, renaming): (&Placing, Result<Renaming<'_>, Fault>)| {
        let renamed = renaming?.end(&folders)?;
        Ok(Placed { renamed, file: placing.target.stat_now()? })
    };
    placings.iter().zip(begun).map(end).collect()
}

/// A rename that has taken place, or was refused, and isn't durable yet.
struct Renaming<'a> {
    from: &'a LocalFile,
    to: &'a LocalFile,
    renamed: Renamed,
    /// Its folders, by their places in [`Folders`].
    folders: Vec<usize>,
}

impl<'a> Renaming<'a> {
    fn begin(
        from: &'a LocalFile,
        to: &'a LocalFile,
        replace: bool,
        folders: &mut Folders,
    ) -> Result<Self, Fault> {
        let failed = |error| rename_failed(from, to, error);
        let old = from.place(false)?;
        refuse_twin_of_another(from, to)?;
        let new = to.place(true)?;
        crash::point("local.rename");
        let done = if replace { replace_known(&old, &new, from, to)? } else { rename_if_free(&old, &new) };
        crash::point("local.renamed");
        let renamed = match done {
            Ok(()) => Renamed::Done,
            Err(Errno::EXIST) if !replace => {
                return Ok(Self { from, to, renamed: Renamed::Taken, folders: vec![] });
            }
            Err(error) => return Err(failed(error)),
        };
        let mut changed = vec![folders.add(new).map_err(failed)?];
        if parent(from) != parent(to) {
            changed.push(folders.add(old).map_err(failed)?);
        }
        Ok(Self { from, to, renamed, folders: changed })
    }

    /// Once the folders are synced.
    fn end(self, folders: &Folders) -> Result<Renamed, Fault> {
        match self.folders.iter().find_map(|folder| folders.0[*folder].synced.err()) {
            Some(error) => Err(rename_failed(self.from, self.to, error)),
            None => Ok(self.renamed),
        }
    }
}

fn rename_failed(from: &LocalFile, to: &LocalFile, error: Errno) -> Fault {
    from.failed("cannot rename", error).while_doing(format_args!("to {to}"))
}

/// Folders in which names were changed, each once.
#[derive(Default)]
struct Folders(Vec<Folder>);

struct Folder {
    identity: Identity,
    place: Place,
    synced: Result<(), Errno>,
}

impl Folders {
    /// The number of this folder.
    fn add(&mut self, place: Place) -> Result<usize, Errno> {
        let identity = Identity::new(&rustix::fs::fstat(&place)?);
        if let Some(known) = self.0.iter().position(|folder| folder.identity.same_inode(&identity)) {
            return Ok(known);
        }
        self.0.push(Folder { identity, place, synced: Ok(()) });
        Ok(self.0.len() - 1)
    }

    fn sync(&mut self) {
        for folder in &mut self.0 {
            folder.synced = folder.place.sync();
        }
    }
}

fn parent(file: &LocalFile) -> &str {
    file.inside.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Refuses a new name that another file has in another spelling. Where it is the file itself, only its
/// spelling changes.
fn refuse_twin_of_another(from: &LocalFile, to: &LocalFile) -> Result<(), Fault> {
    let Err(fault) = to.refuse_twin() else {
        return Ok(());
    };
    match (from.identity_now()?, to.identity_now()?) {
        (Some(own), Some(there)) if own.same_inode(&there) => Ok(()),
        _ => Err(fault),
    }
}

/// A rename that replaces what was written under this very name, and nothing that came there under another
/// spelling meanwhile: so a name that is taken is looked at once more.
fn replace_known(
    from: &Place,
    into: &Place,
    file: &LocalFile,
    to: &LocalFile,
) -> Result<Result<(), Errno>, Fault> {
    let (old, new) = (from.name.as_str(), into.name.as_str());
    match rustix::fs::renameat_with(from, old, into, new, RenameFlags::NOREPLACE) {
        Err(Errno::EXIST) => {
            refuse_twin_of_another(file, to)?;
            Ok(rustix::fs::renameat(from, old, into, new))
        }
        // File systems that can't tell in one step.
        Err(Errno::INVAL | Errno::NOSYS) => Ok(rustix::fs::renameat(from, old, into, new)),
        renamed => Ok(renamed),
    }
}

/// A rename that never replaces. File systems that can't do it in one step (EINVAL) get a second
/// name for the file first, which fails as well where the name is taken.
fn rename_if_free(from: &Place, into: &Place) -> Result<(), Errno> {
    let (old, new) = (from.name.as_str(), into.name.as_str());
    match rustix::fs::renameat_with(from, old, into, new, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            rustix::fs::linkat(from, old, into, new, AtFlags::empty())?;
            rustix::fs::unlinkat(from, old, AtFlags::empty())
        }
        renamed => renamed,
    }
}
