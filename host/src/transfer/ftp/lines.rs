//! From the bytes of a line to what it says of a file in the listed folder. Nothing is left out: a line
//! that isn't understood, and a name that can't be used safely, is told as it came.

use super::encoding;
use super::facts::{self, Kind};
use super::list::{Entry, Line, Lines, When, Zone};
use super::names;
use crate::model::{FileInfo, FileKind, NameEncoding, RemotePath, Timestamp};
use crate::transfer::ListItem;

/// How the lines of a listing are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// MLSD (RFC 3659, 7).
    Facts,
    /// LIST, in any dialect.
    List,
    /// NLST.
    Names,
}

/// What a line shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// A file or folder, without its time, and that time as the line has it.
    Entry(FileInfo, Option<When>),
    /// A line that wasn't understood, or a name that can't be used safely: escaped for people.
    Unparsed(String),
}

impl Shown {
    /// The same as a server in this zone means it.
    pub(super) fn at(self, zone: &Zone) -> ListItem {
        match self {
            Self::Entry(info, when) => {
                ListItem::Entry(FileInfo { modified: when.and_then(|when| when.instant(zone)), ..info })
            }
            Self::Unparsed(line) => ListItem::Unparsed(line),
        }
    }
}

/// Reads the lines of one listing.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    style: Style,
    folder: &'a RemotePath,
    encoding: NameEncoding,
    lines: Lines,
}

impl<'a> Reader<'a> {
    /// A listing of `folder` that begins at `now`, by our clock.
    pub(super) fn new(style: Style, folder: &'a RemotePath, encoding: NameEncoding, now: Timestamp) -> Self {
        Self { style, folder, encoding, lines: Lines::new(now) }
    }

    /// Reads the next line, without its LF.
    pub(super) fn read(&mut self, raw: &[u8], tell: &mut dyn FnMut(Shown)) {
        let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
        if raw.is_empty() {
            return;
        }
        let unparsed = || Shown::Unparsed(names::for_people(raw));
        let Some(text) = encoding::decode(self.encoding, raw) else {
            return tell(unparsed());
        };
        let folder = self.folder;
        match self.style {
            Style::Facts => match of_facts(&text, folder) {
                Some(Read::Item(item)) => tell(item),
                Some(Read::Nothing) => {}
                None => tell(unparsed()),
            },
            Style::Names => match of_name(&text, folder) {
                Some(Read::Item(item)) => tell(item),
                Some(Read::Nothing) => {}
                None => tell(unparsed()),
            },
            Style::List => self.lines.read(&text, &mut |line| of_line(line, folder, Some(raw), tell)),
        }
    }

    /// The listing has ended.
    pub(super) fn end(&mut self, tell: &mut dyn FnMut(Shown)) {
        let folder = self.folder;
        self.lines.end(&mut |line| of_line(line, folder, None, tell));
    }
}

/// What a line that was understood says.
enum Read {
    Item(Shown),
    Nothing,
}

fn of_facts(line: &str, folder: &RemotePath) -> Option<Read> {
    let (facts, name) = facts::parse(line)?;
    if facts.kind == Kind::SelfOrParent || name == "." || name == ".." {
        return Some(Read::Nothing);
    }
    let kind = match facts.kind {
        Kind::Is(kind) => kind,
        Kind::SelfOrParent | Kind::Unknown => FileKind::Other,
    };
    let path = names::join(folder, name).ok()?.as_str().to_owned();
    let info = FileInfo { path, kind, size: facts.size, modified: None, unique: facts.unique };
    Some(Read::Item(Shown::Entry(info, facts.modified.map(When::Instant))))
}

/// `raw` is the line that is being read: what it says of a name that can't be used is shown whole.
fn of_line(line: Line<'_>, folder: &RemotePath, raw: Option<&[u8]>, tell: &mut dyn FnMut(Shown)) {
    let entry = match line {
        Line::Nothing => return,
        Line::Unknown(text) => return tell(Shown::Unparsed(names::for_people(text.as_bytes()))),
        Line::Entry(Entry { name: "." | "..", .. }) => return,
        Line::Entry(entry) => entry,
    };
    let Ok(path) = names::join(folder, entry.name) else {
        let shown = raw.unwrap_or(entry.name.as_bytes());
        return tell(Shown::Unparsed(names::for_people(shown)));
    };
    let path = path.as_str().to_owned();
    let info = FileInfo { path, kind: entry.kind, size: entry.size, modified: None, unique: None };
    tell(Shown::Entry(info, entry.modified));
}

/// A line of NLST: a name, or with some servers a path that ends in it.
fn of_name(line: &str, folder: &RemotePath) -> Option<Read> {
    let name = names::of_path(line)?;
    if name == "." || name == ".." {
        return Some(Read::Nothing);
    }
    let path = names::join(folder, name).ok()?.as_str().to_owned();
    let info = FileInfo { path, kind: FileKind::Other, size: None, modified: None, unique: None };
    Some(Read::Item(Shown::Entry(info, None)))
}

#[cfg(test)]
mod tests;
