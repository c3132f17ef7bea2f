//! What the journal asks of a store, and what a store promises. Plain types only: the entries are
//! bytes here, and what they mean is [`super::entry`]'s business.
//!
//! # Promises
//! Every store passes the same suite (`conformance.rs`).
//! 1. The entries of a run are numbered densely from 1.
//! 2. An append commits only if the claim's epoch and the expected last number both match.
//! 3. The epoch of a run grows, and only by a claim.
//! 4. What was acknowledged is durable: it is there after SIGKILL and after loss of power.
//! 5. An append commits whole: entries, table rows, values outside of runs, summary and references to blobs,
//!    or none of it.
//! 6. Nothing that came of an older claim commits after a newer claim was given.
//! 7. A removed front of a journal never shows as a gap: reading begins at the first entry kept.
//! 8. Reading gives what was appended, or an error that says what is damaged; never something else.
//! 9. A firing of a schedule gets a run at most once, in the commit in which that run begins: there is no
//!    run without its firing, and no firing that names a run that never was.
//! 10. The component of a schedule stays in the store as long as the schedule does.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::error::Error;
use super::limits::Limits;
use crate::model::{RunId, Timestamp, WorkflowDigest};

/// The right to write to a run's journal, until somebody claims it anew.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// Which run.
    pub run: RunId,
    /// How often the run had been claimed, with this claim.
    pub epoch: u64,
}

/// SHA-256 of a blob: its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(pub [u8; 32]);

impl BlobId {
    /// The name of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        use fmt::Write;
        self.0.iter().fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_hex())
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl FromStr for BlobId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{}` is not 64 hexadecimal digits", text.escape_default());
        if text.len() != 64 || !text.is_ascii() {
            return Err(wrong());
        }
        let mut id = [0; 32];
        for (i, byte) in id.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(id))
    }
}

impl From<BlobId> for WorkflowDigest {
    fn from(id: BlobId) -> Self {
        Self(id.to_hex())
    }
}

/// A change to a run's table: small keys beside the journal, for what is written often and needed
/// only until its step ends. Keys are at most [`KEY_BYTES_MAX`] long, values at most 64 KiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Sets a key.
    Put(Vec<u8>, Bytes),
    /// Removes a key; it need not be there.
    Remove(Vec<u8>),
    /// Removes every key that begins so.
    RemoveAll(Vec<u8>),
}

/// The longest key of a run's table, in bytes. With the run's id in front and a part number behind,
/// a key of the store stays under the 128 bytes that sled bears well.
pub const KEY_BYTES_MAX: usize = 64;

/// A run to be.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// Its id, which no other run has.
    pub run: RunId,
    /// The first entries of its journal.
    pub entries: Vec<Bytes>,
    /// What listings show of it.
    pub summary: Bytes,
    /// Blobs that its entries name.
    pub blobs: Vec<BlobId>,
    /// The firing that it is the run of, where a schedule began it.
    pub firing: Option<NewFiring>,
}

/// Entries to be appended, with all that must become durable in the same instant.
#[derive(Clone, Debug)]
pub struct Append {
    /// The right to do so.
    pub claim: Claim,
    /// The number of the last entry that the caller knows of.
    pub expected_seq: u64,
    /// The entries, encoded, at most 64 KiB each by default ([`Limits`]).
    pub entries: Vec<Bytes>,
    /// Changes to the run's table.
    pub writes: Vec<Write>,
    /// What listings show of the run from now on, where that changes.
    pub summary: Option<Bytes>,
    /// Changes to values outside of runs, each of another key.
    pub values: Vec<ValueWrite>,
    /// Blobs that these entries name; they were put before.
    pub blobs: Vec<BlobId>,
    /// The run came further: what follows isn't the same crash again.
    pub progress: bool,
    /// Taken although the journal is over its limits: entries that end or pause a run.
    pub beyond_limits: bool,
    /// The first of these entries begins the journal anew: those before it are removed.
    pub restart: bool,
}

impl Append {
    /// An append of nothing yet.
    #[must_use]
    pub fn new(claim: Claim, expected_seq: u64) -> Self {
        Self {
            claim,
            expected_seq,
            entries: Vec::new(),
            writes: Vec::new(),
            values: Vec::new(),
            summary: None,
            blobs: Vec::new(),
            progress: false,
            beyond_limits: false,
            restart: false,
        }
    }
}

/// What a store knows of a run without reading its journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunHead {
    /// Which run.
    pub run: RunId,
    /// How often it was claimed.
    pub epoch: u64,
    /// Whether it is claimed and not released: live in some process, or that process died.
    pub claimed: bool,
    /// How often in a row a process died while it held the run and before the run came further.
    pub unclean_ends: u32,
    /// The number of the first entry that is kept.
    pub first_seq: u64,
    /// The number of the last entry.
    pub last_seq: u64,
    /// Length of the entries that are kept, in bytes.
    pub bytes: u64,
    /// What the last append or submit said; see [`super::summary`].
    pub summary: Bytes,
}

impl RunHead {
    /// How many entries are kept.
    #[must_use]
    pub fn entries(&self) -> u64 {
        (self.last_seq + 1).saturating_sub(self.first_seq)
    }
}

/// A value outside of runs, and how often it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// Counts the writes of this key, from 1.
    pub version: u64,
    /// The value, at most 64 KiB.
    pub value: Bytes,
}

/// A change to a value outside of runs that goes with an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueWrite {
    /// Its key, at most [`KEY_BYTES_MAX`] bytes.
    pub key: String,
    /// The version that its writer knows; `None` where it isn't there.
    pub version: Option<u64>,
    /// The value, at most 64 KiB; `None` removes it.
    pub value: Option<Bytes>,
}

/// A schedule as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSchedule {
    /// Counts the writes of this schedule, from 1.
    pub version: u64,
    /// The component that its runs are pinned to.
    pub component: BlobId,
    /// All else, at most 64 KiB; what it means is the schedules' business.
    pub value: Bytes,
}

/// One nominal time of a schedule. Keys sort by schedule, then time, then round.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FiringKey {
    /// The schedule's name, at most [`KEY_BYTES_MAX`] bytes without a zero byte.
    pub schedule: String,
    /// When it is to fire by its expression, whenever that really happens.
    pub nominal: Timestamp,
    /// 0 for the schedule's own firing; more for those that somebody asked for at the same time.
    pub round: u16,
}

/// What became of a nominal time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firing {
    /// Which one.
    pub key: FiringKey,
    /// Counts the writes of this firing, from 1.
    pub version: u64,
    /// The run that it began, if it began one; it may have been removed since.
    pub run: Option<RunId>,
    /// All else, at most 64 KiB.
    pub detail: Bytes,
}

/// A firing to be written, if it still stands as its writer knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFiring {
    /// Which one.
    pub key: FiringKey,
    /// The version that its writer knows; `None` where it knows of none.
    pub version: Option<u64>,
    /// The run that it began elsewhere, for a restored one; else the run comes with [`NewRun`].
    pub run: Option<RunId>,
    /// All else.
    pub detail: Bytes,
}

impl NewFiring {
    /// The firing as it will stand over what `stands` there; `None` where that isn't what its writer
    /// thought, or where it would get a second run. Every store judges by this.
    pub(super) fn over(&self, stands: Option<&Firing>, run: Option<&RunId>) -> Option<Firing> {
        if stands.map(|firing| firing.version) != self.version {
            return None;
        }
        let old = stands.and_then(|firing| firing.run.as_ref());
        if old.is_some_and(|old| run.is_some_and(|run| run != old)) {
            return None;
        }
        Some(Firing {
            key: self.key.clone(),
            version: self.version.unwrap_or(0) + 1,
            run: run.or(old).cloned(),
            detail: self.detail.clone(),
        })
    }

    /// Why a run wasn't begun.
    pub(super) fn refused(&self) -> Error {
        Error::Fired { schedule: self.key.schedule.clone(), nominal: self.key.nominal }
    }
}

/// All that a store holds of one run, as of one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunExport {
    /// The head; `claimed` is of no meaning elsewhere.
    pub head: RunHead,
    /// The entries from `head.first_seq` on.
    pub entries: Vec<Bytes>,
    /// The table, in order of keys.
    pub table: Vec<(Vec<u8>, Bytes)>,
    /// Blobs that the run refers to.
    pub blobs: Vec<BlobId>,
}

/// Where journals are kept.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// The bounds that appends are held to.
    fn limits(&self) -> &Limits;

    /// Begins a run, claimed by the caller with epoch 1; and writes its firing, if it is one's run.
    ///
    /// # Errors
    /// [`Error::Exists`] where there is a run of this id; [`Error::Fired`] where the firing has a run, has
    /// changed, or its schedule is gone; limits as for [`Store::append`].
    async fn submit(&self, new: NewRun) -> Result<Claim, Error>;

    /// Takes a run over: earlier claims can write no more. Counts an unclean end where the earlier
    /// claim was never released.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    async fn claim(&self, run: &RunId) -> Result<(Claim, RunHead), Error>;

    /// Gives a claim back: the process let go of the run in good order.
    ///
    /// # Errors
    /// [`Error::Fenced`] where somebody has claimed it meanwhile.
    async fn release(&self, claim: &Claim) -> Result<(), Error>;

    /// What is known of a run without its journal.
    async fn head(&self, run: &RunId) -> Result<Option<RunHead>, Error>;

    /// At most `max` runs older than `before` (all, if `None`), newest first. Reads no journal.
    async fn heads(&self, before: Option<&RunId>, max: usize) -> Result<Vec<RunHead>, Error>;

    /// Appends to a journal; durable when it returns. Gives the number of the last entry. Appends of
    /// one run take effect in the order in which they were first polled, also if their caller is
    /// dropped while it waits.
    ///
    /// # Errors
    /// [`Error::Fenced`] and [`Error::SeqConflict`] refuse a stale owner, [`Error::ValueConflict`] a value that
    /// isn't as its writer knows it, [`Error::TooLarge`] and
    /// [`Error::HistoryLimit`] what is over [`Limits`]. After [`Error::Ambiguous`] it isn't known
    /// whether it was appended: claim the run anew and look.
    async fn append(&self, append: Append) -> Result<u64, Error>;

    /// Changes a run's table without an entry; durable when it returns, and counts as progress.
    ///
    /// # Errors
    /// As [`Store::append`] has them, but for the expected number, which isn't asked for.
    async fn write(&self, claim: &Claim, writes: Vec<Write>) -> Result<(), Error>;

    /// Consecutive entries from number `from` on, at least one if there is one, until they are
    /// longer than `bytes_max` together. Begins later where the front was removed: the first
    /// number is given with them.
    async fn read(&self, run: &RunId, from: u64, bytes_max: usize) -> Result<(u64, Vec<Bytes>), Error>;

    /// A value of a run's table.
    async fn get(&self, run: &RunId, key: &[u8]) -> Result<Option<Bytes>, Error>;

    /// At most `max` rows of a run's table whose keys begin with `prefix` and come after `after`,
    /// in order of keys.
    async fn scan(
        &self,
        run: &RunId,
        prefix: &[u8],
        after: Option<&[u8]>,
        max: usize,
    ) -> Result<Vec<(Vec<u8>, Bytes)>, Error>;

    /// A value outside of runs.
    async fn value(&self, key: &str) -> Result<Option<Versioned>, Error>;

    /// Sets or removes a value outside of runs if it still has this version (`None`: isn't there);
    /// false if it hasn't. Durable when it returns.
    async fn put_if(&self, key: &str, version: Option<u64>, value: Option<Bytes>) -> Result<bool, Error>;

    /// Held by whoever reads a value outside of runs and then writes it with an append, from the read on
    /// until the append is durable.
    fn values_lock(&self) -> &Arc<tokio::sync::Mutex<()>>;

    /// At most `max` values outside of runs whose keys come after `after`, in order of keys.
    async fn values(&self, after: Option<&str>, max: usize) -> Result<Vec<(String, Versioned)>, Error>;

    /// A schedule.
    async fn schedule(&self, name: &str) -> Result<Option<StoredSchedule>, Error>;

    /// At most `max` schedules whose names come after `after`, in order of names.
    async fn schedules(
        &self,
        after: Option<&str>,
        max: usize,
    ) -> Result<Vec<(String, StoredSchedule)>, Error>;

    /// Sets a schedule if it still has this version (`None`: isn't there); false if it hasn't. Its
    /// component was put before. Durable when it returns.
    async fn put_schedule(
        &self,
        name: &str,
        version: Option<u64>,
        component: BlobId,
        value: Bytes,
    ) -> Result<bool, Error>;

    /// Removes a schedule with all its firings if it still has this version; false if it hasn't. Its
    /// runs stay.
    async fn remove_schedule(&self, name: &str, version: u64) -> Result<bool, Error>;

    /// A firing.
    async fn firing(&self, key: &FiringKey) -> Result<Option<Firing>, Error>;

    /// At most `max` firings of a schedule that come before `before` (all, if `None`), the latest first.
    async fn firings(
        &self,
        schedule: &str,
        before: Option<&FiringKey>,
        max: usize,
    ) -> Result<Vec<Firing>, Error>;

    /// Writes a firing without beginning a run; durable when it returns. False where it no longer has
    /// this version, already names another run, or the schedule is gone.
    async fn note_firing(&self, firing: NewFiring) -> Result<bool, Error>;

    /// Removes the firings of a schedule whose nominal time lies before `before`; gives how many.
    async fn forget_firings(&self, schedule: &str, before: Timestamp) -> Result<u64, Error>;

    /// Stores bytes of any length under their SHA-256; durable when it returns. Storing them again
    /// is nothing.
    async fn put_blob(&self, bytes: Bytes) -> Result<BlobId, Error>;

    /// The bytes of a blob, compared with their name.
    async fn blob(&self, id: BlobId) -> Result<Option<Bytes>, Error>;

    /// Removes a run, its table, and the blobs that no other run and no schedule refers to.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Claimed`] where a process may be driving it.
    async fn remove(&self, run: &RunId) -> Result<(), Error>;

    /// All of a run as of one instant, while it may be going on.
    async fn export(&self, run: &RunId) -> Result<Option<RunExport>, Error>;

    /// Takes in a run that another store exported; it is claimed by nobody. Its blobs were put before.
    ///
    /// # Errors
    /// [`Error::Exists`] where there is a run of this id.
    async fn import(&self, run: RunExport) -> Result<(), Error>;
}
