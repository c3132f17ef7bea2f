//! What workflows remember across their runs, in values outside of runs.
//!
//! A *scope* is whose memory it is: that of all runs of one workflow. Its rows lie under keys of fixed
//! length, made of hashes, since names and paths may be longer than a key; each row says itself whose it is
//! and what it is called:
//!
//! | key | holds |
//! |---|---|
//! | `m` scope | [`Tally`]: the scope's name, and how many rows it has of each kind |
//! | `m` scope `k` key | a value that the workflow named |
//! | `m` scope `s` site and path | the file that was last recorded there |
//!
//! Whoever reads a row in order to write it holds [`Store::values_lock`] until the write is durable, so the
//! versions that a commit compares can only differ where that was left out.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedMutexGuard;

use super::effect::Effect;
use super::error::Error;
use super::store::{Store, ValueWrite, Versioned};

/// The most keys of a scope.
const KEYS_MAX: u64 = 1_000;

/// The most paths of a scope that are recorded.
const SEEN_MAX: u64 = 1_000_000;

/// The format of every row, in its first byte.
///
/// Changelog
/// - 1: the first.
const FORMAT: u8 = 1;

/// Rows that are read at a time.
const PAGE: usize = 512;

/// All keys of memories begin so.
const PREFIX: &str = "m";

/// How many rows a scope has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Whose memory it is.
    pub scope: String,
    /// Keys that the workflow named.
    pub keys: u64,
    /// Files that it recorded.
    pub seen: u64,
}

/// One row of a memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remembered {
    /// A value that the workflow named.
    Value {
        /// Its key.
        key: String,
        /// Counts the writes of this key, from 1.
        version: u64,
        /// It.
        value: Bytes,
    },
    /// A file that it recorded.
    Seen {
        /// On which site.
        site: String,
        /// Where.
        path: String,
        /// What tells one content from another.
        identity: String,
    },
}

/// A row on disk.
#[derive(Serialize, Deserialize)]
enum Row<'a> {
    Tally { scope: &'a str, keys: u64, seen: u64 },
    Value { key: &'a str, value: &'a [u8] },
    Seen { site: &'a str, path: &'a str, identity: &'a str },
}

/// One memory, in the hands of a step: nobody else writes to any until the step has ended.
pub struct Memory<'e> {
    effect: &'e mut Effect,
    store: Arc<dyn Store>,
    scope: String,
}

impl Effect {
    /// The memory of this scope. What is written to it is durable together with this step's end.
    pub async fn memory(&mut self, scope: &str) -> Memory<'_> {
        let store = Arc::clone(self.writer.lock().await.store());
        if self.values_guard.is_none() {
            self.values_guard = Some(lock(&store).await);
        }
        Memory { effect: self, store, scope: scope.to_owned() }
    }
}

async fn lock(store: &Arc<dyn Store>) -> OwnedMutexGuard<()> {
    Arc::clone(store.values_lock()).lock_owned().await
}

impl Memory<'_> {
    /// The value of a key.
    ///
    /// # Errors
    /// Those of [`Store::value`]; [`Error::Damaged`].
    pub async fn get(&self, key: &str) -> Result<Option<Versioned>, Error> {
        value_of(&self.store, &self.scope, key).await
    }

    /// Has the step write a value, or remove it, if the key still has this version; false if it hasn't.
    ///
    /// # Errors
    /// As [`Memory::get`]; [`Error::MemoryFull`].
    pub async fn put_if(
        &mut self,
        key: &str,
        version: Option<u64>,
        value: Option<&[u8]>,
    ) -> Result<bool, Error> {
        let name = key_of_value(&self.scope, key);
        let stands = self.store.value(&name).await?.map(|stands| stands.version);
        if stands != version {
            return Ok(false);
        }
        match (stands, value) {
            (None, None) => return Ok(true),
            (None, Some(_)) => self.count(|tally| &mut tally.keys, 1, KEYS_MAX).await?,
            (Some(_), None) => self.count(|tally| &mut tally.keys, -1, KEYS_MAX).await?,
            (Some(_), Some(_)) => {}
        }
        let value = value.map(|value| encode(&Row::Value { key, value })).transpose()?;
        self.effect.values.push(ValueWrite { key: name, version, value });
        Ok(true)
    }

    /// Whether this very file is recorded.
    ///
    /// # Errors
    /// As [`Memory::get`].
    pub async fn knows(&self, site: &str, path: &str, identity: &str) -> Result<bool, Error> {
        let stands = self.store.value(&key_of_seen(&self.scope, site, path)).await?;
        stands.map_or(Ok(false), |stands| is_file(&stands.value, identity))
    }

    /// Has the step record a file, instead of another one of its path; true if this very file is recorded.
    ///
    /// # Errors
    /// As [`Memory::put_if`].
    pub async fn see(&mut self, site: &str, path: &str, identity: &str) -> Result<bool, Error> {
        let name = key_of_seen(&self.scope, site, path);
        let stands = self.store.value(&name).await?;
        match &stands {
            Some(stands) if is_file(&stands.value, identity)? => return Ok(true),
            Some(_) => {}
            None => self.count(|tally| &mut tally.seen, 1, SEEN_MAX).await?,
        }
        let value = Some(encode(&Row::Seen { site, path, identity })?);
        let version = stands.map(|stands| stands.version);
        self.effect.values.push(ValueWrite { key: name, version, value });
        Ok(false)
    }

    async fn count(
        &mut self,
        which: impl FnOnce(&mut Tally) -> &mut u64,
        by: i64,
        max: u64,
    ) -> Result<(), Error> {
        let write = counted(&self.store, &self.scope, which, by, max).await?;
        self.effect.values.push(write);
        Ok(())
    }
}

/// All scopes that remember anything, in an order of no meaning.
///
/// # Errors
/// Those of [`Store::values`]; [`Error::Damaged`].
pub async fn memories(store: &Arc<dyn Store>) -> Result<Vec<Tally>, Error> {
    let mut tallies = Vec::new();
    let mut after = PREFIX.to_owned();
    // The tally comes first in its scope; the rest is passed over.
    loop {
        let Some((key, row)) = store.values(Some(&after), 1).await?.pop() else { return Ok(tallies) };
        if !key.starts_with(PREFIX) {
            return Ok(tallies);
        }
        if let Row::Tally { scope, keys, seen } = decode(&row.value)?
            && keys + seen > 0
        {
            tallies.push(Tally { scope: scope.to_owned(), keys, seen });
        }
        after = format!("{}~", &key[..SCOPE_LENGTH.min(key.len())]);
    }
}

/// At most `max` rows of a scope after `after`, a place that an earlier page ended at; and where this one
/// ends, if it is full. Values come before files; beyond that the order has no meaning.
///
/// # Errors
/// As [`memories`].
pub async fn recall(
    store: &Arc<dyn Store>,
    scope: &str,
    after: Option<&str>,
    max: usize,
) -> Result<(Vec<Remembered>, Option<String>), Error> {
    let prefix = key_of_scope(scope);
    let page = store.values(Some(after.unwrap_or(&prefix)), max).await?;
    let mut rows = Vec::new();
    let mut last = None;
    for (key, Versioned { version, value }) in page {
        if !key.starts_with(&prefix) {
            return Ok((rows, None));
        }
        match decode(&value)? {
            Row::Value { key, value } => {
                let value = Bytes::copy_from_slice(value);
                rows.push(Remembered::Value { key: key.to_owned(), version, value });
            }
            Row::Seen { site, path, identity } => {
                let [site, path, identity] = [site, path, identity].map(str::to_owned);
                rows.push(Remembered::Seen { site, path, identity });
            }
            Row::Tally { .. } => return Err(Error::damaged("a memory has two tallies")),
        }
        last = Some(key);
    }
    Ok(if rows.len() < max { (rows, None) } else { (rows, last) })
}

/// The value of a key.
///
/// # Errors
/// As [`memories`].
pub async fn value_of(store: &Arc<dyn Store>, scope: &str, key: &str) -> Result<Option<Versioned>, Error> {
    let Some(stands) = store.value(&key_of_value(scope, key)).await? else { return Ok(None) };
    match decode(&stands.value)? {
        Row::Value { value, .. } => {
            Ok(Some(Versioned { version: stands.version, value: Bytes::copy_from_slice(value) }))
        }
        _ => Err(Error::damaged(format!("the value `{key}` of a memory is something else"))),
    }
}

/// Forgets one key of a scope, or all of it; gives how many rows that were. A run that is under way finds
/// them gone from its next step on.
///
/// # Errors
/// As [`memories`], and those of [`Store::put_if`].
pub async fn forget(store: &Arc<dyn Store>, scope: &str, key: Option<&str>) -> Result<u64, Error> {
    let _guard = lock(store).await;
    if let Some(key) = key {
        let name = key_of_value(scope, key);
        let Some(stands) = store.value(&name).await? else { return Ok(0) };
        store.put_if(&name, Some(stands.version), None).await?;
        // A crash in between leaves the tally one too high, which costs one of its many places.
        let write = counted(store, scope, |tally| &mut tally.keys, -1, KEYS_MAX).await?;
        store.put_if(&write.key, write.version, write.value).await?;
        return Ok(1);
    }
    let prefix = key_of_scope(scope);
    let mut forgotten = 0;
    loop {
        let page = store.values(Some(&prefix), PAGE).await?;
        let ours: Vec<_> = page.into_iter().filter(|(name, _)| name.starts_with(&prefix)).collect();
        if ours.is_empty() {
            break;
        }
        for (name, row) in ours {
            store.put_if(&name, Some(row.version), None).await?;
            forgotten += 1;
        }
    }
    // The tally goes last: while it is there, the scope is listed.
    if let Some(tally) = store.value(&prefix).await? {
        store.put_if(&prefix, Some(tally.version), None).await?;
    }
    Ok(forgotten)
}

/// Looks whether every row can be read, and every scope has as many as its tally says at most.
///
/// # Errors
/// [`Error::Damaged`] at the first that isn't so.
pub(super) async fn check(store: &Arc<dyn Store>) -> Result<u64, Error> {
    let mut total = 0;
    for tally in memories(store).await? {
        let (mut keys, mut seen, mut after) = (0, 0, None);
        loop {
            let (rows, next) = recall(store, &tally.scope, after.as_deref(), PAGE).await?;
            for row in rows {
                match row {
                    Remembered::Value { .. } => keys += 1,
                    Remembered::Seen { .. } => seen += 1,
                }
            }
            after = next;
            if after.is_none() {
                break;
            }
        }
        if keys > tally.keys || seen > tally.seen {
            let why = format!("the memory of {} has {keys} keys and {seen} files of {tally:?}", tally.scope);
            return Err(Error::damaged(why));
        }
        total += keys + seen;
    }
    Ok(total)
}

/// The tally of a scope, changed.
async fn counted(
    store: &Arc<dyn Store>,
    scope: &str,
    which: impl FnOnce(&mut Tally) -> &mut u64,
    by: i64,
    max: u64,
) -> Result<ValueWrite, Error> {
    let key = key_of_scope(scope);
    let stands = store.value(&key).await?;
    let mut tally = Tally { scope: scope.to_owned(), ..Tally::default() };
    if let Some(stands) = &stands
        && let Row::Tally { keys, seen, .. } = decode(&stands.value)?
    {
        (tally.keys, tally.seen) = (keys, seen);
    }
    let count = which(&mut tally);
    *count = count.saturating_add_signed(by);
    if by > 0 && *count > max {
        return Err(Error::MemoryFull { scope: scope.to_owned(), max });
    }
    let value = encode(&Row::Tally { scope, keys: tally.keys, seen: tally.seen })?;
    Ok(ValueWrite { key, version: stands.map(|stands| stands.version), value: Some(value) })
}

fn is_file(row: &[u8], identity: &str) -> Result<bool, Error> {
    match decode(row)? {
        Row::Seen { identity: recorded, .. } => Ok(recorded == identity),
        _ => Err(Error::damaged("a file of a memory is something else")),
    }
}

/// Length of a scope's key.
const SCOPE_LENGTH: usize = PREFIX.len() + 24;

fn key_of_scope(scope: &str) -> String {
    format!("{PREFIX}{}", &blake3::hash(scope.as_bytes()).to_hex()[..24])
}

fn key_of_value(scope: &str, key: &str) -> String {
    format!("{}k{}", key_of_scope(scope), &blake3::hash(key.as_bytes()).to_hex()[..32])
}

/// Names of sites have no zero byte, so that site and path can't be mistaken for another pair.
fn key_of_seen(scope: &str, site: &str, path: &str) -> String {
    let hash = blake3::hash(format!("{site}\0{path}").as_bytes());
    format!("{}s{}", key_of_scope(scope), &hash.to_hex()[..32])
}

fn encode(row: &Row<'_>) -> Result<Bytes, Error> {
    postcard::to_extend(row, vec![FORMAT])
        .map(Bytes::from)
        .map_err(|error| Error::bug(format!("a row of a memory can't be encoded: {error}")))
}

fn decode(bytes: &[u8]) -> Result<Row<'_>, Error> {
    match bytes.split_first() {
        Some((&FORMAT, row)) => postcard::from_bytes(row)
            .map_err(|error| Error::damaged(format!("a row of a memory can't be decoded: {error}"))),
        Some((&other, _)) => {
            Err(Error::Version { what: "a memory", found: u32::from(other), supported: u32::from(FORMAT) })
        }
        None => Err(Error::damaged("a row of a memory is empty")),
    }
}
