//! Listing a folder: which command, and reading its lines within bounds.
//!
//! The folder is entered first, and listed without a path: that tells a missing folder from an empty
//! one (vsftpd and pure-ftpd answer "226" to a LIST of nothing, F43), and names that begin with `-`
//! or hold `*` mean themselves.

use super::facts::{self, Kind};
use super::list::{self, Line};
use super::names;
use super::replies::{self, Meaning};
use super::session::{Session, State};
use super::transfer::Way;
use crate::model::{Fault, FaultClass, FaultCode, FileInfo, FileKind, Offset, RemotePath, Timestamp};
use crate::transfer::{Finish, ListItem};

/// The longest line of a listing; the longest honest ones are a path and some facts.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Most lines of one listing.
const LINES_MAX: u64 = 1_000_000;

/// How the lines of a listing are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Facts,
    List,
    Names,
}

/// Where entries go.
type Sink<'a> = &'a mut (dyn FnMut(ListItem) + Send);

impl Session {
    pub(super) async fn list_folder(&mut self, path: &RemotePath, sink: Sink<'_>) -> Result<(), Fault> {
        let doing = self.saying("list", path);
        let absolute = self.absolute(path);
        if let Some(reply) = self.enter(&absolute, &doing).await? {
            let fault = replies::fault(&reply, &doing, false);
            let vague =
                matches!(replies::meaning(&reply), Meaning::Refused | Meaning::Exists | Meaning::BadName);
            return Err(if vague { Fault { code: FaultCode::FtpNotFound, ..fault } } else { fault });
        }
        if self.features.mlst && !self.learned.no_mlst.is_set() {
            match self.list_by("MLSD", Style::Facts, path, &doing, sink).await {
                Err(fault) if is_unsupported(&fault) => self.learned.no_mlst.set(),
                done => return done.map(drop),
            }
        }
        // With `-a`, servers that hide names with a dot (our parts are such) show them too.
        if !self.learned.no_list_all.is_set() {
            match self.list_by("LIST -a", Style::List, path, &doing, sink).await {
                Ok(lines) if lines > 0 => return Ok(()),
                // Not even `.`: `-a` was taken for a name.
                Ok(_) => self.learned.no_list_all.set(),
                Err(fault) if matches!(fault.reply, Some(450 | 500..=504 | 550)) => {
                    self.learned.no_list_all.set();
                }
                Err(fault) => return Err(fault),
            }
        }
        match self.list_by("LIST", Style::List, path, &doing, sink).await {
            Err(fault) if is_unsupported(&fault) => {}
            // "550 No files found": the folder is there, since we are in it.
            Err(fault) if matches!(fault.reply, Some(450 | 550)) && fault.code == FaultCode::FtpNotFound => {
                return Ok(());
            }
            done => return done.map(drop),
        }
        let mut found = Vec::new();
        self.list_by("NLST", Style::Names, path, &doing, &mut |item| found.push(item)).await?;
        for item in found {
            // Names alone: ask what each of them is.
            let item = match item {
                ListItem::Entry(info) => match self.stat_path(&RemotePath::parse(&info.path)?).await? {
                    Some(known) => ListItem::Entry(known),
                    None => ListItem::Entry(info),
                },
                unparsed => unparsed,
            };
            sink(item);
        }
        Ok(())
    }

    /// What LIST says of one file; `None` where it says nothing, or of something else.
    pub(super) async fn list_one(
        &mut self,
        path: &RemotePath,
        doing: &str,
    ) -> Result<Option<FileInfo>, Fault> {
        let (folder, name) = (path.parent(), path.name());
        let folder_path = self.absolute(&folder);
        if name.starts_with('-') || self.enter(&folder_path, doing).await?.is_some() {
            return Ok(None);
        }
        let mut found = None;
        let mut sink = |item| match item {
            ListItem::Entry(entry) if entry.kind == FileKind::File && entry.path == path.as_str() => {
                found = Some(entry);
            }
            _ => {}
        };
        match self.list_by(&format!("LIST {name}"), Style::List, &folder, doing, &mut sink).await {
            Ok(_) => Ok(found),
            // A refusal tells nothing.
            Err(fault) if fault.reply.is_some() && !matches!(self.state, State::Poisoned) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Runs one listing command; gives how many lines came.
    async fn list_by(
        &mut self,
        command: &str,
        style: Style,
        folder: &RemotePath,
        doing: &str,
        sink: Sink<'_>,
    ) -> Result<u64, Fault> {
        self.open(Way::Retrieve, command, Offset::ZERO, doing).await?;
        let now = self.clock.now();
        let mut lines = 0_u64;
        let mut rest: Vec<u8> = Vec::new();
        let bound = |what: &str| {
            Fault::new(FaultCode::FtpProtocol, format!("{doing}: {what}")).with_class(FaultClass::Permanent)
        };
        while let Some(bytes) = self.read_data().await? {
            let mut bytes = &bytes[..];
            while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
                rest.extend_from_slice(&bytes[..end]);
                bytes = &bytes[end + 1..];
                lines += 1;
                if lines > LINES_MAX || rest.len() > LINE_BYTES_MAX {
                    self.poison();
                    return Err(bound("the listing is over the limit of 1,000,000 lines of 64 KiB"));
                }
                hand_on(&rest, style, folder, now, sink);
                rest.clear();
            }
            rest.extend_from_slice(bytes);
            if rest.len() > LINE_BYTES_MAX {
                self.poison();
                return Err(bound("a line of the listing is longer than 64 KiB"));
            }
        }
        if !rest.is_empty() {
            lines += 1;
            hand_on(&rest, style, folder, now, sink);
        }
        match self.finish_data().await? {
            Finish::Unconfirmed(fault) => return Err(fault),
            Finish::Confirmed => {}
        }
        let words = self.signals.last_reply().to_lowercase();
        if words.contains("truncated") {
            return Err(bound(&format!("the server shows only a part of the folder: \"{}\"", words.trim())));
        }
        if words.contains("failed to open directory") {
            return Err(Fault::new(
                FaultCode::FtpDenied,
                format!("{doing}: the server can't open the folder"),
            ));
        }
        Ok(lines)
    }
}

fn is_unsupported(fault: &Fault) -> bool {
    fault.code == FaultCode::FtpUnsupported
}

/// Reads one line and gives the sink what it says.
fn hand_on(raw: &[u8], style: Style, folder: &RemotePath, now: Timestamp, sink: Sink<'_>) {
    let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
    if raw.is_empty() {
        return;
    }
    let item = std::str::from_utf8(raw).ok().and_then(|line| match style {
        Style::Facts => of_facts(line, folder),
        Style::List => of_list(line, folder, now),
        Style::Names => of_name(line, folder),
    });
    match item {
        Some(Read::Item(info)) => sink(ListItem::Entry(info)),
        Some(Read::Nothing) => {}
        None => sink(ListItem::Unparsed(names::for_people(raw))),
    }
}

/// What a line that was understood says.
enum Read {
    Item(FileInfo),
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
    Some(Read::Item(FileInfo {
        path,
        kind,
        size: facts.size,
        modified: facts.modified,
        unique: facts.unique,
    }))
}

fn of_list(line: &str, folder: &RemotePath, now: Timestamp) -> Option<Read> {
    match list::parse(line, now)? {
        Line::Nothing => Some(Read::Nothing),
        Line::Entry(entry) if entry.name == "." || entry.name == ".." => Some(Read::Nothing),
        Line::Entry(entry) => {
            let path = names::join(folder, entry.name).ok()?.as_str().to_owned();
            Some(Read::Item(FileInfo {
                path,
                kind: entry.kind,
                size: entry.size,
                modified: entry.modified,
                unique: None,
            }))
        }
    }
}

/// A line of NLST: a name, or with some servers a path that ends in it.
fn of_name(line: &str, folder: &RemotePath) -> Option<Read> {
    let name = line.rsplit('/').next().unwrap_or(line);
    if name == "." || name == ".." {
        return Some(Read::Nothing);
    }
    let path = names::join(folder, name).ok()?.as_str().to_owned();
    Some(Read::Item(FileInfo { path, kind: FileKind::Other, size: None, modified: None, unique: None }))
}
