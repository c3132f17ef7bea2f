//! Opening the state: whose it is, whether it is there, whether it is whole.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::keep::Kept;
use super::medium::{self, Medium, WITNESS};
use super::objects::{self, sync_folder};
use super::staging::in_words;
use crate::crash;
use crate::journal::error::Error;

/// The format of the store: its keys, and the files beside them.
///
/// Changelog
/// - 1: the first.
pub const FORMAT: u32 = 1;

/// Memory that sled keeps pages in, in bytes.
const CACHE_BYTES: u64 = 64 << 20;

/// How long sled's own lock is waited for: a database that was just closed in this process lets go of
/// it in the background.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// Only its owner may look into the state: it holds what workflows were given and what they logged.
const FOLDER_MODE: u32 = 0o700;

const LOCK: &str = "lock";
/// The name of the store in the state folder.
pub(super) const STORE: &str = "store";
const UNFINISHED: &str = "store.new";
const FORMAT_FILE: &str = "format";

/// Moved-aside files begin so. Not with `snap.`: sled takes whatever does for a snapshot.
const ASIDE: &str = "aside.";

/// The right to use a state folder, as long as it is held.
#[derive(Debug)]
pub(super) struct StateLock {
    _file: File,
}

/// A state folder that was opened.
pub(super) struct Opened {
    pub(super) lock: StateLock,
    /// The store's folder in it.
    pub(super) folder: PathBuf,
    pub(super) medium: Medium,
}

/// Opens the state in a folder, and makes it if there is none.
///
/// # Errors
/// [`Error::InUse`], [`Error::Version`], [`Error::Damaged`], [`Error::Unwritable`].
pub(super) fn open(state: &Path) -> Result<Opened, Error> {
    let lock = take(state)?;
    let folder = state.join(STORE);
    if !folder.exists() {
        create(state, &folder)?;
    }
    check_format(&folder)?;
    set_aside(&folder, |name| name.starts_with("snap.") && name.ends_with(".generating"))?;
    let kept = Kept::of(&folder)?;
    match recover(&folder).and_then(|db| Medium::new(db, &folder)) {
        Ok(medium) => {
            kept.discard();
            Ok(Opened { lock, folder, medium })
        }
        Err(error) => {
            kept.put_back();
            Err(match error {
                Error::Damaged { what } => Error::damaged(format!("{}: {what}", folder.display())),
                other => other,
            })
        }
    }
}

/// Takes a state folder for this process, and makes it if there is none.
pub(super) fn take(state: &Path) -> Result<StateLock, Error> {
    make_private(state)?;
    lock(state)
}

/// Makes the folder, and closes an empty one to everybody else. One with something in it keeps its
/// mode: it may be somebody's home, and all that we make in it is closed by itself.
fn make_private(state: &Path) -> Result<(), Error> {
    let failed = |error: io::Error| Error::unwritable(format!("making {}", state.display()), &error);
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(state).map_err(failed)?;
    let mode = fs::metadata(state).map_err(failed)?.permissions().mode();
    if mode & 0o777 != FOLDER_MODE && fs::read_dir(state).map_err(failed)?.next().is_none() {
        fs::set_permissions(state, fs::Permissions::from_mode(FOLDER_MODE)).map_err(failed)?;
    }
    Ok(())
}

/// Takes the state for this process. The system gives it back when the process ends, however it does.
fn lock(state: &Path) -> Result<StateLock, Error> {
    let path = state.join(LOCK);
    let failed = |error: io::Error| Error::unwritable(format!("locking {}", path.display()), &error);
    let mut file =
        File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut pid = String::new();
            let _ = file.read_to_string(&mut pid);
            return Err(Error::InUse { dir: state.to_owned(), pid: pid.trim().parse().ok() });
        }
        Err(error) => return Err(failed(error.into())),
    }
    // For people and messages only, so it need not be durable.
    let written =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(failed)?;
    Ok(StateLock { _file: file })
}

/// Makes a store: whole, or not at all.
fn create(state: &Path, folder: &Path) -> Result<(), Error> {
    let aside = state.join(UNFINISHED);
    let failed = |error: io::Error| Error::unwritable(format!("making {}", folder.display()), &error);
    match fs::remove_dir_all(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    crash::point("journal.store.create.before");
    DirBuilder::new().mode(FOLDER_MODE).create(&aside).map_err(failed)?;
    fs::create_dir(aside.join(objects::FOLDER)).map_err(failed)?;
    fs::write(aside.join(WITNESS), medium::encode(0)).map_err(failed)?;
    fs::write(aside.join(FORMAT_FILE), format!("{FORMAT}\n")).map_err(failed)?;
    let db = open_sled(&aside).map_err(|failure| failure.into_error(&aside))?;
    db.flush().map_err(|error| Failure::of(error).into_error(&aside))?;
    drop(db);
    crash::point("journal.store.create.written");
    sync_all(&aside)?;
    crash::point("journal.store.create.rename");
    fs::rename(&aside, folder).map_err(failed)?;
    sync_folder(state)?;
    crash::point("journal.store.create.after");
    Ok(())
}

/// Makes a folder and everything in it durable.
fn sync_all(folder: &Path) -> Result<(), Error> {
    let failed = |error: io::Error| Error::unwritable(format!("syncing {}", folder.display()), &error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            sync_all(&entry.path())?;
        } else {
            File::open(entry.path()).and_then(|file| file.sync_all()).map_err(failed)?;
        }
    }
    sync_folder(folder)
}

fn check_format(folder: &Path) -> Result<(), Error> {
    let path = folder.join(FORMAT_FILE);
    let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::InvalidData => {
            Error::damaged(format!("{} can't be read: {error}", path.display()))
        }
        _ => Error::unreadable(format!("reading {}", path.display()), &error),
    })?;
    match text.trim_end().parse() {
        Ok(FORMAT) => Ok(()),
        Ok(found) => Err(Error::Version { what: "the state", found, supported: FORMAT }),
        Err(_) => Err(Error::damaged(format!("{} holds no number", path.display()))),
    }
}

/// Opens the database; where it is found damaged, once more without its snapshot, which sled can make
/// anew from its log. If that doesn't help, the snapshot comes back.
fn recover(folder: &Path) -> Result<::sled::Db, Error> {
    let first = match open_sled(folder) {
        Ok(db) => return Ok(db),
        Err(failure @ Failure::Other(_)) => return Err(failure.into_error(folder)),
        Err(failure @ Failure::Corrupt(_)) => failure,
    };
    let moved = set_aside(folder, |name| name.starts_with("snap."))?;
    if moved.is_empty() {
        return Err(first.into_error(folder));
    }
    open_sled(folder).map_err(|failure| {
        let _ = set_aside(folder, |name| name.starts_with("snap."));
        for (from, to) in moved {
            let _ = fs::rename(to, from);
        }
        failure.into_error(folder)
    })
}

/// Renames files of the store so that sled doesn't see them; gives the old and the new paths.
fn set_aside(folder: &Path, which: impl Fn(&str) -> bool) -> Result<Vec<(PathBuf, PathBuf)>, Error> {
    let failed = |error: io::Error| Error::unwritable(format!("renaming in {}", folder.display()), &error);
    let mut moved = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if let Some(name) = entry.file_name().to_str().filter(|name| which(name)) {
            let to = folder.join(format!("{ASIDE}{name}"));
            fs::rename(entry.path(), &to).map_err(failed)?;
            moved.push((entry.path(), to));
        }
    }
    Ok(moved)
}

/// Why the database didn't open.
enum Failure {
    /// It isn't what was written.
    Corrupt(String),
    /// Anything else.
    Other(io::Error),
}

impl Failure {
    fn of(error: ::sled::Error) -> Self {
        match error {
            ::sled::Error::Io(error) => match error.kind() {
                // sled reads past the end of what is cut off.
                io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => Self::Corrupt(error.to_string()),
                _ => Self::Other(error),
            },
            other => Self::Corrupt(in_words(&other)),
        }
    }

    fn into_error(self, folder: &Path) -> Error {
        match self {
            Self::Corrupt(why) => Error::damaged(format!("the database doesn't open: {why}")),
            Self::Other(error) => Error::unwritable(format!("opening {}", folder.display()), &error),
        }
    }
}

fn open_sled(folder: &Path) -> Result<::sled::Db, Failure> {
    let waited = Instant::now();
    loop {
        let config = ::sled::Config::new().path(folder).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        // sled panics on some damage where it gives an error on other.
        let opened = panic::catch_unwind(AssertUnwindSafe(|| config.open()));
        match opened {
            Ok(Ok(db)) => return Ok(db),
            Ok(Err(::sled::Error::Io(error)))
                if error.to_string().contains("could not acquire lock") && waited.elapsed() < LOCK_WAIT =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            Ok(Err(error)) => return Err(Failure::of(error)),
            Err(_) => return Err(Failure::Corrupt("the database gave up on it".to_owned())),
        }
    }
}
