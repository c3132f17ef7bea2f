//! Files and folders in memory: a site, or a granted folder.

use std::collections::BTreeMap;

use globset::{GlobBuilder, GlobMatcher};

use crate::clock::Timestamp;
use crate::files::{FileInfo, FileKind, Select};
use crate::{Error, Result, path};

/// Which side a tree stands for: the first part of its error codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Site,
    Folder,
}

impl Side {
    pub(super) fn error(self, kind: &str, message: String) -> Error {
        let side = match self {
            Self::Site => "ftp",
            Self::Folder => "file",
        };
        Error::new(format!("{side}.{kind}"), message)
    }
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    Dir,
    File { bytes: Vec<u8>, modified: Timestamp },
    Link,
}

/// Nodes by their path from the root, which itself is always there.
#[derive(Debug)]
pub(super) struct Tree {
    side: Side,
    /// What stands before a path in a [`FileInfo`]: the folder's name, or nothing for a site.
    prefix: String,
    nodes: BTreeMap<String, Node>,
    /// What every listing of it gives as unparsed.
    pub(super) unparsed: Vec<String>,
}

impl Tree {
    pub(super) fn new(side: Side, prefix: &str) -> Self {
        Self { side, prefix: prefix.to_owned(), nodes: BTreeMap::new(), unparsed: Vec::new() }
    }

    pub(super) fn paths(&self) -> Vec<String> {
        self.nodes.keys().cloned().collect()
    }

    pub(super) fn get(&self, path: &str) -> Option<&Node> {
        if path.is_empty() { Some(&Node::Dir) } else { self.nodes.get(path) }
    }

    /// Puts a node there, with the folders above it: what happens outside the workflow.
    pub(super) fn put(&mut self, path: &str, node: Node) {
        let mut above = path::parent(path);
        while !above.is_empty() {
            self.nodes.insert(above.to_owned(), Node::Dir);
            above = path::parent(above);
        }
        self.nodes.insert(path.to_owned(), node);
    }

    pub(super) fn stat(&self, path: &str) -> Option<FileInfo> {
        self.get(path).map(|node| self.info(path, node))
    }

    pub(super) fn file(&self, path: &str) -> Result<(&[u8], Timestamp)> {
        match self.get(path) {
            Some(Node::File { bytes, modified }) => Ok((bytes, *modified)),
            Some(_) => Err(self.side.error("denied", format!("reading `{path}`: it is not a file"))),
            None => Err(self.missing("reading", path)),
        }
    }

    /// Writes a file, with the folders above it.
    pub(super) fn write(&mut self, path: &str, bytes: Vec<u8>, modified: Timestamp) -> Result<()> {
        self.make_dir(path::parent(path))?;
        match self.get(path) {
            Some(Node::Dir) => Err(self.taken("writing", path)),
            _ => {
                self.nodes.insert(path.to_owned(), Node::File { bytes, modified });
                Ok(())
            }
        }
    }

    pub(super) fn touch(&mut self, path: &str, at: Timestamp) -> Result<()> {
        match self.nodes.get_mut(path) {
            Some(Node::File { modified, .. }) => {
                *modified = at;
                Ok(())
            }
            _ => Err(self.missing("setting the time of", path)),
        }
    }

    pub(super) fn make_dir(&mut self, path: &str) -> Result<()> {
        let above = path::parent(path);
        if !above.is_empty() {
            self.make_dir(above)?;
        }
        match self.get(path) {
            None => {
                self.nodes.insert(path.to_owned(), Node::Dir);
                Ok(())
            }
            Some(Node::Dir) => Ok(()),
            Some(_) => Err(self.taken("making the folder", path)),
        }
    }

    pub(super) fn remove_dir(&mut self, path: &str) -> Result<()> {
        match self.get(path) {
            Some(Node::Dir) if self.below(path).next().is_none() => {
                self.nodes.remove(path);
                Ok(())
            }
            Some(_) => {
                let kind = if self.side == Side::Site { "denied" } else { "io" };
                Err(self.side.error(kind, format!("removing `{path}`: it is not an empty folder")))
            }
            None => Err(self.missing("removing", path)),
        }
    }

    pub(super) fn remove(&mut self, path: &str) -> Result<()> {
        match self.get(path) {
            Some(Node::Dir) => Err(self.side.error("denied", format!("removing `{path}`: it is a folder"))),
            Some(_) => {
                self.nodes.remove(path);
                Ok(())
            }
            None => Err(self.missing("removing", path)),
        }
    }

    pub(super) fn rename(&mut self, source: &str, target: &str) -> Result<()> {
        if self.get(source).is_none() {
            return Err(self.missing("renaming", source));
        }
        if self.get(target).is_some() {
            return Err(self.taken("renaming to", target));
        }
        match (self.get(path::parent(target)), self.side) {
            (Some(Node::Dir), _) => {}
            (_, Side::Folder) => self.make_dir(path::parent(target))?,
            (_, Side::Site) => return Err(self.missing("renaming to", path::parent(target))),
        }
        let moved: Vec<_> = self.below(source).map(|(path, _)| path.clone()).collect();
        for path in moved.into_iter().chain([source.to_owned()]) {
            if let Some(node) = self.nodes.remove(&path) {
                self.nodes.insert(format!("{target}{}", &path[source.len()..]), node);
            }
        }
        Ok(())
    }

    pub(super) fn list(&self, folder: &str, select: &Select, recursive: bool) -> Result<Vec<FileInfo>> {
        match self.get(folder) {
            Some(Node::Dir) => {}
            _ => return Err(self.missing("listing", folder)),
        }
        let (include, exclude) = (Globs::new(&select.include)?, Globs::new(&select.exclude)?);
        let mut entries = Vec::new();
        for (path, node) in self.below(folder) {
            let inside = path::below(path, folder).unwrap_or(path);
            let is_dir = matches!(node, Node::Dir);
            let mut above = inside.match_indices('/').map(|(end, _)| &inside[..end]);
            if exclude.take(inside, is_dir) || above.any(|above| exclude.take(above, true)) {
                continue;
            }
            let wanted = include.0.is_empty() || include.take(inside, is_dir);
            if wanted && (recursive || !inside.contains('/')) {
                entries.push(self.info(path, node));
            }
        }
        Ok(entries)
    }

    fn below<'a>(&'a self, folder: &str) -> impl Iterator<Item = (&'a String, &'a Node)> {
        let start = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        self.nodes.range(start.clone()..).take_while(move |(path, _)| path.starts_with(&start))
    }

    fn info(&self, path: &str, node: &Node) -> FileInfo {
        let (kind, size, modified) = match node {
            Node::Dir => (FileKind::Dir, None, None),
            Node::File { bytes, modified } => (FileKind::File, Some(bytes.len() as u64), Some(*modified)),
            Node::Link => (FileKind::Link, None, None),
        };
        FileInfo { path: path::join(&self.prefix, path), kind, size, modified, unique: None }
    }

    fn missing(&self, doing: &str, path: &str) -> Error {
        self.side.error("not-found", format!("{doing} `{path}`: there is no such file or folder"))
    }

    fn taken(&self, doing: &str, path: &str) -> Error {
        self.side.error("exists", format!("{doing} `{path}`: it exists"))
    }
}

/// Patterns as the interface defines them: without a slash one is compared with the name, and a slash at the
/// end is for folders.
struct Globs(Vec<Glob>);

struct Glob {
    matcher: GlobMatcher,
    by_name: bool,
    folders_only: bool,
}

impl Globs {
    fn new(patterns: &[String]) -> Result<Self> {
        if patterns.len() > 100 {
            return Err(Error::new("call.invalid", "more than 100 patterns"));
        }
        patterns.iter().map(|pattern| Glob::new(pattern)).collect::<Result<_>>().map(Self)
    }

    fn take(&self, inside: &str, is_dir: bool) -> bool {
        let wanted = |glob: &&Glob| is_dir || !glob.folders_only;
        let at = |by_name: bool| if by_name { path::name(inside) } else { inside };
        self.0.iter().filter(wanted).any(|glob| glob.matcher.is_match(at(glob.by_name)))
    }
}

impl Glob {
    fn new(pattern: &str) -> Result<Self> {
        let inner = pattern.strip_suffix('/').unwrap_or(pattern);
        let glob = GlobBuilder::new(inner)
            .literal_separator(true)
            .build()
            .map_err(|error| Error::new("call.invalid", format!("the pattern `{pattern}`: {error}")))?;
        let (by_name, folders_only) = (!inner.contains('/'), inner != pattern);
        Ok(Self { matcher: glob.compile_matcher(), by_name, folders_only })
    }
}
