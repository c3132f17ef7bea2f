//! Listing a folder: which command, and reading its lines within bounds.
//!
//! The folder is entered first, and listed without a path: that tells a missing folder from an empty
//! one (vsftpd and pure-ftpd answer "226" to a LIST of nothing, F43), and names that begin with `-`
//! or hold `*` mean themselves.

use super::lines::{Reader, Shown, Style};
use super::list::Zone;
use super::replies::{self, Meaning};
use super::session::{Session, State};
use super::transfer::Way;
use super::zone::Held;
use crate::model::{Fault, FaultClass, FaultCode, FileInfo, FileKind, Offset, RemotePath};
use crate::transfer::{Finish, ListItem};

/// The longest line of a listing; the longest honest ones are a path and some facts.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Most lines of one listing.
const LINES_MAX: u64 = 1_000_000;

/// Most bytes of one listing: a million lines of a kilobyte.
const LISTING_BYTES_MAX: u64 = 1 << 30;

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
            match self
                .list_by("MLSD", Style::Facts, path, &doing, &mut |item| sink(item.at(&Zone::UTC)))
                .await
            {
                Err(fault) if is_unsupported(&fault) => self.learned.no_mlst.set(),
                done => return done.map(drop),
            }
        }
        // With `-a`, servers that hide names with a dot (our parts are such) show them too.
        if !self.learned.no_list_all.is_set() {
            match self.list_dated("LIST -a", path, &doing, sink).await {
                Ok(lines) if lines > 0 => return Ok(()),
                // Not even `.`: `-a` was taken for a name.
                Ok(_) => self.learned.no_list_all.set(),
                Err(fault) if matches!(fault.reply, Some(450 | 500..=504 | 550)) => {
                    self.learned.no_list_all.set();
                }
                Err(fault) => return Err(fault),
            }
        }
        match self.list_dated("LIST", path, &doing, sink).await {
            Err(fault) if is_unsupported(&fault) => {}
            // "550 No files found": the folder is there, since we are in it.
            Err(fault) if matches!(fault.reply, Some(450 | 550)) && fault.code == FaultCode::FtpNotFound => {
                return Ok(());
            }
            done => return done.map(drop),
        }
        let mut found = Vec::new();
        self.list_by("NLST", Style::Names, path, &doing, &mut |item| found.push(item.at(&Zone::UTC))).await?;
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
        match self.list_dated(&format!("LIST {name}"), &folder, doing, &mut sink).await {
            Ok(_) => Ok(found),
            // A refusal tells nothing.
            Err(fault) if fault.reply.is_some() && !matches!(self.state, State::Poisoned) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Runs a LIST; gives how many lines came. Where the zone of its times isn't known yet, the entries
    /// are held until one of them has shown it.
    async fn list_dated(
        &mut self,
        command: &str,
        path: &RemotePath,
        doing: &str,
        sink: Sink<'_>,
    ) -> Result<u64, Fault> {
        let zone = match self.known_zone() {
            Some(zone) => zone,
            None => {
                let mut held = Held::default();
                let lines =
                    self.list_by(command, Style::List, path, doing, &mut |item| held.take(item)).await?;
                let zone = self.learn_zone(held.witnesses(), doing).await?;
                if let Some(items) = held.items() {
                    items.for_each(|item| sink(item.at(&zone)));
                    return Ok(lines);
                }
                // Too many to be held: once more, now that the zone is known.
                zone
            }
        };
        self.list_by(command, Style::List, path, doing, &mut |item| sink(item.at(&zone))).await
    }

    /// Runs one listing command; gives how many lines came.
    async fn list_by(
        &mut self,
        command: &str,
        style: Style,
        folder: &RemotePath,
        doing: &str,
        tell: &mut (dyn FnMut(Shown) + Send),
    ) -> Result<u64, Fault> {
        self.open(Way::Retrieve, command, Offset::ZERO, doing).await?;
        let mut reader = Reader::new(style, folder, self.signals.encoding(), self.clock.now());
        let (mut lines, mut total) = (0_u64, 0_u64);
        let mut rest: Vec<u8> = Vec::new();
        let bound = |what: &str| {
            Fault::new(FaultCode::FtpProtocol, format!("{doing}: {what}")).with_class(FaultClass::Permanent)
        };
        while let Some(bytes) = self.read_data().await? {
            total += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let mut bytes = &bytes[..];
            while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
                rest.extend_from_slice(&bytes[..end]);
                bytes = &bytes[end + 1..];
                lines += 1;
                if lines > LINES_MAX || rest.len() > LINE_BYTES_MAX {
                    self.poison();
                    return Err(bound("the listing is over the limit of 1,000,000 lines of 64 KiB"));
                }
                reader.read(&rest, tell);
                rest.clear();
            }
            rest.extend_from_slice(bytes);
            if rest.len() > LINE_BYTES_MAX || total > LISTING_BYTES_MAX {
                self.poison();
                let line = rest.len() > LINE_BYTES_MAX;
                return Err(bound(if line {
                    "a line of the listing is longer than 64 KiB"
                } else {
                    "the listing is longer than 1 GiB"
                }));
            }
        }
        if !rest.is_empty() {
            lines += 1;
            reader.read(&rest, tell);
        }
        reader.end(tell);
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
