//! A session with one of several servers: it doesn't tell what only that server knows.
//!
//! `unique` (RFC 3659, 7.5.2) is made of device and inode, so it differs for the same file on another
//! server, and may be the same for another file. What was seen on one server is compared with what
//! another shows, so it is left out of everything.

use async_trait::async_trait;
use bytes::Bytes;

use crate::model::{Digest, Fault, FileInfo, HashAlgorithm, Offset, RemotePath, Timestamp};
use crate::transfer::remote::{Features, Finish, ListItem, Remote, StoreFrom};

/// A session that leaves `unique` out.
pub(super) struct MemberSession(pub(super) Box<dyn Remote>);

#[async_trait]
impl Remote for MemberSession {
    fn features(&self) -> &Features {
        self.0.features()
    }

    fn is_poisoned(&self) -> bool {
        self.0.is_poisoned()
    }

    async fn probe(&mut self) -> bool {
        self.0.probe().await
    }

    async fn stat(&mut self, path: &RemotePath) -> Result<Option<FileInfo>, Fault> {
        let found = self.0.stat(path).await?;
        Ok(found.map(|info| FileInfo { unique: None, ..info }))
    }

    async fn size(&mut self, path: &RemotePath) -> Result<Option<Offset>, Fault> {
        self.0.size(path).await
    }

    async fn list(
        &mut self,
        path: &RemotePath,
        sink: &mut (dyn FnMut(ListItem) + Send),
    ) -> Result<(), Fault> {
        let mut without = |item: ListItem| match item {
            ListItem::Entry(info) => sink(ListItem::Entry(FileInfo { unique: None, ..info })),
            other => sink(other),
        };
        self.0.list(path, &mut without).await
    }

    async fn begin_retrieve(&mut self, path: &RemotePath, from: Offset) -> Result<(), Fault> {
        self.0.begin_retrieve(path, from).await
    }

    fn read_at_most(&mut self, bytes: usize) {
        self.0.read_at_most(bytes);
    }

    async fn read(&mut self) -> Result<Option<Bytes>, Fault> {
        self.0.read().await
    }

    async fn begin_store(&mut self, path: &RemotePath, from: StoreFrom) -> Result<(), Fault> {
        self.0.begin_store(path, from).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.0.write(bytes).await
    }

    async fn finish(&mut self) -> Result<Finish, Fault> {
        self.0.finish().await
    }

    async fn abandon(&mut self) {
        self.0.abandon().await;
    }

    async fn rename(&mut self, from: &RemotePath, to: &RemotePath) -> Result<(), Fault> {
        self.0.rename(from, to).await
    }

    async fn remove(&mut self, path: &RemotePath) -> Result<(), Fault> {
        self.0.remove(path).await
    }

    async fn make_dir(&mut self, path: &RemotePath) -> Result<(), Fault> {
        self.0.make_dir(path).await
    }

    async fn remove_dir(&mut self, path: &RemotePath) -> Result<(), Fault> {
        self.0.remove_dir(path).await
    }

    async fn set_modified(&mut self, path: &RemotePath, at: Timestamp) -> Result<bool, Fault> {
        self.0.set_modified(path, at).await
    }

    async fn mode(&mut self, path: &RemotePath) -> Result<Option<u32>, Fault> {
        self.0.mode(path).await
    }

    async fn set_mode(&mut self, path: &RemotePath, mode: u32) -> Result<bool, Fault> {
        self.0.set_mode(path, mode).await
    }

    async fn digest(&mut self, path: &RemotePath, algorithm: HashAlgorithm) -> Result<Option<Digest>, Fault> {
        self.0.digest(path, algorithm).await
    }

    async fn close(&mut self) {
        self.0.close().await;
    }
}
