//! The interface's functions, answered from memory.

use std::cell::RefCell;
use std::time::Duration;

use super::state::{self, plain};
use super::transfer::{check_unchanged, copy, count_records, digest, receipt_of, transfer};
use super::tree::{Side, Tree};
use crate::clock::Timestamp;
use crate::context::RunInfo;
use crate::files::{Digest, FileInfo, HashAlgorithm, Select};
use crate::ftp::{Direction, Features, Receipt, Transfer, TransferOptions};
use crate::log::Level;
use crate::{Error, Result};

pub(crate) fn info() -> RunInfo {
    RunInfo {
        run_id: "01KDVT8Q00MQCKRVNAMEANDKEY".to_owned(),
        workflow: "mock".to_owned(),
        workflow_digest: "0".repeat(64),
        started: state::START,
    }
}

pub(crate) fn sites() -> Vec<String> {
    state::with(|state| state.sites.keys().cloned().collect())
}

pub(crate) fn folders() -> Vec<String> {
    state::with(|state| state.folders.keys().cloned().collect())
}

pub(crate) fn cancelled() -> bool {
    state::with(|state| state.cancelled)
}

pub(crate) struct Listing {
    /// What hasn't been given yet, the last first.
    rest: RefCell<Vec<FileInfo>>,
    unparsed: Vec<String>,
}

impl Listing {
    fn of(tree: &Tree, path: &str, select: &Select, recursive: bool) -> Result<Self> {
        let mut entries = tree.list(path, select, recursive)?;
        entries.reverse();
        Ok(Self { rest: RefCell::new(entries), unparsed: tree.unparsed.clone() })
    }

    pub(crate) fn next(&self, max: u32) -> Vec<FileInfo> {
        let mut rest = self.rest.borrow_mut();
        let count = rest.len().min(usize::try_from(max.clamp(1, 10_000)).unwrap_or(1));
        let from = rest.len() - count;
        let mut page = rest.split_off(from);
        page.reverse();
        page
    }

    pub(crate) fn unparsed(&self) -> Vec<String> {
        self.unparsed.clone()
    }
}

#[derive(Debug)]
pub(crate) struct Site(String);

impl Site {
    pub(crate) fn open(name: &str) -> Result<Self> {
        state::with(|state| {
            state.step("ftp.open", &[name])?;
            state.site(name).map(|_| Self(name.to_owned()))
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.0
    }

    /// Notes the call and gives the tree with the path made plain.
    fn at<'a, T>(
        &self,
        kind: &str,
        path: &'a str,
        act: impl FnOnce(&mut Tree, &'a str) -> Result<T>,
    ) -> Result<T> {
        let path = plain(path, Side::Site)?;
        state::with(|state| {
            state.step(kind, &[path])?;
            act(state.site(&self.0)?, path)
        })
    }

    pub(crate) fn features(&self) -> Result<Features> {
        self.at("ftp.features", "", |_, _| {
            Ok(Features {
                rest: true,
                size: true,
                mdtm: true,
                mlst: true,
                set_modified: true,
                utf8: true,
                tls: false,
                hashes: Vec::new(),
            })
        })
    }

    pub(crate) fn list(&self, path: &str, select: &Select, recursive: bool) -> Result<Listing> {
        self.at("ftp.list-dir", path, |tree, path| Listing::of(tree, path, select, recursive))
    }

    pub(crate) fn stat(&self, path: &str) -> Result<Option<FileInfo>> {
        self.at("ftp.stat", path, |tree, path| Ok(tree.stat(path)))
    }

    /// Looks whenever a file arrives, so that the answer comes at the very time.
    pub(crate) fn wait_for(
        &self,
        path: &str,
        settle: Duration,
        timeout: Duration,
    ) -> Result<Option<FileInfo>> {
        self.at("ftp.wait-for", path, |_, _| Ok(()))?;
        let path = plain(path, Side::Site)?;
        state::with(|state| {
            let due = state.now + timeout;
            loop {
                let found = state.site(&self.0)?.stat(path).filter(FileInfo::is_file);
                let (now, settled) = (state.now, state.now + settle);
                let next = state.arrivals.iter().map(|file| file.at).filter(|&at| at <= due).min();
                match (found, next) {
                    (found @ Some(_), next) if settled <= due && next.is_none_or(|next| next > settled) => {
                        state.pass(settle);
                        return Ok(found);
                    }
                    (_, Some(next)) => state.pass(next.since(now)),
                    (_, None) => {
                        state.pass(due.since(now));
                        return Ok(None);
                    }
                }
            }
        })
    }

    pub(crate) fn read_small(&self, path: &str, max: u32) -> Result<Vec<u8>> {
        self.at("ftp.read-small", path, |tree, path| {
            let (bytes, _) = tree.file(path)?;
            if bytes.len() as u64 > u64::from(max.min(1_048_576)) {
                return Err(Error::new("file.too-large", format!("`{path}` has more than {max} bytes")));
            }
            Ok(bytes.to_vec())
        })
    }

    pub(crate) fn put_bytes(&self, path: &str, bytes: &[u8]) -> Result<Receipt> {
        if bytes.len() > 65_536 {
            return Err(Error::new("file.too-large", format!("writing `{path}`: {} bytes", bytes.len())));
        }
        let now = now();
        self.at("ftp.put-bytes", path, |tree, path| {
            tree.write(path, bytes.to_vec(), now)?;
            receipt_of(tree, path, bytes)
        })
    }

    pub(crate) fn make_dir(&self, path: &str) -> Result<()> {
        self.at("ftp.make-dir", path, Tree::make_dir)
    }

    pub(crate) fn remove_dir(&self, path: &str) -> Result<()> {
        self.at("ftp.remove-dir", path, Tree::remove_dir)
    }

    pub(crate) fn rename(&self, source: &str, target: &str, unchanged: Option<&FileInfo>) -> Result<()> {
        let (source, target) = (plain(source, Side::Site)?, plain(target, Side::Site)?);
        state::with(|state| {
            state.step("ftp.rename", &[source, target])?;
            let tree = state.site(&self.0)?;
            if let (Some(now), Some(earlier)) = (tree.stat(source), unchanged) {
                check_unchanged(Direction::Download, &now, earlier)?;
            }
            tree.rename(source, target)
        })
    }

    pub(crate) fn remove(&self, path: &str, unchanged: Option<&FileInfo>) -> Result<()> {
        self.at("ftp.remove", path, |tree, path| {
            if let (Some(now), Some(earlier)) = (tree.stat(path), unchanged) {
                check_unchanged(Direction::Download, &now, earlier)?;
            }
            tree.remove(path)
        })
    }

    pub(crate) fn set_modified(&self, path: &str, at: Timestamp) -> Result<bool> {
        self.at("ftp.set-modified", path, |tree, path| tree.touch(path, at).map(|()| true))
    }

    pub(crate) fn digest(&self, path: &str, _algorithm: HashAlgorithm) -> Result<Option<Digest>> {
        self.at("ftp.digest", path, |tree, path| tree.file(path).map(|_| None))
    }

    pub(crate) fn download(&self, remote: &str, local: &str, options: &TransferOptions) -> Result<Receipt> {
        state::with(|state| transfer(state, &self.0, &Transfer::download(remote, local), options))
    }

    pub(crate) fn upload(&self, local: &str, remote: &str, options: &TransferOptions) -> Result<Receipt> {
        state::with(|state| transfer(state, &self.0, &Transfer::upload(local, remote), options))
    }

    pub(crate) fn copy_to(
        &self,
        path: &str,
        target: &Self,
        target_path: &str,
        options: &TransferOptions,
    ) -> Result<Receipt> {
        state::with(|state| copy(state, (&self.0, path), (&target.0, target_path), options))
    }
}

/// Notes a call on a granted folder and gives the tree with the path inside it.
fn local<'a, T>(kind: &str, path: &'a str, act: impl FnOnce(&mut Tree, &'a str) -> Result<T>) -> Result<T> {
    state::with(|state| {
        state.step(kind, &[path])?;
        let (tree, inside) = state.folder(path)?;
        act(tree, inside)
    })
}

pub(crate) fn files_list(path: &str, select: &Select, recursive: bool) -> Result<Listing> {
    local("files.list-dir", path, |tree, path| Listing::of(tree, path, select, recursive))
}

pub(crate) fn files_stat(path: &str) -> Result<Option<FileInfo>> {
    local("files.stat", path, |tree, path| Ok(tree.stat(path)))
}

pub(crate) fn files_read(path: &str, offset: u64, max: u32) -> Result<Vec<u8>> {
    local("files.read", path, |tree, path| {
        let (bytes, _) = tree.file(path)?;
        let rest = usize::try_from(offset).ok().and_then(|from| bytes.get(from..)).unwrap_or(&[]);
        Ok(rest[..rest.len().min(usize::try_from(max.min(65_536)).unwrap_or(0))].to_vec())
    })
}

pub(crate) fn files_write_atomic(path: &str, bytes: &[u8]) -> Result<()> {
    if bytes.len() > 1_048_576 {
        return Err(Error::new("file.too-large", format!("writing `{path}`: {} bytes at once", bytes.len())));
    }
    let now = now();
    local("files.write-atomic", path, |tree, path| tree.write(path, bytes.to_vec(), now))
}

pub(crate) fn files_make_dir(path: &str) -> Result<()> {
    local("files.make-dir", path, Tree::make_dir)
}

pub(crate) fn files_remove_dir(path: &str) -> Result<()> {
    local("files.remove-dir", path, Tree::remove_dir)
}

pub(crate) fn files_rename(source: &str, target: &str) -> Result<()> {
    state::with(|state| {
        state.step("files.rename", &[source, target])?;
        let from = state.folder(source)?.1;
        let (tree, to) = state.folder(target)?;
        if source.split('/').next() != target.split('/').next() {
            return Err(Error::new("call.invalid", "a rename stays within one granted folder"));
        }
        tree.rename(from, to)
    })
}

pub(crate) fn files_remove(path: &str) -> Result<()> {
    local("files.remove", path, Tree::remove)
}

pub(crate) fn files_hash(path: &str, algorithm: HashAlgorithm) -> Result<Digest> {
    local("files.hash", path, |tree, path| tree.file(path).map(|(bytes, _)| digest(bytes, algorithm)))
}

pub(crate) fn files_count_records(path: &str) -> Result<u64> {
    local("files.count-records", path, |tree, path| tree.file(path).map(|(bytes, _)| count_records(bytes)))
}

pub(crate) fn checkpoint_save(key: &str, value: &[u8]) -> Result<()> {
    state::with(|state| {
        state.step("checkpoint.save", &[key])?;
        if key.is_empty() || key.len() > 100 || value.len() > 65_536 {
            return Err(Error::new("call.invalid", format!("the checkpoint `{key}` is over a bound")));
        }
        state.checkpoints.insert(key.to_owned(), value.to_vec());
        Ok(())
    })
}

pub(crate) fn checkpoint_load(key: &str) -> Option<Vec<u8>> {
    state::with(|state| state.checkpoints.get(key).cloned())
}

pub(crate) fn now() -> Timestamp {
    state::with(|state| state.now)
}

pub(crate) fn sleep(duration: Duration) -> Result<()> {
    state::with(|state| {
        state.step("clock.sleep", &[])?;
        state.pass(duration);
        Ok(())
    })
}

pub(crate) fn sleep_until(at: Timestamp) -> Result<()> {
    state::with(|state| {
        state.step("clock.sleep-until", &[])?;
        state.pass(at.since(state.now));
        Ok(())
    })
}

/// SplitMix64: what a test sees is the same each time.
fn next_u64() -> u64 {
    state::with(|state| {
        state.random = state.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    })
}

pub(crate) fn random_bytes(count: u32) -> Vec<u8> {
    assert!(count <= 65_536, "more than 65,536 random bytes at once stop the run");
    (0..count).map(|_| next_u64().to_le_bytes()[0]).collect()
}

pub(crate) fn random_u32() -> u32 {
    (next_u64() >> 32) as u32
}

pub(crate) fn uuid() -> String {
    let (high, low) = (next_u64(), next_u64());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xFFFF,
        high & 0xFFF,
        0x8000 | (low >> 48 & 0x3FFF),
        low & 0xFFFF_FFFF_FFFF
    )
}

pub(crate) fn log(level: Level, message: &str, fields: &[(String, String)]) {
    let mut line = format!("{} {message}", level.as_str());
    for (name, value) in fields {
        line.push_str(&format!(" {name}={value}"));
    }
    state::with(|state| state.log.push(line));
}

pub(crate) fn progress_report(_section: &str, _done: u64, _total: Option<u64>, _unit: &str) {}

pub(crate) fn set_status(key: &str, value: &str) {
    state::with(|state| state.statuses.insert(key.to_owned(), value.to_owned()));
}
