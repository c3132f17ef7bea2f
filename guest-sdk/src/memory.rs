//! What a workflow remembers across its runs. All runs of one workflow, by its name, share one memory;
//! what is written is durable together with the step that writes it. `orchestrator memory` shows it.
//!
//! A nightly fetch from a site where nothing may be deleted takes only what is new:
//!
//! ```
//! # use orchestrator_sdk::prelude::*;
//! fn run(_: ()) -> Result<usize> {
//!     let site = Site::open("acme")?;
//!     let files = site.list("out", "*.csv")?.filter(FileInfo::is_file);
//!     let new = memory::unseen(&site, files)?;
//!     for file in &new {
//!         site.download(&file.path, path::join("in", file.name()))?;
//!         memory::seen(&site, file)?;
//!     }
//!     Ok(new.len())
//! }
//! # let host = orchestrator_sdk::testing::MockHost::new().with_site("acme").with_folder("in");
//! # host.site("acme").write("out/a.csv", "1");
//! # assert_eq!(host.run(run, serde_json::Value::Null).unwrap(), 1);
//! # host.site("acme").write("out/b.csv", "1");
//! # assert_eq!(host.run(run, serde_json::Value::Null).unwrap(), 1);
//! ```

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::files::FileInfo;
use crate::ftp::Site;
use crate::{Error, Result, host};

/// How many files are asked for at a time: the most that the interface takes.
const PAGE: usize = 1_000;

/// A value, and how often it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    /// Counts the writes of this key, from 1.
    pub version: u64,
    /// The value.
    pub value: T,
}

/// What is kept under `key` (1 to 100 bytes); `None` when nothing is.
///
/// # Errors
/// `call.invalid` for a bad key, `memory.unreadable` when what is kept isn't a `T`.
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<Versioned<T>>> {
    let Some((version, bytes)) = host::memory_get(key)? else { return Ok(None) };
    let value = serde_json::from_slice(&bytes).map_err(|error| {
        Error::new("memory.unreadable", format!("reading `{key}` of the memory: {error}"))
    })?;
    Ok(Some(Versioned { version, value }))
}

/// Keeps `value` as JSON (at most 32,768 bytes) under `key`, if that still has this version, where `None`
/// means that nothing is there; false when it hasn't.
///
/// # Errors
/// `call.invalid` over a bound, `memory.full` over 1,000 keys.
pub fn put_if<T: Serialize + ?Sized>(key: &str, version: Option<u64>, value: &T) -> Result<bool> {
    host::memory_put_if(key, version, Some(&serde_json::to_vec(value)?))
}

/// Removes `key` if it still has this version; false when it hasn't.
///
/// # Errors
/// `call.invalid` for a bad key.
pub fn remove_if(key: &str, version: u64) -> Result<bool> {
    host::memory_put_if(key, Some(version), None)
}

/// Replaces what is kept under `key` by what `change` makes of it, again and again until no other run has
/// written in between; gives what is kept then.
///
/// # Errors
/// As [`get`] and [`put_if`].
pub fn update<T>(key: &str, mut change: impl FnMut(Option<T>) -> T) -> Result<T>
where
    T: Serialize + DeserializeOwned,
{
    loop {
        let kept = get(key)?;
        let version = kept.as_ref().map(|kept| kept.version);
        let value = change(kept.map(|kept| kept.value));
        if put_if(key, version, &value)? {
            return Ok(value);
        }
    }
}

/// Those of `files` that [`seen`] hasn't recorded as they are now. Asks for a thousand at a time, each time
/// in one step.
///
/// # Errors
/// `call.invalid` over a bound.
pub fn unseen(site: &Site, files: impl IntoIterator<Item = FileInfo>) -> Result<Vec<FileInfo>> {
    let mut files = files.into_iter();
    let mut unseen = Vec::new();
    loop {
        let page: Vec<_> = files.by_ref().take(PAGE).collect();
        if page.is_empty() {
            return Ok(unseen);
        }
        let marks: Vec<_> = page.iter().map(|file| (file.path.clone(), identity(file))).collect();
        let known = host::memory_known(site.name(), &marks)?;
        unseen.extend(page.into_iter().zip(known).filter(|(_, known)| !known).map(|(file, _)| file));
    }
}

/// Records a file as it is now, instead of what was recorded under its path; true when this very file was
/// recorded before. Call it when the work on the file is done: what is recorded isn't new any more, whatever
/// becomes of the run.
///
/// # Errors
/// `call.invalid` over a bound, `memory.full` over 1,000,000 paths.
pub fn seen(site: &Site, file: &FileInfo) -> Result<bool> {
    host::memory_seen(site.name(), &file.path, &identity(file))
}

/// What changes when the file does.
fn identity(file: &FileInfo) -> String {
    let number = |number: Option<u64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
    let unique: String = file.unique.as_deref().unwrap_or("").chars().take(100).collect();
    format!("{} {} {unique}", number(file.size), number(file.modified.map(|at| at.0)))
}
