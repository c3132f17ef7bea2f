//! What was found out about a site's server and is worth keeping for the next session, and for the next
//! process.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::profile::{AGE_MAX, Avoided, Profile, ServerKey};
use crate::model::{Site, Timestamp};
use crate::transfer::Features;

/// Something that, once seen, stays so until what was learned is too old.
#[derive(Debug, Default)]
pub(super) struct Once(AtomicBool);

impl Once {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number of milliseconds, once it is known.
#[derive(Debug, Default)]
pub(super) struct Ahead(OnceLock<i64>);

impl Ahead {
    /// The first that says it is believed, so that all sessions tell the same times.
    pub(super) fn set(&self, millis: i64) {
        let _known_already = self.0.set(millis);
    }

    pub(super) fn get(&self) -> Option<i64> {
        self.0.get().copied()
    }
}

impl From<bool> for Once {
    fn from(is_set: bool) -> Self {
        Self(is_set.into())
    }
}

/// What one server taught us.
#[derive(Debug, Default)]
pub(super) struct Learned {
    /// TLS 1.3 left us without tickets; under TLS 1.2 one session can be resumed any number of times.
    pub(super) tls12: Once,
    /// The server speaks TLS 1.3 only, so going down to 1.2 is no way out.
    pub(super) tls13_only: Once,
    /// EPSV is refused, or its ports can't be reached (F25).
    pub(super) no_epsv: Once,
    /// `LIST -a` is taken for a file name.
    pub(super) no_list_all: Once,
    /// MLSD or MLST is announced, and refused (F54).
    pub(super) no_mlst: Once,
    /// How far the clock of LIST is ahead of UTC (F60).
    pub(super) list_ahead: Ahead,
    /// No command sets a modification time.
    pub(super) no_set_mtime: Once,
}

impl Learned {
    fn avoided(&self) -> Avoided {
        Avoided {
            tls13: self.tls12.is_set(),
            tls12: self.tls13_only.is_set(),
            epsv: self.no_epsv.is_set(),
            list_all: self.no_list_all.is_set(),
            mlst: self.no_mlst.is_set(),
            set_time: self.no_set_mtime.is_set(),
        }
    }

    fn of(avoided: Avoided) -> Self {
        Self {
            tls12: avoided.tls13.into(),
            tls13_only: avoided.tls12.into(),
            no_epsv: avoided.epsv.into(),
            no_list_all: avoided.list_all.into(),
            no_mlst: avoided.mlst.into(),
            no_set_mtime: avoided.set_time.into(),
            list_ahead: Ahead::default(),
        }
    }
}

/// The notes on one server.
#[derive(Debug)]
struct Note {
    learned: Arc<Learned>,
    since: Timestamp,
    /// What is to be kept, with what was learned when it was.
    profile: Option<Profile>,
    /// As it is in the folder.
    kept: Option<Profile>,
}

/// The notes on all servers of a connector. They are kept in a folder, if there is one, when somebody has
/// logged in and when the connector goes.
#[derive(Debug, Default)]
pub(super) struct Notes {
    folder: Option<PathBuf>,
    by_server: Mutex<HashMap<ServerKey, Note>>,
}

impl Notes {
    pub(super) fn kept_in(folder: PathBuf) -> Self {
        Self { folder: Some(folder), by_server: Mutex::default() }
    }

    /// The notes on a site's server.
    pub(super) fn of(&self, site: &Site, now: Timestamp) -> Arc<Learned> {
        let mut all = self.by_server.lock().unwrap_or_else(PoisonError::into_inner);
        let key = ServerKey::of(site);
        let is_young = |note: &Note| Duration::from_millis(now.0.saturating_sub(note.since.0)) < AGE_MAX;
        if let Some(note) = all.get(&key).filter(|note| is_young(note)) {
            return Arc::clone(&note.learned);
        }
        let kept = self.folder.as_deref().and_then(|folder| Profile::read(folder, site, now));
        let learned = Arc::new(kept.as_ref().map_or_else(Learned::default, |kept| Learned::of(kept.avoided)));
        let since = kept.as_ref().map_or(now, |kept| kept.since);
        let note = Note { learned: Arc::clone(&learned), since, profile: kept.clone(), kept };
        all.insert(key, note);
        learned
    }

    /// Somebody has logged in, and this is what the server says that it can do.
    pub(super) fn met(&self, site: &Site, features: &Features) {
        let mut all = self.by_server.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(folder), Some(note)) = (&self.folder, all.get_mut(&ServerKey::of(site))) {
            let avoided = note.learned.avoided();
            note.profile = Some(Profile::new(site, note.since, features.clone(), avoided));
            note.keep(folder);
        }
    }
}

impl Note {
    fn keep(&mut self, folder: &std::path::Path) {
        if let Some(profile) = &mut self.profile {
            profile.avoided = self.learned.avoided();
        }
        if self.profile == self.kept {
            return;
        }
        // It is learned again where it can't be kept.
        if let Some(Err(error)) = self.profile.as_ref().map(|profile| profile.write(folder)) {
            tracing::debug!(%error, "what a server taught can't be kept");
        }
        self.kept.clone_from(&self.profile);
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        let all = self.by_server.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = &self.folder {
            all.values_mut().for_each(|note| note.keep(folder));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scripted::Scripted;
    use super::*;

    const WEEK_MS: u64 = 7 * 24 * 3600 * 1000;

    #[tokio::test]
    async fn what_a_server_taught_is_known_to_the_next_process_for_a_week() {
        let site = Scripted::start(|_| None).await.site();
        let folder = tempfile::tempdir().unwrap();
        let (folder, start) = (folder.path().join("servers"), Timestamp(1_700_000_000_000));
        let process = || Notes::kept_in(folder.clone());
        let features = Features { size: true, ..Features::default() };
        {
            let notes = process();
            let learned = notes.of(&site, start);
            notes.met(&site, &features);
            // After the login, so that it is kept when the process ends.
            learned.no_epsv.set();
        }
        let at = |after: u64| Timestamp(start.0 + after);
        assert!(process().of(&site, at(WEEK_MS - 1)).no_epsv.is_set());
        let kept = Profile::read(&folder, &site, at(1)).unwrap();
        assert_eq!((kept.features, kept.since, kept.avoided.mlst), (features, start, false));
        // Another user, another port, another way of TLS: another server, as far as we know.
        for other in [
            Site { user: "another".into(), ..site.clone() },
            Site { port: 1, ..site.clone() },
            Site {
                tls: crate::model::TlsPolicy { mode: crate::model::TlsMode::Implicit, ..site.tls.clone() },
                ..site.clone()
            },
        ] {
            assert!(!process().of(&other, at(1)).no_epsv.is_set());
        }
        assert!(!process().of(&site, at(WEEK_MS)).no_epsv.is_set(), "too old");
        let long = process();
        assert!(long.of(&site, at(1)).no_epsv.is_set());
        assert!(!long.of(&site, at(WEEK_MS)).no_epsv.is_set(), "in a process that runs for a week, too");
        Profile::forget(&folder, &site);
        assert!(!process().of(&site, at(1)).no_epsv.is_set());
    }

    #[tokio::test]
    async fn what_is_damaged_or_secret_is_not_there() {
        let site = Scripted::start(|_| None).await.site();
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp(5);
        let notes = Notes::kept_in(folder.path().to_owned());
        notes.of(&site, now).no_mlst.set();
        notes.met(&site, &Features::default());
        let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains("password") && text.contains("\"mlst\":true"), "{text}");
        for damaged in ["", "{}", &text[..text.len() - 1], &text.replace("\"format\":1", "\"format\":2")] {
            std::fs::write(&file, damaged).unwrap();
            assert_eq!(Profile::read(folder.path(), &site, now), None, "{damaged}");
        }
    }
}
