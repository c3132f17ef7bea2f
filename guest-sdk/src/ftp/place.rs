//! Folders on either side, and what of one is missing on the other.

use std::iter::Peekable;

use super::{Site, Transfer};
use crate::files::{FileInfo, Listing, Select};
use crate::{Result, files, path};

/// A folder on a site or in a granted folder.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// A path on a site.
    Remote(&'a Site, &'a str),
    /// `NAME/sub` of a granted folder.
    Local(&'a str),
}

impl Place<'_> {
    /// The path of what is `inside` it.
    #[must_use]
    pub fn path(&self, inside: &str) -> String {
        match self {
            Self::Remote(_, folder) | Self::Local(folder) => path::join(folder, inside),
        }
    }

    /// What is in it, however deep, as far as it is selected.
    ///
    /// # Errors
    /// As [`Site::walk`] and [`files::walk`].
    pub fn walk(&self, select: impl Into<Select>) -> Result<Listing> {
        match self {
            Self::Remote(site, folder) => site.walk(folder, select),
            Self::Local(folder) => files::walk(folder, select),
        }
    }

    /// Makes the folder `inside` it, and those above it that are missing.
    ///
    /// # Errors
    /// As [`Site::make_dir`] and [`files::make_dir`].
    pub fn make_dir(&self, inside: &str) -> Result<()> {
        match self {
            Self::Remote(site, _) => site.make_dir(self.path(inside)),
            Self::Local(_) => files::make_dir(self.path(inside)),
        }
    }

    /// Removes an entry, as a listing of this place gave it: a folder if it is empty, anything else if it
    /// is still what it was (on a site; a granted folder is asked for the name only).
    ///
    /// # Errors
    /// As [`Site::remove_unchanged`], [`Site::remove_dir`], [`files::remove`] and [`files::remove_dir`].
    pub fn remove(&self, entry: &FileInfo) -> Result<()> {
        match self {
            Self::Remote(site, _) if entry.is_dir() => site.remove_dir(&entry.path),
            Self::Remote(site, _) => site.remove_unchanged(entry),
            Self::Local(_) if entry.is_dir() => files::remove_dir(&entry.path),
            Self::Local(_) => files::remove(&entry.path),
        }
    }

    /// What is in this place and in `target`, as far as it is selected: for each path, what either side has
    /// there. Both are read side by side in the order of their paths, so even a million files need little
    /// memory. A target that doesn't exist is empty.
    ///
    /// # Errors
    /// As [`Place::walk`].
    pub fn beside(&self, target: &Self, select: impl Into<Select>) -> Result<Beside> {
        let select = select.into();
        let source = self.walk(&select)?;
        let standing: Box<dyn Iterator<Item = FileInfo>> = match target.walk(&select) {
            Ok(listing) => Box::new(listing),
            Err(error) if error.is_not_found() => Box::new(std::iter::empty()),
            Err(error) => return Err(error),
        };
        Ok(Beside {
            unparsed: source.unparsed(),
            source: source.peekable(),
            target: standing.peekable(),
            from: self.path(""),
            to: target.path(""),
        })
    }
}

/// What two places have under the same path; at least one of them has something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The path below both places.
    pub inside: String,
    /// What the source has there.
    pub source: Option<FileInfo>,
    /// What the target has there.
    pub target: Option<FileInfo>,
}

impl Pair {
    /// The transfer that brings what the source has to the same place of `target`, which is on the other
    /// side; `None` where the source has nothing.
    #[must_use]
    pub fn transfer_to(&self, target: &Place<'_>) -> Option<Transfer> {
        let (source, path) = (&self.source.as_ref()?.path, target.path(&self.inside));
        Some(match target {
            Place::Local(_) => Transfer::download(source, path),
            Place::Remote(..) => Transfer::upload(source, path),
        })
    }

    /// Whether the target has what a copy would give: the same folder, or a file of the same size that
    /// isn't older.
    #[must_use]
    pub fn is_copied(&self) -> bool {
        match (&self.source, &self.target) {
            (Some(source), Some(target)) if source.is_dir() => target.is_dir(),
            (Some(source), Some(target)) => target.is_copy_of(source),
            _ => false,
        }
    }
}

/// What [`Place::beside`] gives: pairs, sorted by path.
pub struct Beside {
    source: Peekable<Listing>,
    target: Peekable<Box<dyn Iterator<Item = FileInfo>>>,
    from: String,
    to: String,
    unparsed: Vec<String>,
}

impl Beside {
    /// The source's lines that weren't understood, as [`Listing::unparsed`].
    #[must_use]
    pub fn unparsed(&self) -> &[String] {
        &self.unparsed
    }
}

impl Iterator for Beside {
    type Item = Pair;

    fn next(&mut self) -> Option<Pair> {
        let source = self.source.peek().map(|file| below(file, &self.from));
        let target = self.target.peek().map(|file| below(file, &self.to));
        let inside = match (source, target) {
            (Some(source), Some(target)) => source.min(target),
            (source, target) => source.or(target)?,
        };
        let inside = inside.to_owned();
        Some(Pair {
            source: self.source.next_if(|file| below(file, &self.from) == inside),
            target: self.target.next_if(|file| below(file, &self.to) == inside),
            inside,
        })
    }
}

fn below<'a>(file: &'a FileInfo, folder: &str) -> &'a str {
    path::below(&file.path, folder).unwrap_or(&file.path)
}

impl std::fmt::Debug for Beside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Beside").field("from", &self.from).field("to", &self.to).finish_non_exhaustive()
    }
}
