//! Backup and restore: everything of a store in one file, taken while runs go on, each run as of one
//! instant. An exported run is a backup that holds nothing else.
//!
//! A restored run is paused: its effects after the backup may exist, and only somebody who knows of
//! them, or who lets every later effect be verified, may let it go on. An imported one is to be looked
//! at: it may be going on where it came from.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::control::pause_resting;
use super::error::Error;
use super::frames::{FrameReader, FrameWriter};
use super::store::{BlobId, RunExport, RunHead, Store, Versioned};
use super::summary::Summary;
use crate::clock::Clock;
use crate::crash;
use crate::model::{Fault, FaultCode, PauseReason, RunId};

/// The format of backups, in their first frame.
///
/// Changelog
/// - 1: the first.
const BACKUP_FORMAT: u32 = 1;

/// Runs or values that are asked for at a time.
const PAGE: usize = 256;

/// Kinds of frames, in the order in which they come: the format, blobs before the runs that refer to
/// them, each run with its entries and rows after it, values, and the counts.
mod kind {
    pub(super) const FORMAT: u8 = 0;
    pub(super) const BLOB: u8 = 1;
    pub(super) const RUN: u8 = 2;
    pub(super) const ENTRY: u8 = 3;
    pub(super) const ROW: u8 = 4;
    pub(super) const VALUE: u8 = 5;
    pub(super) const END: u8 = 6;
}

/// What a backup holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupReport {
    /// Runs.
    pub runs: u64,
    /// Entries of all runs.
    pub entries: u64,
    /// Blobs.
    pub blobs: u64,
    /// Values outside of runs.
    pub values: u64,
}

#[derive(Serialize, Deserialize)]
struct RunFrame {
    run: String,
    epoch: u64,
    first_seq: u64,
    last_seq: u64,
    bytes: u64,
    summary: Vec<u8>,
    entries: u64,
    rows: u64,
    blobs: Vec<[u8; 32]>,
}

/// Writes a backup of a store to a file, which appears whole or not at all.
///
/// # Errors
/// Those of reading the store; [`Error::Unwritable`] for the file.
pub async fn backup(store: &Arc<dyn Store>, path: &Path) -> Result<BackupReport, Error> {
    write_aside(path, async |out| out.write_all(store).await).await
}

/// Writes one run with all that it refers to into a file, which appears whole or not at all.
///
/// # Errors
/// [`Error::NotFound`]; as [`backup`].
pub async fn export_run(store: &Arc<dyn Store>, run: &RunId, path: &Path) -> Result<BackupReport, Error> {
    let export = store.export(run).await?.ok_or_else(|| Error::NotFound { run: run.clone() })?;
    write_aside(path, async |out| out.write_run(store, &export).await).await
}

async fn write_aside(
    path: &Path,
    write: impl AsyncFnOnce(&mut Backup<'_>) -> Result<(), Error>,
) -> Result<BackupReport, Error> {
    let failed = |error: std::io::Error| Error::unwritable(format!("writing {}", path.display()), &error);
    let aside = path.with_extension("new");
    // It holds what the state holds, so nobody else may read it either.
    let mut options = File::options();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&aside).map_err(failed)?;
    let written = async {
        let mut out = Backup::begin(BufWriter::with_capacity(1 << 20, file), &failed)?;
        write(&mut out).await?;
        out.finish()
    };
    let finished = written.await.and_then(|(report, file)| {
        file.sync_all().map_err(failed)?;
        crash::point("journal.backup.rename");
        fs::rename(&aside, path).map_err(failed)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(report)
    });
    if finished.is_err() {
        let _ = fs::remove_file(&aside);
    }
    finished
}

/// A backup that is being written.
struct Backup<'a> {
    out: FrameWriter<BufWriter<File>>,
    failed: &'a (dyn Fn(std::io::Error) -> Error + Sync),
    report: BackupReport,
    /// Blobs that stand in it already.
    written: HashSet<BlobId>,
}

impl<'a> Backup<'a> {
    fn begin(
        out: BufWriter<File>,
        failed: &'a (dyn Fn(std::io::Error) -> Error + Sync),
    ) -> Result<Self, Error> {
        let out = FrameWriter::new(out).map_err(failed)?;
        let mut backup = Self { out, failed, report: BackupReport::default(), written: HashSet::new() };
        backup.frame(kind::FORMAT, &BACKUP_FORMAT.to_le_bytes())?;
        Ok(backup)
    }

    fn frame(&mut self, kind: u8, payload: &[u8]) -> Result<(), Error> {
        self.out.write(kind, payload).map_err(self.failed)
    }

    /// All runs and values of a store.
    async fn write_all(&mut self, store: &Arc<dyn Store>) -> Result<(), Error> {
        let mut before: Option<RunId> = None;
        loop {
            let heads = store.heads(before.as_ref(), PAGE).await?;
            let Some(last) = heads.last() else { break };
            before = Some(last.run.clone());
            for head in &heads {
                // A run that was removed meanwhile isn't part of the backup.
                if let Some(export) = store.export(&head.run).await? {
                    self.write_run(store, &export).await?;
                }
            }
        }
        let mut after: Option<String> = None;
        loop {
            let values = store.values(after.as_deref(), PAGE).await?;
            let Some((last, _)) = values.last() else { break };
            after = Some(last.clone());
            for (key, Versioned { value, .. }) in &values {
                self.frame(kind::VALUE, &encode(&(key, &value[..]))?)?;
                self.report.values += 1;
            }
        }
        Ok(())
    }

    async fn write_run(&mut self, store: &Arc<dyn Store>, export: &RunExport) -> Result<(), Error> {
        for id in &export.blobs {
            if self.written.insert(*id) {
                let bytes = store.blob(*id).await?;
                let bytes = bytes.ok_or_else(|| Error::damaged(format!("blob {id} is missing")))?;
                self.frame(kind::BLOB, &bytes)?;
                self.report.blobs += 1;
            }
        }
        self.frame(kind::RUN, &encode(&RunFrame::of(export))?)?;
        for entry in &export.entries {
            self.frame(kind::ENTRY, entry)?;
        }
        for row in &export.table {
            self.frame(kind::ROW, &encode(&(&row.0, &row.1[..]))?)?;
        }
        self.report.runs += 1;
        self.report.entries += export.entries.len() as u64;
        Ok(())
    }

    fn finish(mut self) -> Result<(BackupReport, File), Error> {
        let report = self.report;
        self.frame(kind::END, &encode(&report)?)?;
        let mut buffered = self.out.finish().map_err(self.failed)?;
        buffered.flush().map_err(self.failed)?;
        let file = buffered.into_inner().map_err(|error| (self.failed)(error.into_error()))?;
        Ok((report, file))
    }
}

/// Reads a whole backup without using it.
///
/// # Errors
/// [`Error::Damaged`] where it is cut or damaged, [`Error::Version`] for another version's.
pub fn verify_backup(path: &Path) -> Result<BackupReport, Error> {
    let mut frames = open(path)?;
    let mut found = BackupReport::default();
    loop {
        let (kind, payload) = frames.read()?;
        match kind {
            kind::BLOB => found.blobs += 1,
            kind::RUN => found.runs += 1,
            kind::ENTRY => found.entries += 1,
            kind::ROW => {}
            kind::VALUE => found.values += 1,
            kind::END => {
                let report: BackupReport = decode(&payload)?;
                if report != found {
                    return Err(Error::damaged(format!("the backup holds {found:?} of {report:?}")));
                }
                return Ok(report);
            }
            other => return Err(unknown(other)),
        }
    }
}

/// Takes everything of a backup into an empty store; runs that haven't ended are paused.
pub(super) async fn fill(
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    path: &Path,
) -> Result<BackupReport, Error> {
    take(store, clock, path, PauseReason::Restored, true).await.map(|(report, _)| report)
}

/// Takes the runs of a backup or of an exported run into a store that may hold others; those that hadn't
/// ended are paused for good. Gives them, as they stand in the file.
///
/// # Errors
/// [`Error::Exists`] where the store has one of them: those before it are there then. As
/// [`verify_backup`], before which nothing is taken in.
pub async fn import_runs(
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    path: &Path,
) -> Result<Vec<RunId>, Error> {
    verify_backup(path)?;
    take(store, clock, path, PauseReason::Imported, false).await.map(|(_, runs)| runs)
}

async fn take(
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    path: &Path,
    why: PauseReason,
    with_values: bool,
) -> Result<(BackupReport, Vec<RunId>), Error> {
    let mut frames = open(path)?;
    let mut runs = Vec::new();
    loop {
        let (kind, payload) = frames.read()?;
        match kind {
            kind::BLOB => {
                store.put_blob(payload.into()).await?;
            }
            kind::RUN => {
                let export = read_run(&mut frames, decode(&payload)?)?;
                let run = export.head.run.clone();
                let status = Summary::decode(&export.head.summary)?.status;
                store.import(export).await?;
                if !status.is_closed() {
                    pause_resting(store, clock, &run, why, from_elsewhere(&run, why)).await?;
                }
                runs.push(run);
            }
            kind::VALUE if with_values => {
                let (key, value): (String, Vec<u8>) = decode(&payload)?;
                store.put_if(&key, None, Some(value.into())).await?;
            }
            kind::VALUE => {}
            kind::END => return Ok((decode(&payload)?, runs)),
            other => return Err(unknown(other)),
        }
    }
}

/// What a run that came out of a file is paused with.
fn from_elsewhere(run: &RunId, why: PauseReason) -> Fault {
    let fault = |code: &str, message| Fault::new(FaultCode::Other(code.to_owned()), message);
    if why == PauseReason::Imported {
        fault("run.imported", "the run comes from another state, where it may be going on")
            .with_hint(format!("`orchestrator replay {run}` shows what it did"))
    } else {
        fault("run.restored", "the run comes from a backup, and effects that it had after that may exist")
            .with_hint(format!("look at what it did meanwhile, then `orchestrator resume {run}`"))
    }
}

fn read_run(frames: &mut FrameReader<BufReader<File>>, frame: RunFrame) -> Result<RunExport, Error> {
    let mut next = |expected: u8| match frames.read()? {
        (kind, payload) if kind == expected => Ok(payload),
        (other, _) => Err(unknown(other)),
    };
    let entries = (0..frame.entries).map(|_| next(kind::ENTRY).map(Bytes::from)).collect::<Result<_, _>>()?;
    let mut table = Vec::new();
    for _ in 0..frame.rows {
        let (key, value): (Vec<u8>, Vec<u8>) = decode(&next(kind::ROW)?)?;
        table.push((key, value.into()));
    }
    let head = RunHead {
        run: frame.run.parse().map_err(Error::damaged)?,
        epoch: frame.epoch,
        claimed: false,
        unclean_ends: 0,
        first_seq: frame.first_seq,
        last_seq: frame.last_seq,
        bytes: frame.bytes,
        summary: frame.summary.into(),
    };
    Ok(RunExport { head, entries, table, blobs: frame.blobs.into_iter().map(BlobId).collect() })
}

impl RunFrame {
    fn of(export: &RunExport) -> Self {
        let head = &export.head;
        Self {
            run: head.run.as_str().to_owned(),
            epoch: head.epoch,
            first_seq: head.first_seq,
            last_seq: head.last_seq,
            bytes: head.bytes,
            summary: head.summary.to_vec(),
            entries: export.entries.len() as u64,
            rows: export.table.len() as u64,
            blobs: export.blobs.iter().map(|id| id.0).collect(),
        }
    }
}

fn open(path: &Path) -> Result<FrameReader<BufReader<File>>, Error> {
    let file =
        File::open(path).map_err(|error| Error::unreadable(format!("opening {}", path.display()), &error))?;
    let mut frames = FrameReader::new(BufReader::with_capacity(1 << 20, file))?;
    match frames.read()? {
        (kind::FORMAT, payload) => match payload[..].try_into().map(u32::from_le_bytes) {
            Ok(BACKUP_FORMAT) => Ok(frames),
            Ok(found) => Err(Error::Version { what: "the backup", found, supported: BACKUP_FORMAT }),
            Err(_) => Err(Error::damaged("the backup has no format")),
        },
        (other, _) => Err(unknown(other)),
    }
}

fn unknown(kind: u8) -> Error {
    Error::damaged(format!("the backup has a frame of kind {kind} where that can't be"))
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    postcard::to_stdvec(value).map_err(|error| Error::bug(format!("a frame can't be encoded: {error}")))
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    postcard::from_bytes(bytes).map_err(|error| Error::damaged(format!("a frame of the backup: {error}")))
}
