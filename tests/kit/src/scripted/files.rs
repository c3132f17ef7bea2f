//! The server's files, in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::effects::{Effect, EffectLog};
use super::plan::{Quirks, RestOfStor};

/// A folder, or the number of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Folder,
    File(u64),
}

/// What a file holds.
#[derive(Clone, Debug, Default)]
struct Content {
    data: Vec<u8>,
    modified: i64,
}

#[derive(Debug)]
struct Tree {
    nodes: BTreeMap<String, Node>,
    contents: HashMap<u64, Content>,
    next: u64,
}

/// What can be seen of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) is_folder: bool,
    pub(super) size: u64,
    /// Seconds since 1970.
    pub(super) modified: i64,
    pub(super) inode: u64,
}

/// Why a name can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NotFound,
    Exists,
    NotEmpty,
    IsFolder,
    BadOffset,
    NoRestart,
}

/// A file that is being written, whatever it is called by now.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) inode: u64,
    pub(super) at: u64,
}

/// The files of one server. Paths are absolute, with one slash between names.
#[derive(Clone, Debug)]
pub struct Files {
    tree: Arc<Mutex<Tree>>,
    log: EffectLog,
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((parent, _)) => parent,
    }
}

impl Files {
    pub(super) fn new(log: EffectLog) -> Self {
        let nodes = BTreeMap::from([("/".to_owned(), Node::Folder)]);
        Self { tree: Arc::new(Mutex::new(Tree { nodes, contents: HashMap::new(), next: 1 })), log }
    }

    fn lock(&self) -> MutexGuard<'_, Tree> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a file there as another client would, with the folders above it; the log doesn't tell.
    pub fn put(&self, path: &str, data: &[u8]) {
        let mut tree = self.lock();
        let mut above = parent(path).to_owned();
        while above != "/" {
            tree.nodes.insert(above.clone(), Node::Folder);
            above = parent(&above).to_owned();
        }
        let inode = tree.next;
        tree.next += 1;
        tree.nodes.insert(path.to_owned(), Node::File(inode));
        // Each replacement is a second younger than the one before: to the second is all that is told.
        let modified = now() - 1_000_000 + i64::try_from(inode).unwrap_or(0);
        tree.contents.insert(inode, Content { data: data.to_vec(), modified });
    }

    /// What a file holds.
    pub fn get(&self, path: &str) -> Option<Vec<u8>> {
        let tree = self.lock();
        let Some(Node::File(inode)) = tree.nodes.get(path) else { return None };
        Some(tree.contents.get(inode)?.data.clone())
    }

    /// Removes a file as another client would; the log doesn't tell.
    pub fn take_away(&self, path: &str) {
        self.lock().nodes.remove(path);
    }

    /// The paths of all files.
    pub fn names(&self) -> Vec<String> {
        let tree = self.lock();
        let files = tree.nodes.iter().filter(|(_, node)| **node != Node::Folder);
        files.map(|(path, _)| path.clone()).collect()
    }

    pub(super) fn status(&self, path: &str) -> Option<Status> {
        let tree = self.lock();
        Some(match tree.nodes.get(path)? {
            Node::Folder => Status { is_folder: true, size: 0, modified: now(), inode: 0 },
            Node::File(inode) => {
                let content = tree.contents.get(inode)?;
                let size = content.data.len() as u64;
                Status { is_folder: false, size, modified: content.modified, inode: *inode }
            }
        })
    }

    /// The names right under a folder.
    pub(super) fn inside(&self, folder: &str) -> Vec<String> {
        let tree = self.lock();
        let names = tree.nodes.keys().filter(|path| *path != "/" && parent(path) == folder);
        names.filter_map(|path| path.rsplit('/').next()).map(ToOwned::to_owned).collect()
    }

    /// At most `most` bytes of a file from `at`.
    pub(super) fn read(&self, path: &str, at: u64, most: usize) -> Vec<u8> {
        let tree = self.lock();
        let Some(Node::File(inode)) = tree.nodes.get(path) else { return Vec::new() };
        let data = tree.contents.get(inode).map_or(&[][..], |content| &content.data);
        let from = usize::try_from(at).unwrap_or(usize::MAX).min(data.len());
        data[from..data.len().min(from.saturating_add(most))].to_vec()
    }

    /// Adds to a file as its owner would.
    pub(super) fn grow(&self, path: &str, more: &[u8]) {
        let mut tree = self.lock();
        if let Some(Node::File(inode)) = tree.nodes.get(path).copied()
            && let Some(content) = tree.contents.get_mut(&inode)
        {
            content.data.extend_from_slice(more);
            content.modified += 1;
        }
    }

    /// Opens a file for STOR, or for APPE, with the offset of REST before it.
    pub(super) fn open(
        &self,
        path: &str,
        append: bool,
        rest: Option<u64>,
        quirks: &Quirks,
    ) -> Result<Writer, Refusal> {
        let mut tree = self.lock();
        if tree.nodes.get(parent(path)) != Some(&Node::Folder) {
            return Err(Refusal::NotFound);
        }
        if !append && rest.is_some_and(|rest| rest > 0) && quirks.rest_stor == RestOfStor::Refused {
            return Err(Refusal::NoRestart);
        }
        let inode = match tree.nodes.get(path) {
            Some(Node::Folder) => return Err(Refusal::IsFolder),
            Some(Node::File(inode)) => *inode,
            None => {
                let inode = tree.next;
                tree.next += 1;
                tree.nodes.insert(path.to_owned(), Node::File(inode));
                tree.contents.insert(inode, Content { data: Vec::new(), modified: now() });
                self.log.add(Effect::Created(path.to_owned()));
                inode
            }
        };
        let content = tree.contents.entry(inode).or_default();
        let length = content.data.len() as u64;
        let at = match (append, rest.unwrap_or(0)) {
            (true, rest) if quirks.rest_leaks_into_append && rest > 0 => rest.min(length),
            (true, _) => length,
            (false, rest) if rest == 0 || quirks.rest_stor == RestOfStor::Ignored => {
                if length > 0 {
                    self.log.add(Effect::Created(path.to_owned()));
                }
                content.data.clear();
                0
            }
            (false, rest) => match quirks.rest_stor {
                RestOfStor::KeepsTail if rest > length => return Err(Refusal::BadOffset),
                RestOfStor::KeepsTail
                | RestOfStor::LeavesHole
                | RestOfStor::Ignored
                | RestOfStor::Refused => rest,
                RestOfStor::Truncates => {
                    content.data.truncate(usize::try_from(rest).unwrap_or(usize::MAX));
                    rest.min(length)
                }
            },
        };
        Ok(Writer { inode, at })
    }

    pub(super) fn write(&self, writer: &mut Writer, bytes: &[u8]) {
        let mut tree = self.lock();
        let Some(content) = tree.contents.get_mut(&writer.inode) else { return };
        let from = usize::try_from(writer.at).unwrap_or(usize::MAX);
        let end = from + bytes.len();
        if content.data.len() < end {
            content.data.resize(end, 0);
        }
        content.data[from..end].copy_from_slice(bytes);
        content.modified = now();
        drop(tree);
        let length = bytes.len() as u64;
        self.log.add(Effect::Wrote { inode: writer.inode, at: writer.at, length });
        writer.at += length;
    }

    pub(super) fn rename(&self, from: &str, to: &str, refuse_existing: bool) -> Result<(), Refusal> {
        let mut tree = self.lock();
        if tree.nodes.get(parent(to)) != Some(&Node::Folder) {
            return Err(Refusal::NotFound);
        }
        if refuse_existing && tree.nodes.contains_key(to) {
            return Err(Refusal::Exists);
        }
        let node = tree.nodes.remove(from).ok_or(Refusal::NotFound)?;
        tree.nodes.insert(to.to_owned(), node);
        self.log.add(Effect::Renamed(from.to_owned(), to.to_owned()));
        Ok(())
    }

    pub(super) fn remove(&self, path: &str, folder: bool) -> Result<(), Refusal> {
        if folder && !self.inside(path).is_empty() {
            return Err(Refusal::NotEmpty);
        }
        let mut tree = self.lock();
        match tree.nodes.get(path) {
            Some(Node::Folder) if folder => {}
            Some(Node::File(_)) if !folder => {}
            _ => return Err(Refusal::NotFound),
        }
        tree.nodes.remove(path);
        self.log.add(Effect::Removed(path.to_owned()));
        Ok(())
    }

    pub(super) fn make(&self, path: &str) -> Result<(), Refusal> {
        let mut tree = self.lock();
        if tree.nodes.contains_key(path) {
            return Err(Refusal::Exists);
        }
        if tree.nodes.get(parent(path)) != Some(&Node::Folder) {
            return Err(Refusal::NotFound);
        }
        tree.nodes.insert(path.to_owned(), Node::Folder);
        self.log.add(Effect::Made(path.to_owned()));
        Ok(())
    }

    pub(super) fn set_modified(&self, path: &str, at: i64) -> Result<(), Refusal> {
        let mut tree = self.lock();
        let Some(Node::File(inode)) = tree.nodes.get(path).copied() else { return Err(Refusal::NotFound) };
        if let Some(content) = tree.contents.get_mut(&inode) {
            content.modified = at;
        }
        Ok(())
    }
}
