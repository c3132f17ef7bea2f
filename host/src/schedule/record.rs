//! A schedule as it is stored: its definition, and how it stands.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::definition::Definition;
use super::{Error, FORMAT};
use crate::journal::{self, BlobId, FiringKey, StoredSchedule};
use crate::model::{RunId, Timestamp};

/// Who put a schedule there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// `schedule add`.
    #[default]
    Added,
    /// `schedule apply`, from the configuration: only those are removed when they are no longer there.
    Applied,
}

/// That a schedule is paused, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Who did it: a user's name, or what of the program.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// A schedule with how it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// What somebody wants.
    pub definition: Definition,
    /// The component that its runs are pinned to.
    pub component: BlobId,
    /// When it was added.
    pub created_at: Timestamp,
    /// Tells it from an earlier schedule of the same name: part of its runs' ids.
    pub(super) nonce: u64,
    /// Nominal times up to then aren't its business: it was added, given another timing, or paused.
    pub since: Timestamp,
    /// Rows of its history up to then are removed: what has none there may have fired.
    pub(super) forgotten_until: Option<Timestamp>,
    /// Why it is paused, while it is.
    pub paused: Option<Pause>,
    /// Who put it there.
    pub origin: Origin,
    /// The version in the store; 0 for one that isn't there yet.
    pub(super) version: u64,
}

#[derive(Serialize, Deserialize)]
struct Shape {
    format: u32,
    definition: Definition,
    created_at: Timestamp,
    nonce: u64,
    since: Timestamp,
    forgotten_until: Option<Timestamp>,
    paused: Option<Pause>,
    origin: Origin,
}

impl Record {
    /// The id of the run of one of its firings: always the same, so that a firing whose run was begun is
    /// known by its id too.
    #[must_use]
    pub(super) fn run_id(&self, key: &FiringKey) -> RunId {
        let mut hash = blake3::Hasher::new();
        hash.update(b"firing\0").update(key.schedule.as_bytes()).update(&[0]);
        hash.update(&self.nonce.to_le_bytes()).update(&key.nominal.0.to_le_bytes());
        hash.update(&key.round.to_le_bytes());
        let mut bytes = [0; 10];
        hash.finalize_xof().fill(&mut bytes);
        RunId::new(key.nominal, bytes)
    }

    /// Encodes all but the component, which the store keeps beside it.
    pub(super) fn encode(&self) -> Result<Bytes, Error> {
        let shape = Shape {
            format: FORMAT,
            definition: self.definition.clone(),
            created_at: self.created_at,
            nonce: self.nonce,
            since: self.since,
            forgotten_until: self.forgotten_until,
            paused: self.paused.clone(),
            origin: self.origin,
        };
        let bytes = serde_json::to_vec(&shape);
        Ok(bytes.map_err(|error| Error::invalid(format!("it can't be stored: {error}"), None))?.into())
    }

    /// Decodes what the store has. A schedule from before a restore is paused: it may have fired since.
    pub(super) fn decode(
        name: &str,
        stored: &StoredSchedule,
        restored_at: Option<Timestamp>,
    ) -> Result<Self, journal::Error> {
        let damaged = |error: serde_json::Error| journal::Error::Damaged {
            what: format!("schedule {name} can't be decoded: {error}"),
        };
        let found = format_of(&stored.value).map_err(damaged)?;
        if found != FORMAT {
            return Err(journal::Error::Version { what: "a schedule", found, supported: FORMAT });
        }
        let shape: Shape = serde_json::from_slice(&stored.value).map_err(damaged)?;
        let mut record = Self {
            definition: shape.definition,
            component: stored.component,
            created_at: shape.created_at,
            nonce: shape.nonce,
            since: shape.since,
            forgotten_until: shape.forgotten_until,
            paused: shape.paused,
            origin: shape.origin,
            version: stored.version,
        };
        if let Some(at) = restored_at.filter(|at| record.paused.is_none() && record.since < *at) {
            let reason = "it comes from a backup, and may have fired since".to_owned();
            record.paused = Some(Pause { by: "state restore".to_owned(), reason, at });
        }
        Ok(record)
    }
}

/// The format alone, so that a later one is told from damage.
pub(super) fn format_of(value: &[u8]) -> Result<u32, serde_json::Error> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    serde_json::from_slice::<Format>(value).map(|found| found.format)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Timing, When};

    fn record() -> Record {
        let timing = Timing::new(When::Cron("0 2 * * *".to_owned()), "UTC");
        Record {
            definition: Definition::new("nightly", "pull", timing),
            component: BlobId::of(b"component"),
            created_at: Timestamp(5),
            nonce: 7,
            since: Timestamp(6),
            forgotten_until: None,
            paused: None,
            origin: Origin::Applied,
            version: 3,
        }
    }

    fn decode(value: Bytes, restored_at: Option<Timestamp>) -> Result<Record, journal::Error> {
        let stored = StoredSchedule { version: 3, component: BlobId::of(b"component"), value };
        Record::decode("nightly", &stored, restored_at)
    }

    #[test]
    fn a_record_comes_back() {
        let value = record().encode().unwrap();
        assert_eq!(decode(value, None).unwrap(), record());
    }

    #[test]
    fn a_restored_one_is_paused_until_somebody_resumed_it() {
        let value = record().encode().unwrap();
        assert!(decode(value.clone(), Some(Timestamp(7))).unwrap().paused.is_some());
        assert!(decode(value, Some(Timestamp(6))).unwrap().paused.is_none());
    }

    #[test]
    fn each_firing_has_a_run_of_its_own() {
        let key =
            |nominal, round| FiringKey { schedule: "nightly".to_owned(), nominal: Timestamp(nominal), round };
        let id = record().run_id(&key(1_000, 0));
        assert_eq!(record().run_id(&key(1_000, 0)), id);
        assert_ne!(record().run_id(&key(1_001, 0)), id);
        assert_ne!(record().run_id(&key(1_000, 1)), id);
        assert_ne!(Record { nonce: 8, ..record() }.run_id(&key(1_000, 0)), id, "another of the same name");
        assert!(id < record().run_id(&key(60_000, 0)), "they sort by their times");
    }

    #[test]
    fn a_later_format_is_no_damage() {
        let later = Bytes::from_static(br#"{"format": 99, "definition": []}"#);
        assert!(matches!(decode(later, None), Err(journal::Error::Version { found: 99, .. })));
        let junk = Bytes::from_static(b"junk");
        assert!(matches!(decode(junk, None), Err(journal::Error::Damaged { .. })));
    }
}
