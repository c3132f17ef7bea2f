//! Signals that others send to a run. They wait in the run's own table, whether it is live or not, until it
//! receives them: those of one name in the order in which they came.
//!
//! | key | holds |
//! |---|---|
//! | `q` name number | a signal that wasn't received yet |
//! | `i` id | nothing: a signal of this id has come, received or not |
//!
//! Names and ids are hashes, since a key is short. Both kinds stay when a journal begins anew, and go when
//! the run ends. Whoever sends holds the run's claim and its writer, so numbers are given once.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::effect::Effect;
use super::error::Error;
use super::store::{Append, Claim, Store, Write};
use super::summary::Summary;
use crate::crash;
use crate::model::{RunId, Timestamp};

/// The most bytes of a signal's payload.
const SIGNAL_BYTES_MAX: usize = 32_768;

/// The most bytes of a signal's name, and of its id.
pub const SIGNAL_NAME_BYTES_MAX: usize = 64;

/// The most signals that wait for one run: more is a sender that nobody listens to.
const WAITING_MAX: usize = 256;

/// The most ids that are remembered for one run.
const IDS_MAX: usize = 10_000;

/// The first byte of a signal's row.
///
/// Changelog
/// - 1: the first.
const FORMAT: u8 = 1;

/// Keys of signals begin so.
pub(super) const WAITING: &[u8] = b"q";
/// Keys of ids begin so.
pub(super) const IDS: &[u8] = b"i";

/// A signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Its name.
    pub name: String,
    /// JSON text.
    pub payload: String,
    /// What its sender calls it, so that it isn't taken twice when the sender tries again.
    pub id: Option<String>,
}

/// What became of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It waits for the run.
    New,
    /// One of its id had come already, and nothing was done.
    Again,
}

#[derive(Serialize, Deserialize)]
struct Row<'a> {
    name: &'a str,
    at: u64,
    payload: &'a [u8],
}

impl Signal {
    /// Looks at its bounds.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), String> {
        let is_name = |text: &str| {
            !text.is_empty() && text.len() <= SIGNAL_NAME_BYTES_MAX && !text.chars().any(char::is_control)
        };
        if !is_name(&self.name) || !self.id.as_deref().is_none_or(is_name) {
            return Err(format!(
                "a signal's name and id have 1 to {SIGNAL_NAME_BYTES_MAX} bytes and no control characters"
            ));
        }
        if self.payload.len() > SIGNAL_BYTES_MAX {
            return Err(format!("{} bytes of JSON; {SIGNAL_BYTES_MAX} are allowed", self.payload.len()));
        }
        serde_json::from_str::<serde::de::IgnoredAny>(&self.payload)
            .map(drop)
            .map_err(|error| format!("`{}` is no JSON: {error}", self.payload.escape_debug()))
    }
}

/// Sends a signal to a run that no process drives; durable when it returns.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Closed`], [`Error::InboxFull`], and those of [`Store::append`].
pub async fn signal_resting(
    store: &Arc<dyn Store>,
    run: &RunId,
    signal: &Signal,
    at: Timestamp,
) -> Result<Sent, Error> {
    let (claim, head) = store.claim(run).await?;
    let sent = async {
        if Summary::decode(&head.summary)?.status.is_closed() {
            return Err(Error::Closed { run: run.clone() });
        }
        send(store, &claim, head.last_seq, signal, at).await
    }
    .await;
    store.release(&claim).await?;
    sent
}

/// Sends a signal under a claim, and beside its writer.
pub(super) async fn send(
    store: &Arc<dyn Store>,
    claim: &Claim,
    last_seq: u64,
    signal: &Signal,
    at: Timestamp,
) -> Result<Sent, Error> {
    let mut append = Append::new(claim.clone(), last_seq);
    append.writes = match writes(store, &claim.run, signal, at).await? {
        Some(writes) => writes,
        None => return Ok(Sent::Again),
    };
    crash::point("journal.signal.before");
    store.append(append).await?;
    crash::point("journal.signal.after");
    Ok(Sent::New)
}

/// What makes a signal wait; `None` where it has come already.
async fn writes(
    store: &Arc<dyn Store>,
    run: &RunId,
    signal: &Signal,
    at: Timestamp,
) -> Result<Option<Vec<Write>>, Error> {
    let mut writes = Vec::new();
    if let Some(id) = &signal.id {
        let key = [IDS, &hash(id)].concat();
        if store.get(run, &key).await?.is_some() {
            return Ok(None);
        }
        if store.scan(run, IDS, None, IDS_MAX).await?.len() >= IDS_MAX {
            return Err(Error::InboxFull { run: run.clone(), what: "ids", max: IDS_MAX });
        }
        writes.push(Write::Put(key, Bytes::new()));
    }
    let waiting = store.scan(run, WAITING, None, WAITING_MAX).await?;
    if waiting.len() >= WAITING_MAX {
        return Err(Error::InboxFull { run: run.clone(), what: "signals", max: WAITING_MAX });
    }
    let prefix = of_name(&signal.name);
    let last = waiting.iter().rev().find_map(|(key, _)| key.strip_prefix(prefix.as_slice()));
    let last = last.and_then(|number| number.try_into().ok()).map_or(0, u64::from_be_bytes);
    let row = Row { name: &signal.name, at: at.0, payload: signal.payload.as_bytes() };
    let row = postcard::to_extend(&row, vec![FORMAT])
        .map_err(|error| Error::bug(format!("a signal can't be encoded: {error}")))?;
    writes.push(Write::Put([prefix, (last + 1).to_be_bytes().to_vec()].concat(), row.into()));
    Ok(Some(writes))
}

impl Effect {
    /// The payload of the oldest signal of this name, if one waits. It is gone with this step's end.
    ///
    /// # Errors
    /// Those of [`Store::scan`]; [`Error::Damaged`].
    pub async fn take_signal(&mut self, name: &str) -> Result<Option<String>, Error> {
        let (store, run) = {
            let writer = self.writer.lock().await;
            (Arc::clone(writer.store()), writer.claim().run.clone())
        };
        let Some((key, row)) = store.scan(&run, &of_name(name), None, 1).await?.pop() else {
            return Ok(None);
        };
        let damaged = |why: &dyn std::fmt::Display| Error::damaged(format!("a signal of run {run}: {why}"));
        let (&format, row) = row.split_first().ok_or_else(|| damaged(&"it is empty"))?;
        if format != FORMAT {
            return Err(Error::Version {
                what: "a signal",
                found: u32::from(format),
                supported: u32::from(FORMAT),
            });
        }
        let row: Row<'_> = postcard::from_bytes(row).map_err(|error| damaged(&error))?;
        let payload = std::str::from_utf8(row.payload).map_err(|error| damaged(&error))?.to_owned();
        self.forget.push(Write::Remove(key));
        Ok(Some(payload))
    }
}

fn of_name(name: &str) -> Vec<u8> {
    [WAITING, &hash(name)].concat()
}

fn hash(text: &str) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..16]);
    short
}
