//! What a transfer keeps in its [`TransferLog`].
//!
//! | key | holds | written |
//! |---|---|---|
//! | `a` | [`Attempts`]: how often it was tried, what went over the wire | at the start and end of an attempt, with every commit |
//! | `h` | [`Header`]: the generation, what the source was, which hashes | when a generation begins |
//! | `c` + eight hexadecimal digits | the hash state at the end of that chunk | with the commit that passes it |
//! | `t` | [`Tail`]: the committed offset and the hash state there | with every commit |
//! | `w` | [`Whereabouts`]: with which of several servers, and what is left on others | with `h`, on sites with several |
//! | `v` | a download's or an upload's `Verified` | before the rename |
//! | `s` | [`Waiting`]: how far a wait for a file has come; alone in its log | when it begins, and when the file changes |
//!
//! Every value is a version byte and postcard. A new generation removes `c`, `t` and `v` in the same
//! write that sets `h`.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::hash::HashState;
use super::local::Identity;
use super::log::TransferLog;
use super::wait::Waiting;
use crate::model::{Direction, Fault, FaultCode, FileInfo, HashAlgorithm, Timestamp};

/// The version of every value. 1: the first.
const VERSION: u8 = 1;

/// The unit of prefix hashes.
pub(super) const CHUNK_BYTES: u64 = 8 << 20;

/// The longest `unique` that is kept: a value of the log has at most 4 KiB.
const UNIQUE_BYTES_MAX: usize = 512;

const ATTEMPTS: &str = "a";
const HEADER: &str = "h";
const CHUNK: &str = "c";
const TAIL: &str = "t";
const VERIFIED: &str = "v";
const WHEREABOUTS: &str = "w";
const WAITING: &str = "s";

/// Most parts on other servers that are kept in the log: more have no room in a value.
const STALE_MAX: usize = 12;

/// How often the transfer was tried, over all processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attempts {
    /// Attempts that were begun.
    pub(super) begun: u32,
    /// Attempts that failed since the last one that got at least one commit further. An attempt that
    /// a crash ended didn't fail.
    pub(super) failed: u32,
    /// When the first one began.
    pub(super) first_at: Timestamp,
    /// The wait after the last failure, in milliseconds.
    pub(super) last_wait_ms: u64,
    /// When the next attempt may begin.
    pub(super) not_before: Timestamp,
    /// Bytes of content that went over the wire; an upper bound after a crash.
    pub(super) wire: u64,
    /// An attempt is under way: whoever reads this after a crash has to count what it may have moved.
    pub(super) open: bool,
}

/// A generation: one try to move the file from byte 0 on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// Which way the file goes.
    pub(super) direction: Direction,
    /// From 1.
    pub(super) generation: u32,
    /// Generations whose parts may still be on the server.
    pub(super) stale: Vec<u32>,
    /// What the source was when the generation began, as people see it.
    pub(super) source: FileInfo,
    /// For an upload of a local file: which one it was, exactly.
    pub(super) identity: Option<Identity>,
    /// The hashes that are computed; fixed, since states are saved.
    pub(super) algorithms: Vec<HashAlgorithm>,
    /// How many generations a digest has refuted.
    pub(super) refuted: u32,
    /// For an upload: bytes past this offset were never sent in this generation.
    pub(super) may_send: u64,
    /// For an upload: the part was written with APPE by a session that never gave its final reply.
    pub(super) appending: bool,
}

/// The committed offset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tail {
    /// All bytes before `state.length` are safe.
    pub(super) state: HashState,
}

/// Where the generation is, of a site with several servers. Sites with one have no such value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Whereabouts {
    /// A download's bytes are from here, and an upload's part is here.
    pub(super) server: Option<String>,
    /// Generations of an upload whose parts are on other servers.
    pub(super) stale: Vec<(u32, String)>,
    /// A copy's bytes are from here.
    pub(super) origin: Option<String>,
}

impl Whereabouts {
    /// Where a generation that was given up has its part. Gives one for which there is no room.
    pub(super) fn gave_up(&mut self, generation: u32) -> Option<(u32, String)> {
        let server = self.server.take()?;
        self.stale.push((generation, server));
        (self.stale.len() > STALE_MAX).then(|| self.stale.remove(0))
    }

    /// Where this stale generation's part is; `None` when that isn't known.
    pub(super) fn of(&self, generation: u32) -> Option<&str> {
        self.stale.iter().find(|(other, _)| *other == generation).map(|(_, server)| server.as_str())
    }
}

/// What a log holds of the transfer that wrote it.
#[derive(Clone, Debug, Default)]
pub(super) struct Saved<V> {
    pub(super) attempts: Attempts,
    pub(super) header: Option<Header>,
    pub(super) tail: Option<Tail>,
    pub(super) whereabouts: Whereabouts,
    pub(super) verified: Option<V>,
}

/// `info` without what a log's small values have no room for: its path, which the job has, and a
/// `unique` that no sane server would send.
pub(super) fn compact(info: &FileInfo) -> FileInfo {
    let unique = info.unique.clone().filter(|unique| unique.len() <= UNIQUE_BYTES_MAX);
    FileInfo { path: String::new(), unique, ..info.clone() }
}

/// Writes of one commit, collected.
#[derive(Clone, Debug, Default)]
pub(super) struct Writes {
    writes: Vec<(String, Option<Vec<u8>>)>,
}

impl<V: DeserializeOwned> Saved<V> {
    /// Reads it all but the chunks.
    pub(super) async fn load(log: &dyn TransferLog) -> Result<Self, Fault> {
        let mut saved = Self {
            attempts: Attempts::default(),
            header: None,
            tail: None,
            whereabouts: Whereabouts::default(),
            verified: None,
        };
        for (key, bytes) in log.scan("").await? {
            match key.as_str() {
                ATTEMPTS => saved.attempts = decode(&key, &bytes)?,
                HEADER => saved.header = Some(decode(&key, &bytes)?),
                TAIL => saved.tail = Some(decode(&key, &bytes)?),
                WHEREABOUTS => saved.whereabouts = decode(&key, &bytes)?,
                VERIFIED => saved.verified = Some(decode(&key, &bytes)?),
                _ => {}
            }
        }
        Ok(saved)
    }
}

impl Waiting {
    /// How far the wait has come; `None` before it has begun.
    pub(super) async fn load(log: &dyn TransferLog) -> Result<Option<Self>, Fault> {
        log.get(WAITING).await?.map(|bytes| decode(WAITING, &bytes)).transpose()
    }
}

/// The hash states at the ends of all committed chunks, in order.
pub(super) async fn chunks(log: &dyn TransferLog) -> Result<Vec<HashState>, Fault> {
    let entries = log.scan(CHUNK).await?;
    entries.iter().map(|(key, bytes)| decode(key, bytes)).collect()
}

impl Writes {
    pub(super) fn attempts(mut self, attempts: &Attempts) -> Result<Self, Fault> {
        self.set(ATTEMPTS.to_owned(), attempts)?;
        Ok(self)
    }

    pub(super) fn header(mut self, header: &Header) -> Result<Self, Fault> {
        self.set(HEADER.to_owned(), header)?;
        Ok(self)
    }

    /// Nothing is written for a site with one server.
    pub(super) fn whereabouts(mut self, whereabouts: &Whereabouts) -> Result<Self, Fault> {
        if *whereabouts != Whereabouts::default() {
            self.set(WHEREABOUTS.to_owned(), whereabouts)?;
        }
        Ok(self)
    }

    /// The state at the end of a chunk: its length is a multiple of [`CHUNK_BYTES`].
    pub(super) fn chunk(mut self, state: &HashState) -> Result<Self, Fault> {
        self.set(chunk_key(state.length), state)?;
        Ok(self)
    }

    pub(super) fn tail(mut self, state: HashState) -> Result<Self, Fault> {
        self.set(TAIL.to_owned(), &Tail { state })?;
        Ok(self)
    }

    pub(super) fn verified<V: Serialize>(mut self, verified: &V) -> Result<Self, Fault> {
        self.set(VERIFIED.to_owned(), verified)?;
        Ok(self)
    }

    pub(super) fn waiting(mut self, waiting: &Waiting) -> Result<Self, Fault> {
        self.set(WAITING.to_owned(), waiting)?;
        Ok(self)
    }

    /// Forgets everything that belongs to the generation so far.
    pub(super) async fn forget_generation(mut self, log: &dyn TransferLog) -> Result<Self, Fault> {
        for (key, _) in log.scan("").await? {
            if key.starts_with(CHUNK) || key == TAIL || key == VERIFIED {
                self.writes.push((key, None));
            }
        }
        Ok(self)
    }

    fn set<V: Serialize>(&mut self, key: String, value: &V) -> Result<(), Fault> {
        let bytes = postcard::to_extend(value, vec![VERSION]).map_err(|e| {
            Fault::new(FaultCode::HostBug, format!("cannot encode a transfer's `{key}`: {e}"))
        })?;
        self.writes.push((key, Some(bytes)));
        Ok(())
    }

    /// Writes it all, durably.
    pub(super) async fn commit(self, log: &dyn TransferLog) -> Result<(), Fault> {
        log.put(self.writes).await
    }
}

/// Chunks are numbered by their end, in hexadecimal digits so that they sort.
fn chunk_key(end: u64) -> String {
    format!("{CHUNK}{:08x}", end / CHUNK_BYTES)
}

fn decode<V: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<V, Fault> {
    let damaged = |why: &dyn std::fmt::Display| {
        Fault::new(FaultCode::StateDamaged, format!("a transfer's `{key}` can't be read: {why}"))
    };
    match bytes.split_first() {
        Some((&VERSION, body)) => postcard::from_bytes(body).map_err(|e| damaged(&e)),
        Some((other, _)) => {
            Err(damaged(&format_args!("it has version {other}, this program knows {VERSION}")))
        }
        None => Err(damaged(&"it is empty")),
    }
}
