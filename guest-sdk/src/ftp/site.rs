//! A named remote.

use std::time::Duration;

use super::{Batch, Receipt, TransferOptions};
use crate::clock::Timestamp;
use crate::files::{Digest, FileInfo, HashAlgorithm, Listing, Select};
use crate::{Result, host};

/// What a server is known to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// It can begin a transfer in the middle of a file.
    pub rest: bool,
    /// It gives sizes.
    pub size: bool,
    /// It gives modification times.
    pub mdtm: bool,
    /// It gives facts in a form made for programs (MLST, MLSD).
    pub mlst: bool,
    /// It lets modification times be set.
    pub set_modified: bool,
    /// Names are UTF-8.
    pub utf8: bool,
    /// The session is protected by TLS.
    pub tls: bool,
    /// What it can be asked to hash with.
    pub hashes: Vec<HashAlgorithm>,
}

/// A site that the run was granted. It holds no connection: sessions come from a pool when a step needs
/// one.
///
/// Transient failures are repeated by the host as the site's policy says before a call gives them. What
/// every call may give besides its own errors stands in the interface (`wit/ftp.wit`).
#[derive(Debug)]
pub struct Site {
    name: String,
    handle: host::Site,
}

impl Site {
    /// The site of this name.
    ///
    /// # Errors
    /// `grant.refused` when the run wasn't given it, `config.invalid` when the configuration doesn't
    /// have it any more.
    pub fn open(name: impl AsRef<str>) -> Result<Self> {
        let name = name.as_ref();
        Ok(Self { name: name.to_owned(), handle: host::Site::open(name)? })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the server is known to do.
    ///
    /// # Errors
    /// Those of a login.
    pub fn features(&self) -> Result<Features> {
        self.handle.features()
    }

    /// The content of one folder, as far as it is selected: by a pattern, by `None`, or by a [`Select`].
    ///
    /// # Errors
    /// `ftp.not-found`, `call.invalid` for a bad pattern, `file.too-large` over a million entries.
    pub fn list(&self, path: impl AsRef<str>, select: impl Into<Select>) -> Result<Listing> {
        self.handle.list(path.as_ref(), &select.into(), false).map(Listing::new)
    }

    /// The content of a folder and of all folders below it, as far as it is selected.
    ///
    /// # Errors
    /// As [`Site::list`].
    pub fn walk(&self, path: impl AsRef<str>, select: impl Into<Select>) -> Result<Listing> {
        self.handle.list(path.as_ref(), &select.into(), true).map(Listing::new)
    }

    /// What is at `path`; `None` when nothing is.
    ///
    /// # Errors
    /// `ftp.denied`, `ftp.bad-name`.
    pub fn stat(&self, path: impl AsRef<str>) -> Result<Option<FileInfo>> {
        self.handle.stat(path.as_ref())
    }

    /// Waits until a file is at `path` and has kept its size and time for `settle`; `None` when it hasn't
    /// by the end of `timeout`. A run that is killed meanwhile and resumed waits for the rest; a server that
    /// is away meanwhile is waited for, too.
    ///
    /// # Errors
    /// As [`Site::stat`], and `run.cancelled`.
    pub fn wait_for(
        &self,
        path: impl AsRef<str>,
        settle: Duration,
        timeout: Duration,
    ) -> Result<Option<FileInfo>> {
        self.handle.wait_for(path.as_ref(), settle, timeout)
    }

    /// The content of a small file, of at most `max` bytes (taken as at most 1,048,576). All of it goes
    /// into the run's journal: this is for markers, manifests and sidecars.
    ///
    /// # Errors
    /// `ftp.not-found`, and `file.too-large` for a larger file.
    pub fn read_small(&self, path: impl AsRef<str>, max: u32) -> Result<Vec<u8>> {
        self.handle.read_small(path.as_ref(), max)
    }

    /// Writes a whole small file (at most 65,536 bytes), instead of one that is there: for markers and
    /// sidecars. Others see the old content or the new. Missing folders are made.
    ///
    /// # Errors
    /// `file.too-large`, `ftp.exists` where a folder has the name, `run.indeterminate`.
    pub fn put_bytes(&self, path: impl AsRef<str>, bytes: impl AsRef<[u8]>) -> Result<Receipt> {
        self.handle.put_bytes(path.as_ref(), bytes.as_ref())
    }

    /// Makes a folder, and those above it that are missing. One that is there already is fine.
    ///
    /// # Errors
    /// `ftp.exists` for anything else of that name, `ftp.denied`.
    pub fn make_dir(&self, path: impl AsRef<str>) -> Result<()> {
        self.handle.make_dir(path.as_ref())
    }

    /// Removes an empty folder.
    ///
    /// # Errors
    /// `ftp.not-found`, and `ftp.denied` when it isn't empty.
    pub fn remove_dir(&self, path: impl AsRef<str>) -> Result<()> {
        self.handle.remove_dir(path.as_ref())
    }

    /// Renames a file or folder, once, whatever happens meanwhile.
    ///
    /// # Errors
    /// `ftp.not-found`, `ftp.exists` when the target is there already, `run.indeterminate`.
    pub fn rename(&self, source: impl AsRef<str>, target: impl AsRef<str>) -> Result<()> {
        self.handle.rename(source.as_ref(), target.as_ref(), None)
    }

    /// Renames `source` if it is still as it was.
    ///
    /// # Errors
    /// As [`Site::rename`], and `ftp.remote-changed`.
    pub fn rename_unchanged(&self, source: &FileInfo, target: impl AsRef<str>) -> Result<()> {
        self.handle.rename(&source.path, target.as_ref(), Some(source))
    }

    /// Removes a file, once: one that somebody puts there afterwards stays.
    ///
    /// # Errors
    /// `ftp.not-found`, `run.indeterminate`.
    pub fn remove(&self, path: impl AsRef<str>) -> Result<()> {
        self.handle.remove(path.as_ref(), None)
    }

    /// Removes `file` if it is still as it was.
    ///
    /// # Errors
    /// As [`Site::remove`], and `ftp.remote-changed`.
    pub fn remove_unchanged(&self, file: &FileInfo) -> Result<()> {
        self.handle.remove(&file.path, Some(file))
    }

    /// Sets a file's modification time, to the second; false when the server can't.
    ///
    /// # Errors
    /// `ftp.not-found`.
    pub fn set_modified(&self, path: impl AsRef<str>, at: Timestamp) -> Result<bool> {
        self.handle.set_modified(path.as_ref(), at)
    }

    /// The server's own digest of a file; `None` when it has no command for it.
    ///
    /// # Errors
    /// `ftp.not-found`.
    pub fn digest(&self, path: impl AsRef<str>, algorithm: HashAlgorithm) -> Result<Option<Digest>> {
        self.handle.digest(path.as_ref(), algorithm)
    }

    /// Copies a remote file into a granted folder: under a temporary name, verified, then renamed.
    /// Missing folders of the target are made. After a crash it goes on at the last safe byte.
    ///
    /// # Errors
    /// `ftp.not-found`, `ftp.remote-changed`, `file.no-space`, and the others that the interface names.
    pub fn download(&self, remote: impl AsRef<str>, local: impl AsRef<str>) -> Result<Receipt> {
        self.download_with(remote, local, &TransferOptions::default())
    }

    /// The same with options.
    ///
    /// # Errors
    /// As [`Site::download`], and those of the options: `verify.digest`, `verify.records`, `file.exists`.
    pub fn download_with(
        &self,
        remote: impl AsRef<str>,
        local: impl AsRef<str>,
        options: &TransferOptions,
    ) -> Result<Receipt> {
        self.handle.download(remote.as_ref(), local.as_ref(), options)
    }

    /// Copies a file of a granted folder to the server, likewise. Missing folders of the
    /// target are made, where the server lets them be.
    ///
    /// # Errors
    /// `file.not-found`, `file.changed`, `ftp.not-found`, `ftp.no-space`, and the others that the
    /// interface names.
    pub fn upload(&self, local: impl AsRef<str>, remote: impl AsRef<str>) -> Result<Receipt> {
        self.upload_with(local, remote, &TransferOptions::default())
    }

    /// The same with options.
    ///
    /// # Errors
    /// As [`Site::upload`], and those of the options: `verify.digest`, `verify.records`, `ftp.exists`.
    pub fn upload_with(
        &self,
        local: impl AsRef<str>,
        remote: impl AsRef<str>,
        options: &TransferOptions,
    ) -> Result<Receipt> {
        self.handle.upload(local.as_ref(), remote.as_ref(), options)
    }

    /// Copies a file to `target`, which may be this site: through the host, under a temporary name,
    /// verified, then renamed. Missing folders of the target are made. After a crash it goes on at the
    /// last safe byte.
    ///
    /// # Errors
    /// `ftp.not-found`, `ftp.remote-changed`, `ftp.no-space`, `call.invalid` for a file onto itself, and
    /// the others that the interface names.
    pub fn copy_to(
        &self,
        path: impl AsRef<str>,
        target: &Site,
        target_path: impl AsRef<str>,
    ) -> Result<Receipt> {
        self.copy_to_with(path, target, target_path, &TransferOptions::default())
    }

    /// The same with options.
    ///
    /// # Errors
    /// As [`Site::copy_to`], and those of the options: `verify.digest`, `verify.records`, `ftp.exists`.
    pub fn copy_to_with(
        &self,
        path: impl AsRef<str>,
        target: &Site,
        target_path: impl AsRef<str>,
        options: &TransferOptions,
    ) -> Result<Receipt> {
        self.handle.copy_to(path.as_ref(), &target.handle, target_path.as_ref(), options)
    }

    /// A batch that moves at most `parallel` files at a time (1 to 64), all with `options`.
    ///
    /// # Errors
    /// `call.invalid` for options that are about one file (`expect`, `expect_records`,
    /// `if_unchanged`).
    pub fn batch(&self, parallel: u16, options: &TransferOptions) -> Result<Batch> {
        host::Batch::open(&self.handle, parallel, options).map(Batch::new)
    }
}
