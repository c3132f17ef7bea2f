//! The state behind the sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::model::{ByteCount, Fault, FaultCode, FileInfo, FileKind, HashAlgorithm, Timestamp};

/// What REST does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::transfer) enum Rest {
    /// What RFC 3659 says.
    #[default]
    Obeyed,
    /// It is accepted, and RETR starts at 0 (F31).
    Ignored,
    /// It is refused with 502 (F32).
    Refused,
    /// It is refused before STOR only.
    RefusedForStore,
}

/// What goes wrong. Counts go down as they are used up.
#[derive(Clone, Debug, Default)]
pub(in crate::transfer) struct Faults {
    /// What REST does.
    pub(in crate::transfer) rest: Rest,
    /// The data connections of the next transfers break after so many bytes each.
    pub(in crate::transfer) cuts: Vec<u64>,
    /// The next RETR sends only so many bytes, and then says 226 (F11).
    pub(in crate::transfer) truncate: Option<u64>,
    /// The final reply is lost, so many times (F09).
    pub(in crate::transfer) lost_final: u32,
    /// RNTO is carried out and its reply lost, so many times (F52).
    pub(in crate::transfer) lost_rnto: u32,
    /// RNTO is refused where the new name is taken.
    pub(in crate::transfer) rnto_refuses: bool,
    /// 552 once the server holds so many bytes in one file (F41).
    pub(in crate::transfer) full_at: Option<u64>,
    /// An upload whose session died goes on writing, so many bytes at each look (F39).
    pub(in crate::transfer) zombie_step: u64,
    /// How many bytes a session has under way that the server hasn't written yet.
    pub(in crate::transfer) in_flight: usize,
    /// The next file that is read gets one bit flipped on the way (F58).
    pub(in crate::transfer) flip: bool,
    /// What the server can hash with.
    pub(in crate::transfer) hashes: Vec<HashAlgorithm>,
    /// The most sessions.
    pub(in crate::transfer) sessions_max: Option<usize>,
    /// The next logins fail with this fault.
    pub(in crate::transfer) connect: Vec<Fault>,
    /// Nobody can connect, and no session answers.
    pub(in crate::transfer) down: bool,
    /// It goes down with the next session that is lost.
    pub(in crate::transfer) dies: bool,
    /// The next probes get no answer.
    pub(in crate::transfer) dead_probes: u32,
    /// The next listings break off in the middle.
    pub(in crate::transfer) broken_lists: u32,
    /// SITE CHMOD is unknown.
    pub(in crate::transfer) no_chmod: bool,
    /// SIZE and MLST tell no length.
    pub(in crate::transfer) no_size: bool,
}

/// A file on the server.
#[derive(Clone, Debug)]
pub(in crate::transfer) struct Stored {
    pub(in crate::transfer) data: Vec<u8>,
    pub(in crate::transfer) modified: u64,
    pub(in crate::transfer) inode: u64,
}

/// An upload whose session is gone and that still has bytes to write.
#[derive(Debug)]
pub(super) struct Zombie {
    pub(super) inode: u64,
    pub(super) at: usize,
    pub(super) rest: Vec<u8>,
}

#[derive(Debug, Default)]
pub(in crate::transfer) struct State {
    pub(in crate::transfer) files: BTreeMap<String, Stored>,
    pub(in crate::transfer) dirs: BTreeSet<String>,
    /// Permission bits, of files that have any.
    pub(in crate::transfer) modes: BTreeMap<String, u32>,
    pub(in crate::transfer) faults: Faults,
    /// What was done, as `RNTO a -> b`.
    pub(in crate::transfer) effects: Vec<String>,
    pub(super) zombies: Vec<Zombie>,
    pub(super) sessions: usize,
    inodes: u64,
    /// Seconds; every write is a second later than the last.
    now: u64,
    /// Content bytes that were sent to clients, and taken from them.
    pub(in crate::transfer) sent: u64,
    pub(in crate::transfer) taken: u64,
    /// Probes so far.
    pub(in crate::transfer) probes: u32,
    /// Folders listed so far.
    pub(in crate::transfer) lists: u32,
    /// How often somebody wanted to connect.
    pub(in crate::transfer) asked: u32,
    /// Logins so far.
    pub(in crate::transfer) logins: u32,
}

/// A server; clones are the same one.
#[derive(Clone, Debug, Default)]
pub(in crate::transfer) struct Server {
    state: Arc<Mutex<State>>,
}

impl Server {
    pub(in crate::transfer) fn state(&self) -> MutexGuard<'_, State> {
        // A test that has failed must still be able to drop its sessions.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Puts a file there, as somebody else would.
    pub(in crate::transfer) fn put(&self, path: &str, data: &[u8]) {
        let mut state = self.state();
        state.store(path, data.to_vec());
    }

    /// The content of a file.
    pub(in crate::transfer) fn get(&self, path: &str) -> Option<Vec<u8>> {
        self.state().files.get(path).map(|file| file.data.clone())
    }

    /// How many sessions are open.
    pub(in crate::transfer) fn sessions(&self) -> usize {
        self.state().sessions
    }

    /// All names.
    pub(in crate::transfer) fn names(&self) -> Vec<String> {
        self.state().files.keys().cloned().collect()
    }

    /// How often an effect that begins with `prefix` took place.
    pub(in crate::transfer) fn count(&self, prefix: &str) -> usize {
        self.state().effects.iter().filter(|effect| effect.starts_with(prefix)).count()
    }
}

impl State {
    pub(super) fn tick(&mut self) -> u64 {
        self.now += 1;
        1_700_000_000 + self.now
    }

    /// A new file under this name.
    pub(super) fn store(&mut self, path: &str, data: Vec<u8>) -> u64 {
        self.inodes += 1;
        let (inode, modified) = (self.inodes, self.tick());
        self.files.insert(path.to_owned(), Stored { data, modified, inode });
        inode
    }

    pub(super) fn by_inode(&mut self, inode: u64) -> Option<&mut Stored> {
        self.files.values_mut().find(|file| file.inode == inode)
    }

    /// Writes into a file wherever its name is now, as an open descriptor does.
    pub(super) fn write(&mut self, inode: u64, at: usize, bytes: &[u8]) {
        let modified = self.tick();
        if let Some(file) = self.by_inode(inode) {
            let end = (at + bytes.len()).max(file.data.len());
            file.data.resize(end, 0);
            file.data[at..at + bytes.len()].copy_from_slice(bytes);
            file.modified = modified;
        }
    }

    /// Lets uploads without a session write on a little.
    pub(super) fn haunt(&mut self) {
        let step = usize::try_from(self.faults.zombie_step.max(1)).unwrap();
        for mut zombie in std::mem::take(&mut self.zombies) {
            let rest = zombie.rest.split_off(step.min(zombie.rest.len()));
            let (inode, at) = (zombie.inode, zombie.at);
            self.write(inode, at, &zombie.rest);
            if !rest.is_empty() {
                self.zombies.push(Zombie { inode, at: at + zombie.rest.len(), rest });
            }
        }
    }

    pub(super) fn dir_exists(&self, path: &str) -> bool {
        path.is_empty() || self.dirs.contains(path)
    }

    pub(super) fn info(&self, path: &str) -> Option<FileInfo> {
        if let Some(file) = self.files.get(path) {
            return Some(FileInfo {
                path: path.to_owned(),
                kind: FileKind::File,
                size: (!self.faults.no_size).then_some(ByteCount(file.data.len() as u64)),
                modified: Some(Timestamp(file.modified * 1000)),
                unique: None,
            });
        }
        self.dir_exists(path).then(|| FileInfo {
            path: path.to_owned(),
            kind: FileKind::Dir,
            size: None,
            modified: None,
            unique: None,
        })
    }

    /// The fault of a name that isn't there.
    pub(super) fn missing(path: &str) -> Fault {
        Fault::new(FaultCode::FtpNotFound, format!("550 {path}: no such file")).with_reply(550)
    }
}
