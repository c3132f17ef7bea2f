//! A folder's content, one entry at a time.

use std::vec;

use super::FileInfo;
use crate::host;

/// How many entries are asked for at a time: few enough for little memory, many enough for few calls.
const PAGE: u32 = 1_000;

/// The content of a folder as it was at one moment, sorted by path, byte by byte. The host holds it, so
/// that a million names fit into little memory; a resumed run is given the same entries again.
pub struct Listing {
    pages: host::Listing,
    page: vec::IntoIter<FileInfo>,
}

impl Listing {
    pub(crate) fn new(pages: host::Listing) -> Self {
        Self { pages, page: Vec::new().into_iter() }
    }

    /// Lines that weren't understood and names that can't be used safely, escaped for people; at most
    /// the first 1,000. What they stand for is missing from the listing.
    #[must_use]
    pub fn unparsed(&self) -> Vec<String> {
        self.pages.unparsed()
    }
}

impl Iterator for Listing {
    type Item = FileInfo;

    fn next(&mut self) -> Option<FileInfo> {
        if self.page.len() == 0 {
            self.page = self.pages.next(PAGE).into_iter();
        }
        self.page.next()
    }
}

impl std::fmt::Debug for Listing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listing").field("in_page", &self.page.len()).finish_non_exhaustive()
    }
}
