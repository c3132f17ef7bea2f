//! Writing: all of a store, or one run, into a file that appears whole or not at all.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use super::shapes::{BACKUP_FORMAT, BackupReport, FiringFrame, RunFrame, ScheduleFrame, encode, kind};
use crate::crash;
use crate::journal::error::Error;
use crate::journal::frames::FrameWriter;
use crate::journal::store::{BlobId, FiringKey, RunExport, Store, StoredSchedule, Versioned};
use crate::model::RunId;

/// Runs or values that are asked for at a time.
const PAGE: usize = 256;

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
        self.write_schedules(store).await
    }

    /// A blob, once.
    async fn write_blob(&mut self, store: &Arc<dyn Store>, id: BlobId) -> Result<(), Error> {
        if self.written.insert(id) {
            let bytes = store.blob(id).await?;
            let bytes = bytes.ok_or_else(|| Error::damaged(format!("blob {id} is missing")))?;
            self.frame(kind::BLOB, &bytes)?;
            self.report.blobs += 1;
        }
        Ok(())
    }

    async fn write_run(&mut self, store: &Arc<dyn Store>, export: &RunExport) -> Result<(), Error> {
        for id in &export.blobs {
            self.write_blob(store, *id).await?;
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

    /// All schedules of a store. Firings are read after their schedule: one that is made meanwhile is in the
    /// backup without its run, which is as if that had been removed since.
    async fn write_schedules(&mut self, store: &Arc<dyn Store>) -> Result<(), Error> {
        let mut after: Option<String> = None;
        loop {
            let schedules = store.schedules(after.as_deref(), PAGE).await?;
            let Some((last, _)) = schedules.last() else { break };
            after = Some(last.clone());
            for (name, StoredSchedule { component, value, .. }) in schedules {
                self.write_blob(store, component).await?;
                let frame =
                    ScheduleFrame { name: name.clone(), component: component.0, value: value.to_vec() };
                self.frame(kind::SCHEDULE, &encode(&frame)?)?;
                self.report.schedules += 1;
                let mut before: Option<FiringKey> = None;
                loop {
                    let firings = store.firings(&name, before.as_ref(), PAGE).await?;
                    let Some(last) = firings.last() else { break };
                    before = Some(last.key.clone());
                    for firing in firings {
                        self.frame(kind::FIRING, &encode(&FiringFrame::from(firing))?)?;
                        self.report.firings += 1;
                    }
                }
            }
        }
        Ok(())
    }
}
