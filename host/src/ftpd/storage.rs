//! The served folder: unftp-sbe-fs does the work under the root; around it stand the effect log,
//! larger buffers, and the refusal of an offset past a file's end.

use std::fmt::Debug;
use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use unftp_core::auth::DefaultUser;
use unftp_core::storage::{Error, ErrorKind, Fileinfo, Result, StorageBackend};
use unftp_sbe_fs::Filesystem;

use super::effects::{Effect, EffectLog};

/// What is read or written at once. libunftp's own 4 KiB would cost a thread switch each.
const BUFFER_BYTES: usize = 256 * 1024;

type Inner = Filesystem;
type Metadata = <Inner as StorageBackend<DefaultUser>>::Metadata;

/// The served folder; each control connection has a clone.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    inner: Arc<Inner>,
    root: Arc<Dir>,
    effects: EffectLog,
    transfers: watch::Sender<usize>,
}

impl Folder {
    /// Opens the folder. `transfers` counts what is under way in all connections.
    pub(super) fn open(
        root: &Path,
        effects: EffectLog,
        transfers: watch::Sender<usize>,
    ) -> std::io::Result<Self> {
        let inner = Arc::new(Filesystem::new(root)?);
        let root = Arc::new(Dir::open_ambient_dir(root, ambient_authority())?);
        Ok(Self { inner, root, effects, transfers })
    }

    fn begin(&self, store: bool, path: &Path, from: u64) -> Transfer {
        self.transfers.send_modify(|count| *count += 1);
        Transfer {
            store,
            path: shown(path),
            from,
            bytes: 0,
            ok: false,
            effects: self.effects.clone(),
            transfers: self.transfers.clone(),
        }
    }

    /// Opens a file at an offset that must not be past its end: a write there would leave a hole
    /// that a client takes for its own bytes.
    async fn open_at(&self, path: &Path, from: u64, write: bool) -> Result<tokio::fs::File> {
        let root = Arc::clone(&self.root);
        let path = inside(path);
        let opened = tokio::task::spawn_blocking(move || -> std::io::Result<Option<std::fs::File>> {
            let mut options = cap_std::fs::OpenOptions::new();
            if write {
                options.write(true).create(true)
            } else {
                options.read(true)
            };
            let file = root.open_with(path, &options)?.into_std();
            if from > file.metadata()?.len() {
                return Ok(None);
            }
            if write {
                file.set_len(from)?;
            }
            Ok(Some(file))
        });
        let file = opened.await.map_err(std::io::Error::other)??;
        let file = file.ok_or(ErrorKind::PermanentFileNotAvailable)?;
        let mut file = tokio::fs::File::from_std(file);
        file.set_max_buf_size(BUFFER_BYTES);
        file.seek(SeekFrom::Start(from)).await?;
        Ok(file)
    }
}

/// A path of the client's as libunftp resolved it, made relative to the root.
fn inside(path: &Path) -> PathBuf {
    let relative = path.strip_prefix("/").unwrap_or(path);
    if relative.as_os_str().is_empty() { PathBuf::from(".") } else { relative.to_owned() }
}

/// The same path as the effect log shows it.
fn shown(path: &Path) -> String {
    Path::new("/").join(path).to_string_lossy().into_owned()
}

/// A transfer under way; its end, even by being dropped, is written to the effect log.
struct Transfer {
    store: bool,
    path: String,
    from: u64,
    bytes: u64,
    ok: bool,
    effects: EffectLog,
    transfers: watch::Sender<usize>,
}

impl Transfer {
    async fn copy<R, W>(&mut self, from: &mut R, to: &mut W) -> std::io::Result<u64>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let read = from.read(&mut buffer).await?;
            if read == 0 {
                to.flush().await?;
                self.ok = true;
                return Ok(self.bytes);
            }
            to.write_all(&buffer[..read]).await?;
            self.bytes += read as u64;
        }
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        let (path, from, bytes, ok) = (std::mem::take(&mut self.path), self.from, self.bytes, self.ok);
        self.effects.record(&if self.store {
            Effect::Store { path, from, bytes, ok }
        } else {
            Effect::Retrieve { path, from, bytes, ok }
        });
        self.transfers.send_modify(|count| *count -= 1);
    }
}

#[async_trait]
impl StorageBackend<DefaultUser> for Folder {
    type Metadata = Metadata;

    fn supported_features(&self) -> u32 {
        StorageBackend::<DefaultUser>::supported_features(&*self.inner)
    }

    /// A digest is no RETR: the file behind it is read without an entry in the log.
    async fn md5<P: AsRef<Path> + Send + Debug>(&self, user: &DefaultUser, path: P) -> Result<String> {
        self.inner.md5(user, path).await
    }

    async fn metadata<P: AsRef<Path> + Send + Debug>(&self, user: &DefaultUser, path: P) -> Result<Metadata> {
        self.inner.metadata(user, path).await
    }

    async fn list<P: AsRef<Path> + Send + Debug>(
        &self,
        user: &DefaultUser,
        path: P,
    ) -> Result<Vec<Fileinfo<PathBuf, Metadata>>> {
        self.inner.list(user, path).await
    }

    async fn get_into<'a, P, W: ?Sized>(
        &self,
        _: &DefaultUser,
        path: P,
        from: u64,
        output: &'a mut W,
    ) -> Result<u64>
    where
        W: AsyncWrite + Unpin + Sync + Send,
        P: AsRef<Path> + Send + Debug,
    {
        let mut transfer = self.begin(false, path.as_ref(), from);
        let mut file = self.open_at(path.as_ref(), from, false).await?;
        Ok(transfer.copy(&mut file, output).await?)
    }

    async fn get<P: AsRef<Path> + Send + Debug>(
        &self,
        _: &DefaultUser,
        path: P,
        from: u64,
    ) -> Result<Box<dyn AsyncRead + Send + Sync + Unpin>> {
        Ok(Box::new(self.open_at(path.as_ref(), from, false).await?))
    }

    async fn put<P, R>(&self, _: &DefaultUser, mut input: R, path: P, from: u64) -> Result<u64>
    where
        P: AsRef<Path> + Send + Debug,
        R: AsyncRead + Send + Sync + Unpin + 'static,
    {
        let mut transfer = self.begin(true, path.as_ref(), from);
        let mut file = self.open_at(path.as_ref(), from, true).await?;
        Ok(transfer.copy(&mut input, &mut file).await?)
    }

    async fn del<P: AsRef<Path> + Send + Debug>(&self, user: &DefaultUser, path: P) -> Result<()> {
        let name = shown(path.as_ref());
        let result = self.inner.del(user, path).await;
        self.effects.record(&Effect::Delete { path: name, ok: result.is_ok() });
        result
    }

    async fn mkd<P: AsRef<Path> + Send + Debug>(&self, user: &DefaultUser, path: P) -> Result<()> {
        let name = shown(path.as_ref());
        let result = self.inner.mkd(user, path).await;
        self.effects.record(&Effect::MakeFolder { path: name, ok: result.is_ok() });
        result
    }

    async fn rename<P: AsRef<Path> + Send + Debug>(&self, user: &DefaultUser, from: P, to: P) -> Result<()> {
        let (old, new) = (shown(from.as_ref()), shown(to.as_ref()));
        let result = self.inner.rename(user, from, to).await;
        self.effects.record(&Effect::Rename { path: old, to: new, ok: result.is_ok() });
        result
    }

    async fn rmd<P: AsRef<Path> + Send + Debug>(&self, user: &DefaultUser, path: P) -> Result<()> {
        let name = shown(path.as_ref());
        let result = self.inner.rmd(user, path).await;
        self.effects.record(&Effect::RemoveFolder { path: name, ok: result.is_ok() });
        result
    }

    async fn cwd<P: AsRef<Path> + Send + Debug>(&self, user: &DefaultUser, path: P) -> Result<()> {
        let metadata = self.inner.metadata(user, path.as_ref()).await?;
        if !unftp_core::storage::Metadata::is_dir(&metadata) {
            return Err(Error::from(ErrorKind::PermanentDirectoryNotAvailable));
        }
        Ok(())
    }
}
