//! What the algorithms of this module ask of a server: one trait for a logged-in session, one for
//! making sessions. `transfer::ftp` implements both; tests have their own.
//!
//! A session does one thing at a time. Where an answer did not come, came late or was not one that
//! the command may give, the session is *poisoned*: every later call fails, and the pool throws it
//! away. All paths are relative to the site's root; the session joins them.

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::model::{Digest, Fault, FileInfo, HashAlgorithm, Offset, RemotePath, Site, Timestamp};

/// What a server is known to do: from FEAT (RFC 2389), and from what failed before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features {
    /// `REST STREAM` (RFC 3659, 5.1) is announced.
    pub rest: bool,
    /// SIZE (RFC 3659, 4).
    pub size: bool,
    /// MDTM (RFC 3659, 3).
    pub mdtm: bool,
    /// MLST and MLSD (RFC 3659, 7).
    pub mlst: bool,
    /// A command that sets a file's modification time.
    pub set_mtime: bool,
    /// UTF8 (RFC 2640).
    pub utf8: bool,
    /// What the server can be asked to hash with (HASH, XCRC, XMD5, XSHA1, XSHA256, SITE MD5).
    pub hashes: Vec<HashAlgorithm>,
    /// Those of `hashes` that it is asked for with SITE.
    #[serde(default)]
    pub site_hashes: Vec<HashAlgorithm>,
    /// The control connection is under TLS.
    pub tls: bool,
}

/// How a STOR begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFrom {
    /// STOR from byte 0; an existing file is truncated.
    Start,
    /// `REST n`, then STOR: n must not be past the file's end (ftp.md: servers leave holes).
    Restart(Offset),
    /// APPE, never after a REST (ProFTPD obeys it there).
    Append,
}

/// What the final reply of a transfer said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// 226 or 250: the server says that it is done.
    Confirmed,
    /// Something else, or nothing: only a look at the file tells. The session is poisoned where
    /// the reply was missing.
    Unconfirmed(Fault),
}

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListItem {
    /// A file or folder. `path` is relative to the site's root.
    Entry(FileInfo),
    /// A line that wasn't understood, or a name that can't be used safely: escaped for people.
    Unparsed(String),
}

/// One logged-in session.
#[async_trait]
pub trait Remote: Send {
    /// What the server is known to do.
    fn features(&self) -> &Features;

    /// True once the session must not be used again.
    fn is_poisoned(&self) -> bool;

    /// NOOP with a short deadline; false poisons the session.
    async fn probe(&mut self) -> bool;

    /// What is at `path` now: MLST, else SIZE and MDTM, else (for folders) CWD. `None` when the
    /// server says that nothing is there.
    async fn stat(&mut self, path: &RemotePath) -> Result<Option<FileInfo>, Fault>;

    /// SIZE in TYPE I, or the size that MLST gives; `None` when nothing is there, an
    /// `ftp.unsupported` fault when the server can't tell.
    async fn size(&mut self, path: &RemotePath) -> Result<Option<Offset>, Fault>;

    /// The entries of a folder, each handed to `sink` as it comes; bounded by ftp.md's limits.
    /// Names `.` and `..` are left out. `ftp.not-found` when there is no such folder, also where
    /// the server says "226" to a LIST of nothing (F43).
    async fn list(&mut self, path: &RemotePath, sink: &mut (dyn FnMut(ListItem) + Send))
    -> Result<(), Fault>;

    /// Begins RETR at `from`. Then [`Remote::read`] until `None`, then [`Remote::finish`].
    async fn begin_retrieve(&mut self, path: &RemotePath, from: Offset) -> Result<(), Fault>;

    /// From now on [`Remote::read`] gives at most so many bytes, at least 1: under a limit, many small
    /// turns keep the other side awake where few large ones don't. Never more than 256 KiB in any case.
    fn read_at_most(&mut self, _bytes: usize) {}

    /// The next bytes, at most 256 KiB; `None` at the end of the data connection.
    async fn read(&mut self) -> Result<Option<Bytes>, Fault>;

    /// Begins STOR or APPE. Then [`Remote::write`], then [`Remote::finish`].
    async fn begin_store(&mut self, path: &RemotePath, from: StoreFrom) -> Result<(), Fault>;

    /// Sends bytes. After a fault, `finish` still gives the server's reply if it sent one.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Fault>;

    /// Ends the data connection and reads the final reply.
    async fn finish(&mut self) -> Result<Finish, Fault>;

    /// Gives a transfer up: both connections are closed (never ABOR) and the session is poisoned.
    async fn abandon(&mut self);

    /// RNFR and RNTO. `ftp.exists` where the server refuses a name that is taken.
    async fn rename(&mut self, from: &RemotePath, to: &RemotePath) -> Result<(), Fault>;

    /// DELE.
    async fn remove(&mut self, path: &RemotePath) -> Result<(), Fault>;

    /// MKD; an existing folder is `ftp.exists`.
    async fn make_dir(&mut self, path: &RemotePath) -> Result<(), Fault>;

    /// RMD.
    async fn remove_dir(&mut self, path: &RemotePath) -> Result<(), Fault>;

    /// MFMT, MDTM with a time, or SITE UTIME, whichever works; false when none does.
    async fn set_modified(&mut self, path: &RemotePath, at: Timestamp) -> Result<bool, Fault>;

    /// The permission bits of a file (at most 0o777), from MLST or LIST; `None` where the server doesn't
    /// show them.
    async fn mode(&mut self, path: &RemotePath) -> Result<Option<u32>, Fault>;

    /// SITE CHMOD; false where the server can't, or won't.
    async fn set_mode(&mut self, path: &RemotePath, mode: u32) -> Result<bool, Fault>;

    /// The server's own digest; `None` when it has none.
    async fn digest(&mut self, path: &RemotePath, algorithm: HashAlgorithm) -> Result<Option<Digest>, Fault>;

    /// QUIT, with a short deadline; errors don't matter any more.
    async fn close(&mut self);
}

/// Makes sessions.
#[async_trait]
pub trait Connect: Send + Sync {
    /// A logged-in session in TYPE I, within the site's deadlines.
    ///
    /// # Errors
    /// `ftp.unreachable`, `ftp.unknown-host`, `ftp.timeout`, `ftp.login`, `ftp.tls`,
    /// `ftp.certificate`, `ftp.too-many-sessions`, `config.invalid` for a secret that can't be read.
    async fn connect(&self, site: &Site) -> Result<Box<dyn Remote>, Fault>;
}
