//! Listing folders of a granted folder.

use std::os::fd::AsFd;

use cap_std::fs::Dir;
use rustix::fs::AtFlags;

use super::root::{LocalRoot, blocking, info};
use crate::model::{Fault, FaultCode, FileInfo, FileKind, Select};
use crate::transfer::pattern::Pattern;

/// The most entries of one listing: a hundred bytes each are 100 MB of memory.
const ENTRIES_MAX: usize = 1_000_000;

/// The most folders below one another; PATH_MAX allows for more than any real tree has.
const DEPTH_MAX: usize = 64;

impl LocalRoot {
    /// The entries of a folder that `select` asks for, sorted by path; links aren't followed. Names that
    /// aren't UTF-8 or have control characters are left out, since no path could name them.
    ///
    /// # Errors
    /// `file.not-found`, `file.denied`, `file.io`; `file.too-large` over a million entries;
    /// `call.invalid` for a glob that can't be read.
    pub async fn list(&self, inside: &str, select: &Select) -> Result<Vec<FileInfo>, Fault> {
        let file = self.file(inside)?;
        let pattern = Pattern::new(select)?;
        let recursive = select.recursive;
        blocking(move || {
            let failed = |e| Fault::local(format_args!("cannot list {file}"), &e);
            let dir = match file.inside.as_str() {
                "" => file.root.dir().try_clone(),
                path => file.root.dir().open_dir(path),
            };
            let mut walk = Walk { base: file.to_string(), pattern, recursive, found: Vec::new() };
            walk.visit(&dir.map_err(failed)?, "", 0)?;
            walk.found.sort_by(|a, b| a.path.cmp(&b.path));
            Ok(walk.found)
        })
        .await
    }
}

struct Walk {
    base: String,
    pattern: Pattern,
    recursive: bool,
    found: Vec<FileInfo>,
}

impl Walk {
    fn visit(&mut self, dir: &Dir, below: &str, depth: usize) -> Result<(), Fault> {
        let base = self.base.clone();
        let failed = |e| Fault::local(format_args!("cannot list {base}/{below}"), &e);
        let too_large = |what: String| Fault::new(FaultCode::FileTooLarge, what);
        if depth > DEPTH_MAX {
            return Err(too_large(format!("{} has more than {DEPTH_MAX} folders in one another", self.base)));
        }
        let mut folders = Vec::new();
        for entry in dir.entries().map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let Some(name) = name.to_str().filter(|name| !name.chars().any(char::is_control)) else {
                continue;
            };
            // What was removed since is no error of the listing.
            let Ok(stat) = rustix::fs::statat(dir.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            let path = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
            let entry = info(format!("{}/{path}", self.base), &stat);
            if self.pattern.excludes(&path, &entry) {
                continue;
            }
            if self.recursive && entry.kind == FileKind::Dir {
                folders.push((name.to_owned(), path.clone()));
            }
            if self.pattern.takes(&path, &entry) {
                self.found.push(entry);
            }
            if self.found.len() > ENTRIES_MAX {
                return Err(too_large(format!("{} has more than {ENTRIES_MAX} entries", self.base)));
            }
        }
        for (name, path) in folders {
            match dir.open_dir(&name) {
                Ok(folder) => self.visit(&folder, &path, depth + 1)?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }
}
