//! The commands of a session that need no data connection.

use super::facts::{self, Kind};
use super::features::SetMtime;
use super::replies::{self, Meaning, Reply};
use super::session::Session;
use super::time;
use crate::model::{
    ByteCount, Digest, Fault, FaultCode, FileInfo, FileKind, HashAlgorithm, Offset, RemotePath, Timestamp,
};

/// What an answer about a name says.
enum Look {
    /// There is something.
    Found,
    /// There is nothing of that name, as far as this command can see.
    Missing,
    /// The server can't do this command.
    CannotTell,
}

impl Session {
    /// Judges the answer to a question about a name. A 550 in a language that isn't known here counts
    /// as "nothing there"; one that speaks of permissions or of trouble doesn't.
    fn look(&mut self, reply: &Reply, doing: &str) -> Result<Look, Fault> {
        if reply.is_completion() {
            return Ok(Look::Found);
        }
        match replies::meaning(reply) {
            Meaning::NotFound | Meaning::Refused | Meaning::Exists | Meaning::BadName => Ok(Look::Missing),
            Meaning::Unsupported | Meaning::BadCall => Ok(Look::CannotTell),
            _ => Err(self.refused(reply, doing)),
        }
    }

    pub(super) async fn stat_path(&mut self, path: &RemotePath) -> Result<Option<FileInfo>, Fault> {
        let doing = self.saying("look at", path);
        let absolute = self.absolute(path);
        if self.features.mlst && !self.learned.no_mlst.is_set() {
            let reply = self.ask(&format!("MLST {absolute}"), &doing, self.limits.reply).await?;
            match self.look(&reply, &doing)? {
                Look::Found => {
                    if let Some(info) = info_of_mlst(&reply, path) {
                        return Ok(Some(info));
                    }
                    self.learned.no_mlst.set();
                }
                Look::Missing => return Ok(None),
                Look::CannotTell => self.learned.no_mlst.set(),
            }
        }
        let info = |kind, size, modified| FileInfo {
            path: path.as_str().to_owned(),
            kind,
            size,
            modified,
            unique: None,
        };
        let mut size = Told::Missing;
        if !path.is_root() {
            size = self.ask_size(&absolute, &doing).await?;
            if let Told::Is(size) = size {
                let modified = self.ask_modified(&absolute, &doing).await?.known();
                return Ok(Some(info(FileKind::File, Some(size), modified)));
            }
        }
        if self.enter(&absolute, &doing).await?.is_none() {
            return Ok(Some(info(FileKind::Dir, None, None)));
        }
        // Neither a file with a size nor a folder. Some servers refuse SIZE for a file that is there
        // (F36); MDTM is a second witness, and LIST knows the size: without one nothing would tell that
        // a file came short.
        let modified = self.ask_modified(&absolute, &doing).await?;
        if matches!((size, modified), (Told::Missing, Told::Missing)) {
            return Ok(None);
        }
        let listed = self.list_one(path, &doing).await?;
        Ok(match (listed, modified.known()) {
            (Some(listed), modified) => Some(info(FileKind::File, listed.size, modified.or(listed.modified))),
            (None, Some(modified)) => Some(info(FileKind::File, None, Some(modified))),
            (None, None) => None,
        })
    }

    pub(super) async fn size_of(&mut self, path: &RemotePath) -> Result<Option<Offset>, Fault> {
        let doing = self.saying("ask for the size of", path);
        let absolute = self.absolute(path);
        match self.ask_size(&absolute, &doing).await? {
            Told::Is(size) => return Ok(Some(Offset(size.0))),
            Told::Missing | Told::CannotTell => {}
        }
        match self.stat_path(path).await? {
            None => Ok(None),
            Some(FileInfo { size: Some(size), .. }) => Ok(Some(Offset(size.0))),
            Some(_) => {
                Err(Fault::new(FaultCode::FtpUnsupported, format!("{doing}: the server doesn't tell it")))
            }
        }
    }

    async fn ask_size(&mut self, absolute: &str, doing: &str) -> Result<Told<ByteCount>, Fault> {
        let reply = self.ask(&format!("SIZE {absolute}"), doing, self.limits.reply).await?;
        Ok(match self.look(&reply, doing)? {
            Look::Found => match reply.words().trim().parse() {
                Ok(size) => Told::Is(ByteCount(size)),
                Err(_) => Told::CannotTell,
            },
            Look::Missing => Told::Missing,
            Look::CannotTell => Told::CannotTell,
        })
    }

    pub(super) async fn ask_modified(
        &mut self,
        absolute: &str,
        doing: &str,
    ) -> Result<Told<Timestamp>, Fault> {
        let reply = self.ask(&format!("MDTM {absolute}"), doing, self.limits.reply).await?;
        Ok(match self.look(&reply, doing)? {
            Look::Found => time::parse(reply.words()).map_or(Told::CannotTell, Told::Is),
            Look::Missing => Told::Missing,
            Look::CannotTell => Told::CannotTell,
        })
    }

    /// CWD; gives the reply when the server doesn't go there.
    pub(super) async fn enter(&mut self, absolute: &str, doing: &str) -> Result<Option<Reply>, Fault> {
        let reply = self.ask(&format!("CWD {absolute}"), doing, self.limits.reply).await?;
        match self.look(&reply, doing)? {
            Look::Found => Ok(None),
            Look::Missing | Look::CannotTell => Ok(Some(reply)),
        }
    }

    pub(super) async fn rename_path(&mut self, from: &RemotePath, to: &RemotePath) -> Result<(), Fault> {
        let doing = format!("rename `{from}` to `{to}` on {}", self.place);
        let reply = self.change(&format!("RNFR {}", self.absolute(from)), &doing).await?;
        if reply.code != 350 {
            return Err(match replies::meaning(&reply) {
                // Of RNFR, an unknown 550 speaks of the old name.
                Meaning::Refused => Fault { code: FaultCode::FtpNotFound, ..self.refused(&reply, &doing) },
                _ => self.refused(&reply, &doing),
            });
        }
        let reply = self.change(&format!("RNTO {}", self.absolute(to)), &doing).await?;
        self.done(&reply, &doing)
    }

    pub(super) async fn remove_file(&mut self, path: &RemotePath) -> Result<(), Fault> {
        let doing = self.saying("remove", path);
        let reply = self.change(&format!("DELE {}", self.absolute(path)), &doing).await?;
        self.done_or_gone(&reply, path, &doing).await
    }

    pub(super) async fn remove_folder(&mut self, path: &RemotePath) -> Result<(), Fault> {
        let doing = self.saying("remove the folder", path);
        let reply = self.change(&format!("RMD {}", self.absolute(path)), &doing).await?;
        self.done_or_gone(&reply, path, &doing).await
    }

    pub(super) async fn make_folder(&mut self, path: &RemotePath) -> Result<(), Fault> {
        let doing = self.saying("make the folder", path);
        let reply = self.change(&format!("MKD {}", self.absolute(path)), &doing).await?;
        if let Err(fault) = self.done(&reply, &doing) {
            // "Create directory operation failed" may mean that it is there already: look.
            let vague =
                matches!(replies::meaning(&reply), Meaning::Refused | Meaning::BadName | Meaning::Denied);
            if vague && self.stat_path(path).await?.is_some_and(|info| info.kind == FileKind::Dir) {
                return Err(Fault { code: FaultCode::FtpExists, ..fault });
            }
            return Err(fault);
        }
        Ok(())
    }

    /// Any 2xx will do for a simple command (F56).
    fn done(&mut self, reply: &Reply, doing: &str) -> Result<(), Fault> {
        if reply.is_completion() { Ok(()) } else { Err(self.refused(reply, doing)) }
    }

    /// The same, where a vague refusal may mean that there is nothing to remove.
    async fn done_or_gone(&mut self, reply: &Reply, path: &RemotePath, doing: &str) -> Result<(), Fault> {
        match self.done(reply, doing) {
            Err(fault) if replies::meaning(reply) == Meaning::Refused => {
                let code =
                    if self.stat_path(path).await?.is_none() { FaultCode::FtpNotFound } else { fault.code };
                Err(Fault { code, ..fault })
            }
            done => done,
        }
    }

    pub(super) async fn set_mtime(&mut self, path: &RemotePath, at: Timestamp) -> Result<bool, Fault> {
        let doing = self.saying("set the modification time of", path);
        let absolute = self.absolute(path);
        let text = time::format(at);
        while !self.learned.no_set_mtime.is_set() {
            let command = match self.set_mtime {
                SetMtime::Mfmt => format!("MFMT {text} {absolute}"),
                SetMtime::Mdtm => format!("MDTM {text} {absolute}"),
                SetMtime::SiteUtime => format!("SITE UTIME {text} {absolute}"),
                SetMtime::None => break,
            };
            let reply = self.change(&command, &doing).await?;
            if reply.is_completion() {
                return Ok(true);
            }
            match replies::meaning(&reply) {
                // Servers that only read with MDTM take the time for a part of the name: 550.
                Meaning::Unsupported | Meaning::BadCall | Meaning::NotFound | Meaning::Refused => {
                    self.set_mtime = self.set_mtime.next();
                }
                // rclone has "450 File not available" for that.
                Meaning::Busy if self.set_mtime == SetMtime::Mdtm => self.set_mtime = self.set_mtime.next(),
                Meaning::Denied => return Ok(false),
                _ => return Err(self.refused(&reply, &doing)),
            }
        }
        self.learned.no_set_mtime.set();
        Ok(false)
    }

    pub(super) async fn digest_of(
        &mut self,
        path: &RemotePath,
        algorithm: HashAlgorithm,
    ) -> Result<Option<Digest>, Fault> {
        if !self.features.hashes.contains(&algorithm) {
            return Ok(None);
        }
        let doing = self.saying("ask for the digest of", path);
        let absolute = self.absolute(path);
        if self.features.site_hashes.contains(&algorithm) {
            return self.digest_by_site(&absolute, algorithm, &doing).await;
        }
        let (name, own): (&str, &[&str]) = match algorithm {
            HashAlgorithm::Crc32 => ("CRC32", &["XCRC"]),
            HashAlgorithm::Md5 => ("MD5", &["XMD5", "MD5"]),
            HashAlgorithm::Sha1 => ("SHA-1", &["XSHA1", "XSHA"]),
            HashAlgorithm::Sha256 => ("SHA-256", &["XSHA256"]),
        };
        if self.hash_chosen != Some(algorithm) {
            let chosen = self.ask(&format!("OPTS HASH {name}"), &doing, self.limits.reply).await?;
            self.hash_chosen = chosen.is_completion().then_some(algorithm);
        }
        let mut commands = Vec::new();
        if self.hash_chosen.is_some() {
            commands.push(format!("HASH {absolute}"));
        }
        // These take further arguments, so that a name with blanks must be quoted.
        let quoted = if absolute.contains(' ') { format!("\"{absolute}\"") } else { absolute };
        commands.extend(own.iter().map(|verb| format!("{verb} {quoted}")));
        for command in commands {
            // The server reads the whole file before it answers.
            let reply = self.ask(&command, &doing, self.limits.final_reply).await?;
            if reply.is_completion() {
                return Ok(digest_in(&reply, algorithm));
            }
            if !matches!(replies::meaning(&reply), Meaning::Unsupported | Meaning::BadCall) {
                return Err(self.refused(&reply, &doing));
            }
        }
        self.features.hashes.retain(|known| *known != algorithm);
        Ok(None)
    }

    /// `SITE MD5 path` and the like. Only where it is announced so: libunftp, which has it, closes the
    /// connection at XMD5, and others may do so at this.
    async fn digest_by_site(
        &mut self,
        absolute: &str,
        algorithm: HashAlgorithm,
        doing: &str,
    ) -> Result<Option<Digest>, Fault> {
        let name = algorithm.as_str().to_ascii_uppercase();
        let reply = self.ask(&format!("SITE {name} {absolute}"), doing, self.limits.final_reply).await?;
        if reply.is_completion() {
            return Ok(digest_in(&reply, algorithm));
        }
        if !matches!(replies::meaning(&reply), Meaning::Unsupported | Meaning::BadCall) {
            return Err(self.refused(&reply, doing));
        }
        self.features.hashes.retain(|known| *known != algorithm);
        Ok(None)
    }
}

/// What a question about a name was answered with.
#[derive(Clone, Copy)]
pub(super) enum Told<T> {
    Is(T),
    /// The server says that there is nothing of that name.
    Missing,
    CannotTell,
}

impl<T> Told<T> {
    pub(super) fn known(self) -> Option<T> {
        match self {
            Self::Is(value) => Some(value),
            Self::Missing | Self::CannotTell => None,
        }
    }
}

/// The word of a reply that is a digest: hexadecimal digits of the right number. A CRC may lack its
/// leading zeros.
fn digest_in(reply: &Reply, algorithm: HashAlgorithm) -> Option<Digest> {
    let digits = match algorithm {
        HashAlgorithm::Crc32 => 8,
        HashAlgorithm::Md5 => 32,
        HashAlgorithm::Sha1 => 40,
        HashAlgorithm::Sha256 => 64,
    };
    let is_hex = |word: &&str| word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words = || reply.words().split_whitespace().filter(is_hex);
    let whole = words().find(|word| word.len() == digits);
    let word = match algorithm {
        HashAlgorithm::Crc32 => whole.or_else(|| words().find(|word| word.len() < digits)),
        _ => whole,
    }?;
    Some(Digest { algorithm, hex: word.to_ascii_lowercase() })
}

/// What a reply to MLST tells of the file at `path`.
fn info_of_mlst(reply: &Reply, path: &RemotePath) -> Option<FileInfo> {
    let facts = facts::in_reply(&reply.text)?;
    let kind = match facts.kind {
        Kind::Is(kind) => kind,
        Kind::SelfOrParent => FileKind::Dir,
        Kind::Unknown => return None,
    };
    let path = path.as_str().to_owned();
    Some(FileInfo { path, kind, size: facts.size, modified: facts.modified, unique: facts.unique })
}
