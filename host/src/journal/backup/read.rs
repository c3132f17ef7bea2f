//! Reading: into an empty store, or one run into a store that has others.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::shapes::{
    BACKUP_FORMAT, BackupReport, FiringFrame, RunFrame, ScheduleFrame, WITHOUT_SCHEDULES, decode,
    decode_report, kind, unknown,
};
use crate::clock::Clock;
use crate::journal::control::pause_resting;
use crate::journal::error::Error;
use crate::journal::frames::FrameReader;
use crate::journal::store::{BlobId, RunExport, RunHead, Store};
use crate::journal::summary::Summary;
use crate::model::{Fault, FaultCode, PauseReason, RunId, Timestamp};

/// Where a restored store keeps when it was restored: schedules that are older wait for somebody.
const RESTORED_AT: &str = "restored-at";

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
pub(in crate::journal) async fn fill(
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
    whole: bool,
) -> Result<(BackupReport, Vec<RunId>), Error> {
    let (mut frames, format) = open(path)?;
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
            kind::VALUE if whole => {
                let (key, value): (String, Vec<u8>) = decode(&payload)?;
                store.put_if(&key, None, Some(value.into())).await?;
            }
            kind::VALUE => {}
            kind::SCHEDULE if whole => {
                let ScheduleFrame { name, component, value } = decode(&payload)?;
                store.put_schedule(&name, None, BlobId(component), value.into()).await?;
            }
            kind::FIRING if whole => {
                let frame: FiringFrame = decode(&payload)?;
                store.note_firing(frame.into_domain()?).await?;
            }
            kind::SCHEDULE | kind::FIRING => {}
            kind::END => {
                if whole {
                    mark_restored(store, clock.now()).await?;
                }
                return Ok((decode_report(format, &payload)?, runs));
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
