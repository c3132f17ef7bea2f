//! A transfer's log in a file of its own, for transfers without a run: `site get`, `site put` and `site copy`
//! survive a kill like every other transfer, and go on when the same command is given again.
//!
//! Each line has a checksum and what one commit wrote; a line that was cut by a crash ends the file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::model::{Fault, FaultCode, RunId, Timestamp};
use crate::transfer::TransferLog;

/// The folder in the state folder.
const FOLDER: &str = "transfers";

/// The format of the files. 1: the first.
const FORMAT: u32 = 1;

/// Under this key stands what the transfer was about; a transfer's own keys begin with a letter.
const ABOUT: &str = "~about";

/// One commit.
#[derive(Serialize, Deserialize)]
struct Line {
    format: u32,
    writes: Vec<(String, Option<Vec<u8>>)>,
}

/// A transfer's log in a file, held by this process alone.
#[derive(Debug)]
pub struct KeptLog {
    path: PathBuf,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    table: BTreeMap<String, Vec<u8>>,
}

impl KeptLog {
    /// The log of the transfer that `identity` stands for, in the state folder; it goes on where the
    /// last one of this identity ended. Also gives the id under which its parts are found again.
    ///
    /// # Errors
    /// `ftp.busy` when the same transfer is under way in another process; `state.unwritable`.
    pub fn open(state: &Path, identity: &[&str]) -> Result<(Self, RunId), Fault> {
        let mut hash = blake3::Hasher::new();
        for part in identity {
            hash.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        let hash = hash.finalize();
        let run = run_id(hash.as_bytes());
        let folder = state.join(FOLDER);
        let path = folder.join(format!("{run}.log"));
        let unwritable = |error: io::Error| {
            Fault::new(FaultCode::StateUnwritable, format!("write {}: {error}", path.display()))
                .with_hint("name another state folder with --state DIR")
        };
        make_folder(state).and_then(|()| make_folder(&folder)).map_err(unwritable)?;
        let file = File::options()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .and_then(|file| File::open(&folder)?.sync_all().map(|()| file))
            .map_err(unwritable)?;
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(Fault::new(FaultCode::FtpBusy, "the same transfer is under way in another process"));
        }
        let table = replay(&path, &file).map_err(unwritable)?;
        Ok((Self { path, inner: Arc::new(Mutex::new(Inner { file, table })) }, run))
    }

    /// Says what is moved this time: its size, its time. What an earlier command left counts only if
    /// that moved the same; else the transfer begins anew.
    ///
    /// # Errors
    /// `state.unwritable`.
    pub async fn is_about(&self, source: &str) -> Result<(), Fault> {
        if self.with(|table| table.get(ABOUT).is_some_and(|known| known == source.as_bytes())) {
            return Ok(());
        }
        let forget = self.with(|table| table.keys().map(|key| (key.clone(), None)).collect::<Vec<_>>());
        let about = (ABOUT.to_owned(), Some(source.as_bytes().to_vec()));
        self.put(forget.into_iter().chain([about]).collect()).await
    }

    /// Takes the log away: its transfer has ended.
    pub fn remove(self) {
        // A log that stays is found by the next transfer of the same name, which looks at the target
        // before it believes it.
        let _ = std::fs::remove_file(&self.path);
    }

    /// The same log for the transfer that writes it.
    #[must_use]
    pub fn handle(&self) -> Arc<dyn TransferLog> {
        Arc::new(Self { path: self.path.clone(), inner: self.inner.clone() })
    }

    fn with<T>(&self, look: impl FnOnce(&BTreeMap<String, Vec<u8>>) -> T) -> T {
        look(&self.inner.lock().unwrap_or_else(PoisonError::into_inner).table)
    }
}

/// An id made of a hash: the same transfer has the same parts.
fn run_id(hash: &[u8; 32]) -> RunId {
    let mut millis = [0; 8];
    millis[2..].copy_from_slice(&hash[..6]);
    let mut random = [0; 10];
    random.copy_from_slice(&hash[6..16]);
    RunId::new(Timestamp(u64::from_be_bytes(millis)), random)
}

fn make_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Reads all whole lines, and cuts off what a crash left of the next one.
fn replay(path: &Path, file: &File) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let content = std::fs::read(path)?;
    let (mut table, mut whole) = (BTreeMap::new(), 0);
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        let Some(commit) = decode(line) else { break };
        apply(&mut table, commit.writes);
        whole += line.len();
    }
    if whole < content.len() {
        file.set_len(whole as u64)?;
        file.sync_all()?;
    }
    Ok(table)
}

fn decode(line: &[u8]) -> Option<Line> {
    let line = line.strip_suffix(b"\n")?;
    let (sum, json) = (line.get(..8)?, line.get(9..)?);
    let sum = u32::from_str_radix(std::str::from_utf8(sum).ok()?, 16).ok()?;
    let commit: Line = (sum == crc32fast::hash(json)).then(|| serde_json::from_slice(json).ok())??;
    (commit.format == FORMAT).then_some(commit)
}

fn apply(table: &mut BTreeMap<String, Vec<u8>>, writes: Vec<(String, Option<Vec<u8>>)>) {
    for (key, value) in writes {
        match value {
            Some(value) => table.insert(key, value),
            None => table.remove(&key),
        };
    }
}

#[async_trait]
impl TransferLog for KeptLog {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.with(|table| table.get(key).cloned()))
    }

    async fn scan(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, Fault> {
        Ok(self.with(|table| {
            let from = table.range(prefix.to_owned()..);
            from.take_while(|(key, _)| key.starts_with(prefix)).map(|(k, v)| (k.clone(), v.clone())).collect()
        }))
    }

    async fn put(&self, writes: Vec<(String, Option<Vec<u8>>)>) -> Result<(), Fault> {
        let inner = self.inner.clone();
        let write = move || -> io::Result<()> {
            let json = serde_json::to_vec(&Line { format: FORMAT, writes: writes.clone() })?;
            let mut line = format!("{:08x} ", crc32fast::hash(&json)).into_bytes();
            line.extend(json);
            line.push(b'\n');
            let mut inner = inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner.file.write_all(&line)?;
            inner.file.sync_data()?;
            apply(&mut inner.table, writes);
            Ok(())
        };
        let path = self.path.display();
        match tokio::task::spawn_blocking(write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Fault::new(FaultCode::StateUnwritable, format!("write {path}: {error}"))),
            Err(error) => Err(Fault::new(FaultCode::HostBug, format!("write {path}: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str, value: &[u8]) -> Vec<(String, Option<Vec<u8>>)> {
        vec![(key.to_owned(), Some(value.to_vec()))]
    }

    #[tokio::test]
    async fn what_was_put_is_there_again_and_a_cut_line_is_not() {
        let state = tempfile::tempdir().unwrap();
        let (log, run) = KeptLog::open(state.path(), &["get", "a"]).unwrap();
        log.put(put("x1", b"one")).await.unwrap();
        log.put(put("x2", b"two")).await.unwrap();
        log.put(vec![("x1".to_owned(), None)]).await.unwrap();
        let path = log.path.clone();
        drop(log);
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (log, again) = KeptLog::open(state.path(), &["get", "a"]).unwrap();
            assert_eq!(again, run);
            let lines = whole[..cut].iter().filter(|byte| **byte == b'\n').count();
            let keys: Vec<_> = log.scan("x").await.unwrap().into_iter().map(|(key, _)| key).collect();
            assert_eq!(keys, [vec![], vec!["x1"], vec!["x1", "x2"]][lines], "cut at {cut}");
            // What follows a cut line is read again.
            log.put(put("y", b"3")).await.unwrap();
            drop(log);
            let (log, _) = KeptLog::open(state.path(), &["get", "a"]).unwrap();
            assert_eq!(log.get("y").await.unwrap().as_deref(), Some(&b"3"[..]), "cut at {cut}");
        }
        std::fs::write(&path, &whole).unwrap();
        let (log, _) = KeptLog::open(state.path(), &["get", "a"]).unwrap();
        assert_eq!(log.scan("").await.unwrap(), [("x2".to_owned(), b"two".to_vec())]);
        log.remove();
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_was_left_of_another_source_is_forgotten() {
        let state = tempfile::tempdir().unwrap();
        let (log, _) = KeptLog::open(state.path(), &["get", "a"]).unwrap();
        log.is_about("10 bytes").await.unwrap();
        log.put(put("x", b"1")).await.unwrap();
        log.is_about("10 bytes").await.unwrap();
        assert!(log.get("x").await.unwrap().is_some());
        log.is_about("11 bytes").await.unwrap();
        assert!(log.get("x").await.unwrap().is_none());
        log.put(put("x", b"2")).await.unwrap();
        drop(log);
        let (log, _) = KeptLog::open(state.path(), &["get", "a"]).unwrap();
        log.is_about("11 bytes").await.unwrap();
        assert!(log.get("x").await.unwrap().is_some());
    }

    #[test]
    fn one_transfer_is_under_way_once() {
        let state = tempfile::tempdir().unwrap();
        let (_held, run) = KeptLog::open(state.path(), &["get", "a"]).unwrap();
        assert_eq!(KeptLog::open(state.path(), &["get", "a"]).unwrap_err().code, FaultCode::FtpBusy);
        let (_other, other) = KeptLog::open(state.path(), &["geta"]).unwrap();
        assert_ne!(run, other);
    }
}
