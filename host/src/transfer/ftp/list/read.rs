//! Which dialect a line is in, and what stands between the lines: headings, and names on lines of their
//! own.

use super::when::When;
use super::{dos, eplf, ibm, unix, vms};
use crate::model::{ByteCount, FileKind, Timestamp};

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::transfer::ftp) enum Line<'a> {
    Entry(Entry<'a>),
    /// A heading or a sum: nothing that stands for a file.
    Nothing,
    /// This line is in no dialect that is known.
    Unknown(&'a str),
}

/// A file or folder as a line tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::transfer::ftp) struct Entry<'a> {
    pub(in crate::transfer::ftp) name: &'a str,
    pub(in crate::transfer::ftp) kind: FileKind,
    pub(in crate::transfer::ftp) size: Option<ByteCount>,
    pub(in crate::transfer::ftp) modified: Option<When>,
}

/// Reads a listing line by line.
#[derive(Debug)]
pub(in crate::transfer::ftp) struct Lines {
    /// Dates the times without a year.
    now: Timestamp,
    /// A name whose columns are to follow (VMS).
    name: Option<String>,
    /// The heading of a library came: lone names are its members (z/OS).
    in_library: bool,
}

impl Lines {
    /// A listing that begins at `now`, by our clock.
    pub(in crate::transfer::ftp) fn new(now: Timestamp) -> Self {
        Self { now, name: None, in_library: false }
    }

    /// Reads the next line. What it says goes to `tell`; and before that, what the line before said,
    /// where only this one shows it.
    pub(in crate::transfer::ftp) fn read(&mut self, line: &str, tell: &mut dyn FnMut(Line<'_>)) {
        if let Some(name) = self.name.take() {
            let columns = line.starts_with([' ', '\t']).then_some(line);
            match columns.and_then(|columns| vms::parse(&name, columns)) {
                Some(entry) => return tell(Line::Entry(entry)),
                None => tell(Line::Unknown(&name)),
            }
        }
        if is_heading(line) {
            self.in_library |= line.starts_with(LIBRARY) || line.starts_with(PROGRAMS);
            return tell(Line::Nothing);
        }
        let entry = eplf::parse(line)
            .or_else(|| unix::parse(line, self.now))
            .or_else(|| dos::parse(line))
            .or_else(|| {
                let (name, columns) = line.split_once([' ', '\t'])?;
                vms::parse(name, columns)
            })
            .or_else(|| ibm::parse(line))
            .or_else(|| if self.in_library { ibm::bare_member(line) } else { None });
        match entry {
            Some(entry) => tell(Line::Entry(entry)),
            None => match vms::name_alone(line) {
                Some(name) => self.name = Some(name.to_owned()),
                None => tell(Line::Unknown(line)),
            },
        }
    }

    /// A line was read that only the next one explains.
    #[cfg(test)]
    pub(in crate::transfer::ftp) fn waits(&self) -> bool {
        self.name.is_some()
    }

    /// The listing has ended.
    pub(in crate::transfer::ftp) fn end(&mut self, tell: &mut dyn FnMut(Line<'_>)) {
        if let Some(name) = self.name.take() {
            tell(Line::Unknown(&name));
        }
    }
}

/// The headings of a library's members, and of one that holds programs (z/OS).
const LIBRARY: &str = " Name     VV.MM ";
const PROGRAMS: &str = " Name      Size ";

/// `total 123`, also in other languages and with a unit, and the headings of VMS and z/OS.
fn is_heading(line: &str) -> bool {
    const SUMS: &[&str] = &[
        "total",
        "insgesamt",
        "totale",
        "totaal",
        "totalt",
        "summa",
        "razem",
        "итого",
        "合計",
        "总计",
        "總計",
        "总用量",
        "總用量",
        "합계",
    ];
    const HEADINGS: &[&str] =
        &["Directory ", "Total of ", "Grand total of ", "Volume Unit ", LIBRARY, PROGRAMS];
    if HEADINGS.iter().any(|heading| line.starts_with(heading)) || line.trim_matches([' ', '\t']).is_empty() {
        return true;
    }
    let (word, rest) = line.split_once([' ', ':']).unwrap_or((line, ""));
    let number = rest.trim_start_matches([' ', ':']);
    SUMS.contains(&word.to_lowercase().as_str())
        && (number.is_empty() || number.starts_with(|c: char| c.is_ascii_digit()))
}

/// A word and where it stands.
pub(super) struct Word {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Word {
    pub(super) fn text<'a>(&self, line: &'a str) -> &'a str {
        &line[self.start..self.end]
    }
}

/// The words of a line, between blanks and tabs. Other white space may be part of a name.
pub(super) fn ascii_words(line: &str) -> impl Iterator<Item = Word> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let mut at = 0;
    std::iter::from_fn(move || {
        let bytes = line.as_bytes();
        let start = at + bytes[at..].iter().position(|byte| !is_blank(byte))?;
        let length = bytes[start..].iter().position(is_blank);
        at = length.map_or(bytes.len(), |length| start + length);
        Some(Word { start, end: at })
    })
}
