//! Making a state from a backup.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::objects::sync_folder;
use super::open::{self, STORE};
use super::store::{Options, SledStore};
use crate::clock::Clock;
use crate::crash;
use crate::journal::backup::{BackupReport, fill, verify_backup};
use crate::journal::error::Error;
use crate::journal::store::Store;

/// Where the store is built before it counts.
const ASIDE: &str = "restore.new";

/// Makes the state in a folder from a backup: whole, or not at all. There must be none yet; runs that
/// hadn't ended are paused.
///
/// # Errors
/// [`Error::StateExists`], [`Error::InUse`]; [`Error::Damaged`] and [`Error::Version`] for the backup.
pub async fn restore(state: &Path, backup: &Path, clock: &Arc<dyn Clock>) -> Result<BackupReport, Error> {
    // Read to the end first: nothing is made from a backup that is cut.
    verify_backup(backup)?;
    let _lock = open::take(state)?;
    let folder = state.join(STORE);
    if folder.exists() {
        return Err(Error::StateExists { dir: folder });
    }
    let aside = state.join(ASIDE);
    let failed =
        |error: std::io::Error| Error::unwritable(format!("restoring to {}", state.display()), &error);
    if aside.exists() {
        fs::remove_dir_all(&aside).map_err(failed)?;
    }
    let store: Arc<dyn Store> = Arc::new(SledStore::open(&aside, Options::default())?);
    let report = fill(&store, clock, backup).await?;
    drop(store);
    crash::point("journal.restore.rename");
    fs::rename(aside.join(STORE), &folder).map_err(failed)?;
    sync_folder(state)?;
    crash::point("journal.restore.after");
    fs::remove_dir_all(&aside).map_err(failed)?;
    Ok(report)
}
