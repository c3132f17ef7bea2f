//! What the kernel saw happen in a folder, by inotify: the effect log of servers that keep none.
//!
//! vsftpd, ProFTPD and pure-ftpd log differently, and pure-ftpd logs no rename without syslog. The
//! kernel tells the same of all of them: each name made, renamed and removed, in order.

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, bail};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, ReadFlags, WatchFlags};

/// One thing that happened; paths are relative to the watched folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A file or folder came into being.
    Created(PathBuf),
    /// A name became another.
    Renamed(PathBuf, PathBuf),
    /// A file or folder was removed.
    Removed(PathBuf),
}

/// Watches a folder and all folders in it until it is asked what it saw.
#[derive(Debug)]
pub struct Witness {
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
    watching: Option<JoinHandle<Result<()>>>,
}

impl Witness {
    /// Begins to watch.
    ///
    /// # Errors
    /// When the folder can't be watched.
    pub fn watch(folder: &Path) -> Result<Self> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let mut watch = Watch {
            descriptor: inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?,
            root: folder.to_owned(),
            folders: HashMap::new(),
            moving: HashMap::new(),
            seen: Arc::clone(&seen),
        };
        watch.add(Path::new(""))?;
        let stopped = Arc::clone(&stop);
        let watching = std::thread::spawn(move || {
            loop {
                // Read once more after being stopped: what happened before must be in the answer.
                let last = stopped.load(Ordering::SeqCst);
                watch.read()?;
                if last {
                    return Ok(());
                }
                // At once when something happens: a folder that was just made has to be watched before
                // anything happens in it.
                watch.wait(Duration::from_millis(5))?;
            }
        });
        Ok(Self { seen, stop, watching: Some(watching) })
    }

    /// All that has happened up to now, in order; ends the watch.
    ///
    /// # Errors
    /// When something was missed.
    pub fn testimony(mut self) -> Result<Vec<Seen>> {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(watching) = self.watching.take() {
            watching.join().map_err(|_| anyhow::anyhow!("the witness panicked"))??;
        }
        Ok(std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

struct Watch {
    descriptor: OwnedFd,
    root: PathBuf,
    folders: HashMap<i32, PathBuf>,
    /// First halves of renames, by their cookies: the halves of two renames in two folders may come
    /// interleaved.
    moving: HashMap<u32, PathBuf>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Watch {
    /// Watches a folder, and those in it, by its path from the root.
    fn add(&mut self, folder: &Path) -> Result<()> {
        let flags = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE | WatchFlags::ONLYDIR;
        let watch = inotify::add_watch(&self.descriptor, self.root.join(folder), flags)?;
        self.folders.insert(watch, folder.to_owned());
        for entry in std::fs::read_dir(self.root.join(folder))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                self.add(&folder.join(entry.file_name()))?;
            }
        }
        Ok(())
    }

    /// Waits until something has happened, but no longer than this.
    fn wait(&self, longest: Duration) -> Result<()> {
        let mut waiting = [PollFd::new(&self.descriptor, PollFlags::IN)];
        poll(&mut waiting, Some(&longest.try_into()?))?;
        Ok(())
    }

    fn read(&mut self) -> Result<()> {
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let mut events = Vec::new();
        let descriptor = self.descriptor.try_clone()?;
        let mut reader = inotify::Reader::new(descriptor, &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| name.to_string_lossy().into_owned());
                    events.push((event.wd(), event.events(), event.cookie(), name));
                }
                Err(rustix::io::Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        for (watch, flags, cookie, name) in events {
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                bail!("more happened than the witness could take in");
            }
            if let (Some(folder), Some(name)) = (self.folders.get(&watch), name) {
                let path = folder.join(name);
                self.take(flags, cookie, path)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, flags: ReadFlags, cookie: u32, path: PathBuf) -> Result<()> {
        if flags.contains(ReadFlags::MOVED_FROM) {
            self.moving.insert(cookie, path);
            return Ok(());
        }
        // pure-ftpd removes a file by first renaming it to a name of its own.
        let own = |path: &Path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".pureftpd-rename."))
        };
        let event = if flags.contains(ReadFlags::MOVED_TO) {
            match self.moving.remove(&cookie) {
                Some(from) if own(&path) => Seen::Removed(from),
                Some(from) => Seen::Renamed(from, path),
                None => Seen::Created(path),
            }
        } else if flags.contains(ReadFlags::DELETE) && own(&path) {
            return Ok(());
        } else if flags.contains(ReadFlags::DELETE) {
            Seen::Removed(path)
        } else if flags.contains(ReadFlags::CREATE) {
            if flags.contains(ReadFlags::ISDIR) {
                self.add(&path)?;
            }
            Seen::Created(path)
        } else {
            return Ok(());
        };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_renames_that_come_interleaved_find_each_other() {
        let mut watch = Watch {
            descriptor: inotify::init(inotify::CreateFlags::empty()).unwrap(),
            root: PathBuf::new(),
            folders: HashMap::new(),
            moving: HashMap::new(),
            seen: Arc::default(),
        };
        for (flags, cookie, path) in [
            (ReadFlags::MOVED_FROM, 1, "a/part"),
            (ReadFlags::MOVED_FROM, 2, "b/part"),
            (ReadFlags::MOVED_TO, 1, "a/name"),
            (ReadFlags::MOVED_TO, 2, "b/name"),
        ] {
            watch.take(flags, cookie, path.into()).unwrap();
        }
        let renamed =
            |folder: &str| Seen::Renamed(format!("{folder}/part").into(), format!("{folder}/name").into());
        assert_eq!(*watch.seen.lock().unwrap(), [renamed("a"), renamed("b")]);
    }

    #[test]
    fn names_made_renamed_and_removed_are_seen_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("sub")).unwrap();
        let witness = Witness::watch(folder.path()).unwrap();
        std::fs::write(at("a"), b"").unwrap();
        std::fs::rename(at("a"), at("sub/b")).unwrap();
        std::fs::remove_file(at("sub/b")).unwrap();
        let seen = witness.testimony().unwrap();
        assert_eq!(
            seen,
            [
                Seen::Created("a".into()),
                Seen::Renamed("a".into(), "sub/b".into()),
                Seen::Removed("sub/b".into())
            ]
        );
    }
}
