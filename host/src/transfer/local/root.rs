//! A granted folder, and names inside it.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::crash;
use crate::model::{ByteCount, Fault, FaultCode, FileInfo, FileKind, LocalPath, Timestamp};
use crate::transfer::StopKind;

/// An open folder that was granted under a name. Cheap to clone.
#[derive(Clone)]
pub struct LocalRoot {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    path: PathBuf,
    dir: Dir,
}

/// A name in a granted folder; nothing need stand there.
#[derive(Clone, Debug)]
pub struct LocalFile {
    /// The granted folder.
    pub root: LocalRoot,
    /// The path inside it, as [`LocalPath::inside`]: no leading slash, no `.` or `..`.
    pub inside: String,
}

/// An opened folder and one name in it: what the system calls take, so that nothing can be swapped
/// between looking and acting.
pub(super) struct Place {
    dir: Dir,
    /// The last part of the path; `.` for the root itself.
    pub(super) name: String,
}

impl LocalRoot {
    /// Opens `path`, which is granted as `name`. Blocks for as long as the file system does.
    ///
    /// # Errors
    /// `file.not-found`, `file.denied`, `file.io`; also when it is no folder.
    pub fn open(name: &str, path: &Path) -> Result<Self, Fault> {
        let dir = Dir::open_ambient_dir(path, ambient_authority())
            .map_err(|e| Fault::local(format_args!("cannot open the folder {}", path.display()), &e))?;
        Ok(Self { inner: Arc::new(Inner { name: name.to_owned(), path: path.to_owned(), dir }) })
    }

    /// The same, on the threads for what blocks.
    ///
    /// # Errors
    /// As [`LocalRoot::open`].
    pub async fn open_aside(name: String, path: PathBuf) -> Result<Self, Fault> {
        blocking(move || Self::open(&name, &path)).await
    }

    /// The name under which it was granted.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Where it lies on this machine; for messages only.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// A name inside it.
    ///
    /// # Errors
    /// `file.bad-name` for what [`LocalPath::parse`] refuses.
    pub fn file(&self, inside: &str) -> Result<LocalFile, Fault> {
        let path = LocalPath::parse(&format!("{}/{inside}", self.inner.name))?;
        Ok(LocalFile { root: self.clone(), inside: path.inside })
    }

    /// What stands at `inside`: `None` for nothing. A symbolic link is told of, not followed.
    ///
    /// # Errors
    /// `file.denied`, `file.bad-name`, `file.io`.
    pub async fn stat(&self, inside: &str) -> Result<Option<FileInfo>, Fault> {
        let file = self.file(inside)?;
        blocking(move || file.stat_now()).await
    }

    /// The folder itself.
    pub(super) fn dir(&self) -> &Dir {
        &self.inner.dir
    }
}

impl fmt::Debug for LocalRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalRoot").field("name", &self.inner.name).field("path", &self.inner.path).finish()
    }
}

impl fmt::Display for LocalFile {
    /// As workflows write it: `NAME/sub/file`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.inside.is_empty() {
            return f.write_str(self.root.name());
        }
        write!(f, "{}/{}", self.root.name(), self.inside)
    }
}

impl LocalFile {
    /// The last part of its path; empty for the granted folder itself.
    #[must_use]
    pub fn name(&self) -> &str {
        self.inside.rsplit('/').next().unwrap_or("")
    }

    /// Another name in the same folder.
    #[must_use]
    pub(crate) fn sibling(&self, name: &str) -> Self {
        let inside = match self.inside.rsplit_once('/') {
            Some((parent, _)) => format!("{parent}/{name}"),
            None => name.to_owned(),
        };
        Self { root: self.root.clone(), inside }
    }

    /// Opens the folder that holds it; `create` makes the folders that are missing on the way.
    pub(super) fn place(&self, create: bool) -> Result<Place, Fault> {
        let failed =
            |error: &std::io::Error| Fault::local(format_args!("cannot open the folder of {self}"), error);
        let root = self.root.dir();
        let Some((parent, name)) = self.inside.rsplit_once('/') else {
            let name = if self.inside.is_empty() { "." } else { &self.inside };
            return Ok(Place { dir: root.try_clone().map_err(|e| failed(&e))?, name: name.to_owned() });
        };
        let dir = match root.open_dir(parent) {
            Err(error) if create && error.kind() == std::io::ErrorKind::NotFound => {
                create_dirs(root, parent).and_then(|()| root.open_dir(parent))
            }
            opened => opened,
        };
        Ok(Place { dir: dir.map_err(|e| failed(&e))?, name: name.to_owned() })
    }

    /// What stands there now, on this thread.
    pub(super) fn stat_now(&self) -> Result<Option<FileInfo>, Fault> {
        let place = match self.place(false) {
            Ok(place) => place,
            Err(fault) if fault.code == FaultCode::FileNotFound => return Ok(None),
            Err(fault) => return Err(fault),
        };
        match place.stat() {
            Ok(stat) => Ok(Some(info(self.to_string(), &stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.failed("cannot look at", error)),
        }
    }

    /// The fault of a system call on this name.
    pub(super) fn failed(&self, doing: &str, error: Errno) -> Fault {
        if error == Errno::LOOP {
            let why = format!("{doing} {self}: it is a symbolic link, which is never followed");
            return Fault::new(FaultCode::FileDenied, why);
        }
        Fault::local(format_args!("{doing} {self}"), &error.into())
    }
}

impl Place {
    /// What the name stands for, links not followed.
    pub(super) fn stat(&self) -> Result<Stat, Errno> {
        rustix::fs::statat(&self.dir, self.name.as_str(), AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Opens the name, which must be no symbolic link (then ELOOP).
    pub(super) fn open(&self, flags: OFlags) -> Result<std::fs::File, Errno> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP | Mode::ROTH | Mode::WOTH;
        rustix::fs::openat(&self.dir, self.name.as_str(), flags, mode).map(std::fs::File::from)
    }

    /// Makes the names in the folder durable.
    pub(super) fn sync(&self) -> Result<(), Errno> {
        crash::point("local.folder.sync");
        let synced = sync_dir(self.dir.as_fd());
        crash::point("local.folder.synced");
        synced
    }
}

impl AsFd for Place {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

/// `fsync` of a folder. Some file systems (of network shares) can't do that and say EINVAL: there
/// is nothing more that could be done.
fn sync_dir(dir: BorrowedFd<'_>) -> Result<(), Errno> {
    // cap-std opens folders with O_PATH where it can, and those can't be synced.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::openat(dir, ".", flags, Mode::empty())?;
    match rustix::fs::fsync(dir) {
        Err(Errno::INVAL | Errno::NOTSUP) => Ok(()),
        synced => synced,
    }
}

/// Makes a folder and all that are missing above it, each durable in its own parent.
pub(super) fn create_dirs(root: &Dir, path: &str) -> std::io::Result<()> {
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    for end in ends {
        let (parent, _) = path[..end].rsplit_once('/').unwrap_or((".", ""));
        crash::point("local.folder.create");
        match root.create_dir(&path[..end]) {
            Ok(()) => sync_dir(root.open_dir(parent)?.as_fd())?,
            // Another transfer may just have made it.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        crash::point("local.folder.created");
    }
    Ok(())
}

/// What the system knows of a file, in the words of the model.
pub(super) fn info(path: String, stat: &Stat) -> FileInfo {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Dir,
        FileType::Symlink => FileKind::Link,
        _ => FileKind::Other,
    };
    let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
    #[expect(clippy::useless_conversion, reason = "its type differs between architectures")]
    let millis = u64::try_from(stat.st_mtime_nsec).unwrap_or(0) / 1_000_000;
    FileInfo {
        path,
        kind,
        size: (kind == FileKind::File).then(|| ByteCount(u64::try_from(stat.st_size).unwrap_or(0))),
        modified: Some(Timestamp(seconds.saturating_mul(1000).saturating_add(millis))),
        unique: Some(format!("{:x}:{:x}", stat.st_dev, stat.st_ino)),
    }
}

/// Runs `work` on the blocking threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(ended_early("a file operation", &error)),
    }
}

/// The fault of work whose thread didn't come to its end: a panic, or the process is ending and the
/// work never began. The latter is no outcome, and mustn't be recorded as one.
pub(crate) fn ended_early(what: &str, error: &tokio::task::JoinError) -> Fault {
    if error.is_cancelled() {
        StopKind::Interrupt.fault()
    } else {
        Fault::new(FaultCode::HostBug, format!("{what} ended oddly: {error}"))
    }
}
