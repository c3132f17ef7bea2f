//! Backups that nobody has to think of: while a process holds the state, the backup is written anew
//! whenever it is older than the configuration says.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::journal::{self, Store};

/// Commands that only look are over by then, and write none.
const FIRST_AFTER: Duration = Duration::from_secs(2);

/// How long after a failed backup the next one is tried.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Writes backups until it is dropped.
#[derive(Debug)]
pub(super) struct Backups {
    task: JoinHandle<()>,
}

impl Backups {
    /// Backups of `store` to the file `to`, which is never older than `every` for long.
    pub(super) fn start(store: Arc<dyn Store>, clock: Arc<dyn Clock>, to: PathBuf, every: Duration) -> Self {
        let task = tokio::spawn(async move {
            clock.sleep(FIRST_AFTER).await;
            write(&store, &*clock, &to, every).await;
        });
        Self { task }
    }
}

impl Drop for Backups {
    /// One that is half written is aside still, and is written over by the next.
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn write(store: &Arc<dyn Store>, clock: &dyn Clock, to: &Path, every: Duration) {
    loop {
        let left = every.saturating_sub(age(to));
        if !left.is_zero() {
            clock.sleep(left).await;
            continue;
        }
        match journal::backup(store, to).await {
            Ok(report) => tracing::debug!(to = %to.display(), runs = report.runs, "backup written"),
            Err(error) => {
                tracing::warn!(to = %to.display(), %error, "the backup couldn't be written");
                clock.sleep(AGAIN_AFTER).await;
            }
        }
    }
}

/// How old the file is; older than anything where there is none.
fn age(file: &Path) -> Duration {
    let written = file.metadata().and_then(|found| found.modified());
    let Ok(written) = written else { return Duration::MAX };
    // One from the future is as good as new.
    SystemTime::now().duration_since(written).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::journal::MemoryStore;

    #[tokio::test]
    async fn a_backup_that_is_old_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("state.backup");
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let clock = SystemClock::new();
        let every = Duration::from_millis(50);
        let written = async || {
            let before = to.metadata().and_then(|found| found.modified()).ok();
            let writing = write(&store, &clock, &to, every);
            let changed = async {
                while to.metadata().and_then(|found| found.modified()).ok() == before {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::select! {
                () = writing => {}
                () = changed => {}
            }
            journal::verify_backup(&to).unwrap()
        };
        assert_eq!(written().await, written().await);
        assert!(age(&to) < Duration::from_secs(60));
        assert_eq!(age(&folder.path().join("none")), Duration::MAX);
    }
}
