//! Backup and restore: everything of a store in one file, taken while runs go on, each run as of one
//! instant.
//!
//! Schedules come with their firings, so that nothing fires twice. A restored run is paused: its effects after the backup may exist, and only somebody who knows of
//! them, or who lets every later effect be verified, may let it go on.

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
use super::store::{
    BlobId, Firing, FiringKey, NewFiring, RunExport, RunHead, Store, StoredSchedule, Versioned,
};
use super::summary::Summary;
use crate::clock::Clock;
use crate::crash;
use crate::model::{Fault, FaultCode, PauseReason, RunId, Timestamp};

/// The format of backups, in their first frame.
///
/// Changelog
/// - 1: the first.
/// - 2: schedules and their firings, and their numbers among the counts.
const BACKUP_FORMAT: u32 = 2;

/// Backups of this format are read too: they have no schedules.
const WITHOUT_SCHEDULES: u32 = 1;

/// Where a restored store keeps when it was restored: schedules that are older wait for somebody.
const RESTORED_AT: &str = "restored-at";

/// Runs or values that are asked for at a time.
const PAGE: usize = 256;

/// Kinds of frames, in the order in which they come: the format, blobs before the runs that refer to
/// them, each run with its entries and rows after it, values, schedules, their firings, and the counts.
mod kind {
    pub(super) const FORMAT: u8 = 0;
    pub(super) const BLOB: u8 = 1;
    pub(super) const RUN: u8 = 2;
    pub(super) const ENTRY: u8 = 3;
    pub(super) const ROW: u8 = 4;
    pub(super) const VALUE: u8 = 5;
    pub(super) const END: u8 = 6;
    pub(super) const SCHEDULE: u8 = 7;
    pub(super) const FIRING: u8 = 8;
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
    /// Schedules.
    pub schedules: u64,
    /// Firings of all schedules.
    pub firings: u64,
}

/// The counts of format 1.
#[derive(Deserialize)]
struct FirstReport {
    runs: u64,
    entries: u64,
    blobs: u64,
    values: u64,
}

impl From<FirstReport> for BackupReport {
    fn from(FirstReport { runs, entries, blobs, values }: FirstReport) -> Self {
        Self { runs, entries, blobs, values, ..Self::default() }
    }
}

#[derive(Serialize, Deserialize)]
struct ScheduleFrame {
    name: String,
    component: [u8; 32],
    value: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct FiringFrame {
    schedule: String,
    nominal: u64,
    round: u16,
    run: Option<String>,
    detail: Vec<u8>,
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
    let failed = |error: std::io::Error| Error::unwritable(format!("writing {}", path.display()), &error);
    let aside = path.with_extension("new");
    // It holds what the state holds, so nobody else may read it either.
    let mut options = File::options();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&aside).map_err(failed)?;
    let written = write(store, BufWriter::with_capacity(1 << 20, file), &failed).await;
    let finished = written.and_then(|(report, file)| {
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

async fn write(
    store: &Arc<dyn Store>,
    out: BufWriter<File>,
    failed: &(impl Fn(std::io::Error) -> Error + Sync),
) -> Result<(BackupReport, File), Error> {
    let mut out = FrameWriter::new(out).map_err(failed)?;
    let mut report = BackupReport::default();
    out.write(kind::FORMAT, &BACKUP_FORMAT.to_le_bytes()).map_err(failed)?;

    let mut written = std::collections::HashSet::new();
    let mut before: Option<RunId> = None;
    loop {
        let heads = store.heads(before.as_ref(), PAGE).await?;
        let Some(last) = heads.last() else { break };
        before = Some(last.run.clone());
        for head in &heads {
            // A run that was removed meanwhile isn't part of the backup.
            let Some(export) = store.export(&head.run).await? else { continue };
            for id in &export.blobs {
                if written.insert(*id) {
                    out.write(kind::BLOB, &needed(store, *id).await?).map_err(failed)?;
                    report.blobs += 1;
                }
            }
            out.write(kind::RUN, &encode(&RunFrame::of(&export))?).map_err(failed)?;
            for entry in &export.entries {
                out.write(kind::ENTRY, entry).map_err(failed)?;
            }
            for row in &export.table {
                out.write(kind::ROW, &encode(&(&row.0, &row.1[..]))?).map_err(failed)?;
            }
            report.runs += 1;
            report.entries += export.entries.len() as u64;
        }
    }

    let mut after: Option<String> = None;
    loop {
        let values = store.values(after.as_deref(), PAGE).await?;
        let Some((last, _)) = values.last() else { break };
        after = Some(last.clone());
        for (key, Versioned { value, .. }) in &values {
            out.write(kind::VALUE, &encode(&(key, &value[..]))?).map_err(failed)?;
            report.values += 1;
        }
    }

    // Firings are read after their schedule: one that is made meanwhile is in the backup without its run,
    // which is as if that had been removed since.
    let mut after: Option<String> = None;
    loop {
        let schedules = store.schedules(after.as_deref(), PAGE).await?;
        let Some((last, _)) = schedules.last() else { break };
        after = Some(last.clone());
        for (name, StoredSchedule { component, value, .. }) in schedules {
            if written.insert(component) {
                out.write(kind::BLOB, &needed(store, component).await?).map_err(failed)?;
                report.blobs += 1;
            }
            let frame = ScheduleFrame { name: name.clone(), component: component.0, value: value.to_vec() };
            out.write(kind::SCHEDULE, &encode(&frame)?).map_err(failed)?;
            report.schedules += 1;
            let mut before: Option<FiringKey> = None;
            loop {
                let firings = store.firings(&name, before.as_ref(), PAGE).await?;
                let Some(last) = firings.last() else { break };
                before = Some(last.key.clone());
                for firing in firings {
                    out.write(kind::FIRING, &encode(&FiringFrame::from(firing))?).map_err(failed)?;
                    report.firings += 1;
                }
            }
        }
    }
    out.write(kind::END, &encode(&report)?).map_err(failed)?;
    let mut buffered = out.finish().map_err(failed)?;
    buffered.flush().map_err(failed)?;
    let file = buffered.into_inner().map_err(|error| failed(error.into_error()))?;
    Ok((report, file))
}

async fn needed(store: &Arc<dyn Store>, id: BlobId) -> Result<Bytes, Error> {
    store.blob(id).await?.ok_or_else(|| Error::damaged(format!("blob {id} is missing")))
}

/// Reads a whole backup without using it.
///
/// # Errors
/// [`Error::Damaged`] where it is cut or damaged, [`Error::Version`] for another version's.
pub fn verify_backup(path: &Path) -> Result<BackupReport, Error> {
    let (mut frames, format) = open(path)?;
    let mut found = BackupReport::default();
    loop {
        let (kind, payload) = frames.read()?;
        match kind {
            kind::BLOB => found.blobs += 1,
            kind::RUN => found.runs += 1,
            kind::ENTRY => found.entries += 1,
            kind::ROW => {}
            kind::VALUE => found.values += 1,
            kind::SCHEDULE => found.schedules += 1,
            kind::FIRING => found.firings += 1,
            kind::END => {
                let report = decode_report(format, &payload)?;
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
    let (mut frames, format) = open(path)?;
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
                    pause_resting(store, clock, &run, PauseReason::Restored, restored(&run)).await?;
                }
            }
            kind::VALUE => {
                let (key, value): (String, Vec<u8>) = decode(&payload)?;
                store.put_if(&key, None, Some(value.into())).await?;
            }
            kind::SCHEDULE => {
                let ScheduleFrame { name, component, value } = decode(&payload)?;
                store.put_schedule(&name, None, BlobId(component), value.into()).await?;
            }
            kind::FIRING => {
                let frame: FiringFrame = decode(&payload)?;
                store.note_firing(frame.into_domain()?).await?;
            }
            kind::END => {
                mark_restored(store, clock.now()).await?;
                return decode_report(format, &payload);
            }
            other => return Err(unknown(other)),
        }
    }
}

/// What the store held before may have fired since: whoever looks after schedules has to know.
async fn mark_restored(store: &Arc<dyn Store>, at: Timestamp) -> Result<(), Error> {
    let version = store.value(RESTORED_AT).await?.map(|value| value.version);
    store.put_if(RESTORED_AT, version, Some(Bytes::copy_from_slice(&at.0.to_le_bytes()))).await?;
    Ok(())
}

/// When the store was restored from a backup, if it was.
///
/// # Errors
/// Those of [`Store::value`]; [`Error::Damaged`] for what is no time.
pub async fn restored_at(store: &Arc<dyn Store>) -> Result<Option<Timestamp>, Error> {
    let Some(value) = store.value(RESTORED_AT).await? else { return Ok(None) };
    let at = value.value[..].try_into().map_err(|_| Error::damaged("the time of the restore is no time"))?;
    Ok(Some(Timestamp(u64::from_le_bytes(at))))
}

fn restored(run: &RunId) -> Fault {
    Fault::new(
        FaultCode::Other("run.restored".to_owned()),
        "the run comes from a backup, and effects that it had after that may exist",
    )
    .with_hint(format!("look at what it did meanwhile, then `orchestrator resume {run}`"))
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

impl From<Firing> for FiringFrame {
    fn from(firing: Firing) -> Self {
        Self {
            schedule: firing.key.schedule,
            nominal: firing.key.nominal.0,
            round: firing.key.round,
            run: firing.run.map(String::from),
            detail: firing.detail.to_vec(),
        }
    }
}

impl FiringFrame {
    fn into_domain(self) -> Result<NewFiring, Error> {
        let Self { schedule, nominal, round, run, detail } = self;
        let run = run.map(|run| run.parse().map_err(Error::damaged)).transpose()?;
        let key = FiringKey { schedule, nominal: Timestamp(nominal), round };
        Ok(NewFiring { key, version: None, run, detail: detail.into() })
    }
}

/// The counts at the end, as a format has them.
fn decode_report(format: u32, payload: &[u8]) -> Result<BackupReport, Error> {
    match format {
        WITHOUT_SCHEDULES => decode::<FirstReport>(payload).map(BackupReport::from),
        _ => decode(payload),
    }
}

/// Opens a backup and reads its format.
fn open(path: &Path) -> Result<(FrameReader<BufReader<File>>, u32), Error> {
    let file =
        File::open(path).map_err(|error| Error::unreadable(format!("opening {}", path.display()), &error))?;
    let mut frames = FrameReader::new(BufReader::with_capacity(1 << 20, file))?;
    match frames.read()? {
        (kind::FORMAT, payload) => match payload[..].try_into().map(u32::from_le_bytes) {
            Ok(format @ (WITHOUT_SCHEDULES | BACKUP_FORMAT)) => Ok((frames, format)),
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
