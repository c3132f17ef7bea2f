//! A session as the algorithms of this module's parent see it.

use async_trait::async_trait;
use bytes::Bytes;

use super::session::{Session, State};
use super::transfer::Way;
use crate::model::{Digest, Fault, FileInfo, HashAlgorithm, Offset, RemotePath, Timestamp};
use crate::transfer::{Features, Finish, ListItem, Remote, StoreFrom};

/// How long a probe or a goodbye may take.
const PROBE_WAIT: std::time::Duration = std::time::Duration::from_secs(5);

#[async_trait]
impl Remote for Session {
    fn features(&self) -> &Features {
        &self.features
    }

    fn is_poisoned(&self) -> bool {
        // A spent session still answers commands, so that its transfer can be looked after.
        match self.state {
            State::Poisoned => true,
            State::Idle => self.is_spent(),
            State::Moving(_) => false,
        }
    }

    async fn probe(&mut self) -> bool {
        let wait = PROBE_WAIT.min(self.limits.reply);
        let answer = self.ask("NOOP", "probe the session", wait).await;
        // An old 226 or 250 that was never read would be mistaken for an answer here.
        let alive = answer.is_ok_and(|reply| matches!(reply.code, 200 | 500 | 502));
        if !alive {
            self.poison();
        }
        alive
    }

    async fn stat(&mut self, path: &RemotePath) -> Result<Option<FileInfo>, Fault> {
        self.stat_path(path).await
    }

    async fn size(&mut self, path: &RemotePath) -> Result<Option<Offset>, Fault> {
        self.size_of(path).await
    }

    async fn list(
        &mut self,
        path: &RemotePath,
        sink: &mut (dyn FnMut(ListItem) + Send),
    ) -> Result<(), Fault> {
        self.list_folder(path, sink).await
    }

    async fn begin_retrieve(&mut self, path: &RemotePath, from: Offset) -> Result<(), Fault> {
        let doing = self.saying("read", path);
        let command = format!("RETR {}", self.absolute(path));
        self.open(Way::Retrieve, &command, from, &doing).await
    }

    fn read_at_most(&mut self, bytes: usize) {
        self.read_data_at_most(bytes);
    }

    async fn read(&mut self) -> Result<Option<Bytes>, Fault> {
        self.read_data().await
    }

    async fn begin_store(&mut self, path: &RemotePath, from: StoreFrom) -> Result<(), Fault> {
        let doing = self.saying("write", path);
        let (verb, rest) = match from {
            StoreFrom::Start => ("STOR", Offset::ZERO),
            StoreFrom::Restart(offset) => ("STOR", offset),
            StoreFrom::Append => ("APPE", Offset::ZERO),
        };
        let command = format!("{verb} {}", self.absolute(path));
        self.open(Way::Store, &command, rest, &doing).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.write_data(bytes).await
    }

    async fn finish(&mut self) -> Result<Finish, Fault> {
        self.finish_data().await
    }

    async fn abandon(&mut self) {
        self.poison();
    }

    async fn rename(&mut self, from: &RemotePath, to: &RemotePath) -> Result<(), Fault> {
        self.rename_path(from, to).await
    }

    async fn remove(&mut self, path: &RemotePath) -> Result<(), Fault> {
        self.remove_file(path).await
    }

    async fn make_dir(&mut self, path: &RemotePath) -> Result<(), Fault> {
        self.make_folder(path).await
    }

    async fn remove_dir(&mut self, path: &RemotePath) -> Result<(), Fault> {
        self.remove_folder(path).await
    }

    async fn set_modified(&mut self, path: &RemotePath, at: Timestamp) -> Result<bool, Fault> {
        self.set_mtime(path, at).await
    }

    async fn mode(&mut self, path: &RemotePath) -> Result<Option<u32>, Fault> {
        self.mode_of(path).await
    }

    async fn set_mode(&mut self, path: &RemotePath, mode: u32) -> Result<bool, Fault> {
        self.change_mode(path, mode).await
    }

    async fn digest(&mut self, path: &RemotePath, algorithm: HashAlgorithm) -> Result<Option<Digest>, Fault> {
        self.digest_of(path, algorithm).await
    }

    async fn close(&mut self) {
        if matches!(self.state, State::Idle) {
            let wait = PROBE_WAIT.min(self.limits.reply);
            // Where commands are limited this one may have to wait; then the server does without it.
            let _ = tokio::time::timeout(wait, self.ask("QUIT", "end the session", wait)).await;
        }
        self.poison();
    }
}
