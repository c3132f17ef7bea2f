//! Transfers between trees in memory, one by one and in batches.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::calls::Site;
use super::state::{self, State, plain};
use super::tree::{Side, Tree};
use crate::files::{Digest, FileInfo, HashAlgorithm};
use crate::ftp::{Direction, IfExists, Proof, Receipt, Transfer, TransferOptions};
use crate::host::Delivery;
use crate::{Error, ErrorClass, Result};

/// Moves one file.
pub(super) fn transfer(
    state: &mut State,
    site: &str,
    transfer: &Transfer,
    options: &TransferOptions,
) -> Result<Receipt> {
    let (remote, local) = (plain(&transfer.remote, Side::Site)?, transfer.local.as_str());
    let source = match transfer.direction {
        Direction::Download => {
            state.step("ftp.download", &[remote, local])?;
            state.folder(local)?;
            Source::of(state.site(site)?, remote, Side::Site, options)?
        }
        Direction::Upload => {
            state.step("ftp.upload", &[local, remote])?;
            let (tree, inside) = state.folder(local)?;
            Source { name: local.to_owned(), ..Source::of(tree, inside, Side::Folder, options)? }
        }
    };
    let digests = source.check(options)?;
    let now = state.now;
    let ((tree, target), side) = match transfer.direction {
        Direction::Download => (state.folder(local)?, Side::Folder),
        Direction::Upload => ((state.site(site)?, remote), Side::Site),
    };
    put(tree, (target, side), source, digests, (now, options))
}

/// Copies a file from one site to another.
pub(super) fn copy(
    state: &mut State,
    (from, source): (&str, &str),
    (to, target): (&str, &str),
    options: &TransferOptions,
) -> Result<Receipt> {
    let (path, target) = (plain(source, Side::Site)?, plain(target, Side::Site)?);
    state.step("ftp.copy", &[path, target])?;
    if (from, path) == (to, target) {
        return Err(invalid(&format!("`{path}` would be copied onto itself")));
    }
    let source = Source::of(state.site(from)?, path, Side::Site, options)?;
    let digests = source.check(options)?;
    let now = state.now;
    put(state.site(to)?, (target, Side::Site), source, digests, (now, options))
}

/// A file that is moved.
struct Source {
    name: String,
    side: Side,
    info: Option<FileInfo>,
    bytes: Vec<u8>,
    modified: crate::clock::Timestamp,
}

impl Source {
    fn of(tree: &Tree, path: &str, side: Side, options: &TransferOptions) -> Result<Self> {
        let (bytes, modified) = tree.file(path)?;
        let (info, bytes) = (tree.stat(path), bytes.to_vec());
        if let Some(sidecar) = options.check_sidecar {
            let (text, _) = tree.file(&sidecar.of(path))?;
            // In a test it is enough that the digest stands there.
            let found = digest(&bytes, sidecar.algorithm());
            if !String::from_utf8_lossy(text).to_ascii_lowercase().contains(&found.hex) {
                let why = format!("`{path}` is {found}, and its sidecar says something else");
                return Err(Error::new("verify.digest", why));
            }
        }
        Ok(Self { name: path.to_owned(), side, info, bytes, modified })
    }

    /// What the options want of it; gives its digests.
    fn check(&self, options: &TransferOptions) -> Result<Vec<Digest>> {
        let (name, bytes) = (&self.name, &self.bytes);
        if let (Some(source), Some(earlier)) = (&self.info, &options.if_unchanged) {
            let direction = if self.side == Side::Site { Direction::Download } else { Direction::Upload };
            check_unchanged(direction, source, earlier)?;
        }
        if let Some(expected) = &options.expect {
            let found = digest(bytes, expected.algorithm);
            if &found != expected {
                return Err(Error::new("verify.digest", format!("`{name}` is {found}, not {expected}")));
            }
        }
        if let Some(expected) = options.expect_records {
            let found = count_records(bytes);
            if found != expected {
                let why = format!("`{name}` has {found} records, not {expected}");
                return Err(Error::new("verify.records", why));
            }
        }
        let others = options.verify.iter().copied().filter(|&algorithm| algorithm != HashAlgorithm::Sha256);
        Ok([HashAlgorithm::Sha256].into_iter().chain(others).map(|wanted| digest(bytes, wanted)).collect())
    }
}

/// Puts it in its place, as the options say.
fn put(
    tree: &mut Tree,
    (target, side): (&str, Side),
    source: Source,
    digests: Vec<Digest>,
    (now, options): (crate::clock::Timestamp, &TransferOptions),
) -> Result<Receipt> {
    let Source { bytes, modified, .. } = source;
    let standing = tree.stat(target);
    let left = match (&standing, options.if_exists) {
        (None, _) | (_, IfExists::Replace) => false,
        (Some(_), IfExists::Skip) => true,
        (Some(standing), IfExists::Newer) => standing.modified >= Some(modified),
        (Some(_), IfExists::Fail) => return Err(side.error("exists", format!("`{target}` exists"))),
    };
    let size = bytes.len() as u64;
    if !left {
        if let Some(sidecar) = options.write_sidecar {
            let name = target.rsplit('/').next().unwrap_or(target);
            let line = format!("{}  {name}\n", digest(&bytes, sidecar.algorithm()).hex);
            tree.write(&sidecar.of(target), line.into_bytes(), now)?;
        }
        tree.write(target, bytes, if options.keep_mtime { modified } else { now })?;
    }
    let file = tree.stat(target).ok_or_else(|| side.error("not-found", format!("`{target}` is gone")))?;
    Ok(Receipt {
        bytes: if left { file.size.unwrap_or(0) } else { size },
        resumed_from: 0,
        resent: 0,
        attempts: 1,
        elapsed: Duration::from_millis(1),
        digests: if left { Vec::new() } else { digests },
        proof: proof(side, options),
        skipped: left,
        mode: None,
        file,
    })
}

/// What writing a small file proves.
pub(super) fn receipt_of(tree: &Tree, path: &str, bytes: &[u8]) -> Result<Receipt> {
    let gone = || Side::Site.error("not-found", format!("`{path}` is gone"));
    Ok(Receipt {
        bytes: bytes.len() as u64,
        resumed_from: 0,
        resent: 0,
        attempts: 1,
        elapsed: Duration::from_millis(1),
        digests: vec![digest(bytes, HashAlgorithm::Sha256)],
        proof: Proof::SizeOnly,
        skipped: false,
        mode: None,
        file: tree.stat(path).ok_or_else(gone)?,
    })
}

/// The source must be what it was, as far as both descriptions know.
pub(super) fn check_unchanged(direction: Direction, now: &FileInfo, earlier: &FileInfo) -> Result<()> {
    fn differ<T: PartialEq>(a: Option<T>, b: Option<T>) -> bool {
        matches!((a, b), (Some(a), Some(b)) if a != b)
    }
    if now.kind != earlier.kind || differ(now.size, earlier.size) || differ(now.modified, earlier.modified) {
        let code = if direction == Direction::Download { "ftp.remote-changed" } else { "file.changed" };
        return Err(Error::new(code, format!("`{}` is not the file that it was", now.path)));
    }
    Ok(())
}

fn proof(target: Side, options: &TransferOptions) -> Proof {
    if options.expect.is_some() {
        Proof::DigestExpected
    } else if options.check_sidecar.is_some() {
        Proof::Sidecar
    } else if options.read_back && target == Side::Site {
        Proof::ReadBack
    } else if options.expect_records.is_some() {
        Proof::RecordCount
    } else {
        Proof::SizeOnly
    }
}

pub(super) fn digest(bytes: &[u8], algorithm: HashAlgorithm) -> Digest {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let hex = match algorithm {
        HashAlgorithm::Crc32 => format!("{:08x}", crc32fast::hash(bytes)),
        HashAlgorithm::Md5 => hex(&Md5::digest(bytes)),
        HashAlgorithm::Sha256 => hex(&Sha256::digest(bytes)),
    };
    Digest { algorithm, hex }
}

/// Lines ended by LF, and a last one without.
pub(super) fn count_records(bytes: &[u8]) -> u64 {
    let ended = bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
    ended + u64::from(bytes.last().is_some_and(|&byte| byte != b'\n'))
}

/// Transfers that are done when their outcomes are asked for, in the order in which they were submitted.
pub(crate) struct Batch {
    site: String,
    parallel: u16,
    options: TransferOptions,
    waiting: RefCell<VecDeque<(u32, Transfer)>>,
    submitted: Cell<u32>,
    delivered: RefCell<BTreeSet<u32>>,
    closed: Cell<bool>,
}

fn invalid(message: &str) -> Error {
    Error::new("call.invalid", message)
}

impl Batch {
    pub(crate) fn open(site: &Site, parallel: u16, options: &TransferOptions) -> Result<Self> {
        if !(1..=64).contains(&parallel) {
            return Err(invalid(&format!("a batch moves 1 to 64 files at a time, not {parallel}")));
        }
        if options.expect.is_some() || options.expect_records.is_some() || options.if_unchanged.is_some() {
            return Err(invalid("a batch's options are for all of its files"));
        }
        Ok(Self {
            site: site.name().to_owned(),
            parallel,
            options: options.clone(),
            waiting: RefCell::default(),
            submitted: Cell::new(0),
            delivered: RefCell::default(),
            closed: Cell::new(false),
        })
    }

    pub(crate) fn submit(&self, transfers: &[Transfer]) -> Result<u32> {
        if self.closed.get() {
            return Err(invalid("the batch is closed"));
        }
        if transfers.len() > 10_000 || self.waiting.borrow().len() + transfers.len() > 100_000 {
            return Err(invalid("more transfers than a batch takes"));
        }
        for transfer in transfers {
            plain(&transfer.remote, Side::Site)?;
            state::with(|state| state.folder(&transfer.local).map(|_| ()))?;
        }
        let first = self.submitted.get();
        for (transfer, id) in transfers.iter().zip(first..) {
            self.waiting.borrow_mut().push_back((id, transfer.clone()));
            self.submitted.set(id + 1);
        }
        Ok(first)
    }

    pub(crate) fn next(&self, max: u32, timeout: Option<Duration>) -> Delivery {
        if let Some(timeout) = timeout
            && !self.waiting.borrow().is_empty()
            && state::with(|state| state.stall(timeout))
        {
            return Delivery::TimedOut;
        }
        let count = max.clamp(1, 1_000).min(self.parallel.into());
        let mut outcomes = Vec::new();
        for _ in 0..count {
            let Some((id, next)) = self.waiting.borrow_mut().pop_front() else { break };
            outcomes.push((id, self.outcome(&next)));
            self.delivered.borrow_mut().insert(id);
        }
        if outcomes.is_empty() { Delivery::Finished } else { Delivery::Outcomes(outcomes) }
    }

    pub(crate) fn commit(&self, ids: &[u32]) -> Result<()> {
        let delivered = self.delivered.borrow();
        match ids.iter().find(|id| !delivered.contains(id)) {
            Some(id) => Err(invalid(&format!("transfer {id} wasn't delivered"))),
            None => Ok(()),
        }
    }

    pub(crate) fn close(&self) {
        self.closed.set(true);
    }

    fn outcome(&self, next: &Transfer) -> Result<Receipt> {
        state::with(|state| {
            if self.closed.get() || state.cancelled {
                return Err(Error::new("run.cancelled", "it hadn't begun").with_class(ErrorClass::Cancelled));
            }
            transfer(state, &self.site, next, &self.options)
        })
    }
}
