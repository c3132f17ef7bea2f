//! Folders on either side, and what of one is missing on the other.

use std::iter::Peekable;

use super::{Site, Transfer};
use crate::files::{FileInfo, Listing};
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

    /// Everything in it, however deep.
    ///
    /// # Errors
    /// As [`Site::walk`] and [`files::walk`].
    pub fn walk<'g>(&self, glob: impl Into<Option<&'g str>>) -> Result<Listing> {
        match self {
            Self::Remote(site, folder) => site.walk(folder, glob),
            Self::Local(folder) => files::walk(folder, glob),
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

    /// What is in this place, each entry with what `target` has in the same place. Both sides are read
    /// side by side in the order of their paths, so even a million files need little memory. A
    /// target that doesn't exist is empty.
    ///
    /// # Errors
    /// As [`Place::walk`].
    pub fn beside<'g>(&self, target: &Self, glob: impl Into<Option<&'g str>>) -> Result<Beside> {
        let source = self.walk(glob)?;
        let standing: Box<dyn Iterator<Item = FileInfo>> = match target.walk(None) {
            Ok(listing) => Box::new(listing),
            Err(error) if error.is_not_found() => Box::new(std::iter::empty()),
            Err(error) => return Err(error),
        };
        Ok(Beside { source, target: standing.peekable(), from: self.path(""), to: target.path("") })
    }
}

/// An entry of one place, and what another has in the same place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The path below both places.
    pub inside: String,
    /// The entry.
    pub source: FileInfo,
    /// What stands in the same place of the target.
    pub target: Option<FileInfo>,
}

impl Pair {
    /// The transfer that brings it to the same place of `target`, which is on the other side.
    #[must_use]
    pub fn transfer_to(&self, target: &Place<'_>) -> Transfer {
        let (source, path) = (&self.source.path, target.path(&self.inside));
        match target {
            Place::Local(_) => Transfer::download(source, path),
            Place::Remote(..) => Transfer::upload(source, path),
        }
    }

    /// Whether the target has what a copy would give: the same folder, or a file of the same size that
    /// isn't older.
    #[must_use]
    pub fn is_copied(&self) -> bool {
        self.target.as_ref().is_some_and(|target| {
            if self.source.is_dir() { target.is_dir() } else { target.is_copy_of(&self.source) }
        })
    }
}

/// What [`Place::beside`] gives: pairs, sorted by path.
pub struct Beside {
    source: Listing,
    target: Peekable<Box<dyn Iterator<Item = FileInfo>>>,
    from: String,
    to: String,
}

impl Beside {
    /// The source's lines that weren't understood, as [`Listing::unparsed`].
    #[must_use]
    pub fn unparsed(&self) -> Vec<String> {
        self.source.unparsed()
    }
}

impl Iterator for Beside {
    type Item = Pair;

    fn next(&mut self) -> Option<Pair> {
        let source = self.source.next()?;
        let inside = path::below(&source.path, &self.from).unwrap_or(&source.path).to_owned();
        let to = self.to.as_str();
        let earlier = |file: &FileInfo| path::below(&file.path, to).is_none_or(|at| at < inside.as_str());
        while self.target.next_if(earlier).is_some() {}
        let target = self.target.next_if(|file| path::below(&file.path, to) == Some(inside.as_str()));
        Some(Pair { inside, source, target })
    }
}

impl std::fmt::Debug for Beside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Beside").field("from", &self.from).field("to", &self.to).finish_non_exhaustive()
    }
}
