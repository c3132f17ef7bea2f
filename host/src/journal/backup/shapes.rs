//! What stands in the frames of a backup.

use serde::{Deserialize, Serialize};

use crate::journal::error::Error;
use crate::journal::store::{Firing, FiringKey, NewFiring, RunExport};
use crate::model::Timestamp;

/// The format of backups, in their first frame.
///
/// Changelog
/// - 1: the first.
/// - 2: schedules and their firings, and their numbers among the counts.
pub(super) const BACKUP_FORMAT: u32 = 2;

/// Backups of this format are read too: they have no schedules.
pub(super) const WITHOUT_SCHEDULES: u32 = 1;

/// Kinds of frames, in the order in which they come: the format, blobs before the runs that refer to
/// them, each run with its entries and rows after it, values, schedules, their firings, and the counts.
pub(super) mod kind {
    pub(in super::super) const FORMAT: u8 = 0;
    pub(in super::super) const BLOB: u8 = 1;
    pub(in super::super) const RUN: u8 = 2;
    pub(in super::super) const ENTRY: u8 = 3;
    pub(in super::super) const ROW: u8 = 4;
    pub(in super::super) const VALUE: u8 = 5;
    pub(in super::super) const END: u8 = 6;
    pub(in super::super) const SCHEDULE: u8 = 7;
    pub(in super::super) const FIRING: u8 = 8;
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
pub(super) struct ScheduleFrame {
    pub(super) name: String,
    pub(super) component: [u8; 32],
    pub(super) value: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct FiringFrame {
    pub(super) schedule: String,
    pub(super) nominal: u64,
    pub(super) round: u16,
    pub(super) run: Option<String>,
    pub(super) detail: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct RunFrame {
    pub(super) run: String,
    pub(super) epoch: u64,
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
    pub(super) bytes: u64,
    pub(super) summary: Vec<u8>,
    pub(super) entries: u64,
    pub(super) rows: u64,
    pub(super) blobs: Vec<[u8; 32]>,
}

impl RunFrame {
    pub(super) fn of(export: &RunExport) -> Self {
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
    pub(super) fn into_domain(self) -> Result<NewFiring, Error> {
        let Self { schedule, nominal, round, run, detail } = self;
        let run = run.map(|run| run.parse().map_err(Error::damaged)).transpose()?;
        let key = FiringKey { schedule, nominal: Timestamp(nominal), round };
        Ok(NewFiring { key, version: None, run, detail: detail.into() })
    }
}

/// The counts at the end, as a format has them.
pub(super) fn decode_report(format: u32, payload: &[u8]) -> Result<BackupReport, Error> {
    match format {
        WITHOUT_SCHEDULES => decode::<FirstReport>(payload).map(BackupReport::from),
        _ => decode(payload),
    }
}

pub(super) fn unknown(kind: u8) -> Error {
    Error::damaged(format!("the backup has a frame of kind {kind} where that can't be"))
}

pub(super) fn encode(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    postcard::to_stdvec(value).map_err(|error| Error::bug(format!("a frame can't be encoded: {error}")))
}

pub(super) fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    postcard::from_bytes(bytes).map_err(|error| Error::damaged(format!("a frame of the backup: {error}")))
}
