//! What a request does to the store: judged by what stands there and what is staged already, then
//! staged. Each request is judged before it stages anything, so one that is refused leaves no trace
//! among the others of its group.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::keys;
use super::medium::Medium;
use super::objects::Objects;
use super::records::{self, ClaimRecord, Entries};
use super::staging::Staging;
use crate::journal::commit::Ledger;
use crate::journal::error::Error;
use crate::journal::limits::{Limits, VALUE_BYTES_MAX};
use crate::journal::store::{Append, BlobId, Claim, NewRun, RunExport, RunHead, Write};
use crate::model::RunId;

/// The store as its commit thread has it.
#[derive(Debug)]
pub(super) struct SledLedger {
    tree: ::sled::Tree,
    pub(super) staging: Staging,
    medium: Medium,
    pub(super) objects: Arc<Objects>,
    limits: Limits,
    /// Heads of runs that are claimed, so that an append reads nothing.
    heads: HashMap<RunId, RunHead>,
    /// Heads that go once what is staged is committed.
    released: Vec<RunId>,
}

impl Ledger for SledLedger {
    fn commit(&mut self) -> Result<(), Error> {
        if !self.staging.is_empty() {
            self.medium.commit(self.staging.take())?;
        }
        for run in self.released.drain(..) {
            self.heads.remove(&run);
        }
        Ok(())
    }
}

impl SledLedger {
    pub(super) fn new(tree: ::sled::Tree, medium: Medium, objects: Arc<Objects>, limits: Limits) -> Self {
        Self {
            staging: Staging::new(tree.clone()),
            tree,
            medium,
            objects,
            limits,
            heads: HashMap::new(),
            released: Vec::new(),
        }
    }

    pub(super) fn submit(&mut self, new: NewRun) -> Result<Claim, Error> {
        self.check_new(&new.run)?;
        let mut head = RunHead {
            run: new.run.clone(),
            epoch: 1,
            claimed: true,
            unclean_ends: 0,
            first_seq: 1,
            last_seq: 0,
            bytes: 0,
            summary: new.summary,
        };
        self.limits.check_entries(&head, &new.entries, false)?;
        check_summary(Some(&head.summary))?;
        if let Some(firing) = &new.firing {
            let fired = self.judge_firing(firing, Some(&new.run))?.ok_or_else(|| firing.refused())?;
            self.stage_firing(&fired)?;
        }
        self.stage_summary(&head)?;
        self.stage_entries(&mut head, &new.entries)?;
        self.stage_claim(&head)?;
        self.refer(&new.run, &new.blobs);
        self.heads.insert(new.run.clone(), head);
        Ok(Claim { run: new.run, epoch: 1 })
    }

    pub(super) fn claim(&mut self, run: &RunId) -> Result<(Claim, RunHead), Error> {
        let mut head = self.head(run)?;
        head.epoch += 1;
        head.unclean_ends += u32::from(head.claimed);
        head.claimed = true;
        self.stage_claim(&head)?;
        self.heads.insert(run.clone(), head.clone());
        self.released.retain(|released| released != run);
        Ok((Claim { run: run.clone(), epoch: head.epoch }, head))
    }

    pub(super) fn release(&mut self, claim: &Claim) -> Result<(), Error> {
        let mut head = self.owned(claim)?;
        head.claimed = false;
        head.unclean_ends = 0;
        self.stage_claim(&head)?;
        self.released.push(claim.run.clone());
        self.heads.insert(claim.run.clone(), head);
        Ok(())
    }

    pub(super) fn append(&mut self, append: Append) -> Result<u64, Error> {
        let mut head = self.owned(&append.claim)?;
        if head.last_seq != append.expected_seq {
            return Err(Error::SeqConflict { run: append.claim.run, last: head.last_seq });
        }
        Limits::check_writes(&append.writes)?;
        check_summary(append.summary.as_ref())?;
        if !append.beyond_limits {
            self.limits.check_entries(&head, &append.entries, append.restart)?;
        }
        for write in &append.values {
            Limits::check_value(&write.key, write.value.as_ref())?;
            if self.version(&write.key)? != write.version {
                return Err(Error::ValueConflict { key: write.key.clone() });
            }
        }

        let mut claim_changed = false;
        if append.restart {
            self.staging.remove_all(&keys::of_run(keys::JOURNAL, &head.run))?;
            head.first_seq = head.last_seq + 1;
            head.bytes = 0;
            claim_changed = true;
        }
        if append.progress && head.unclean_ends > 0 {
            head.unclean_ends = 0;
            claim_changed = true;
        }
        if claim_changed {
            self.stage_claim(&head)?;
        }
        if let Some(summary) = append.summary {
            head.summary = summary;
            self.stage_summary(&head)?;
        }
        self.stage_entries(&mut head, &append.entries)?;
        self.stage_writes(&head.run, append.writes)?;
        for write in append.values {
            self.stage_value(&write.key, write.version, write.value.as_ref())?;
        }
        self.refer(&head.run, &append.blobs);
        let seq = head.last_seq;
        self.heads.insert(append.claim.run, head);
        Ok(seq)
    }

    pub(super) fn write(&mut self, claim: &Claim, writes: Vec<Write>) -> Result<(), Error> {
        let mut head = self.owned(claim)?;
        Limits::check_writes(&writes)?;
        if head.unclean_ends > 0 {
            head.unclean_ends = 0;
            self.stage_claim(&head)?;
            self.heads.insert(claim.run.clone(), head);
        }
        self.stage_writes(&claim.run, writes)
    }

    pub(super) fn put_if(
        &mut self,
        name: &str,
        version: Option<u64>,
        value: Option<&Bytes>,
    ) -> Result<bool, Error> {
        Limits::check_value(name, value)?;
        if self.version(name)? != version {
            return Ok(false);
        }
        self.stage_value(name, version, value)?;
        Ok(true)
    }

    /// Removes a run; gives the blobs that nothing refers to any more.
    pub(super) fn remove(&mut self, run: &RunId) -> Result<Vec<BlobId>, Error> {
        if self.head(run)?.claimed {
            return Err(Error::Claimed { run: run.clone() });
        }
        let mut unused = Vec::new();
        for key in self.staging.keys(&keys::of_run(keys::REFERENCES, run))? {
            let Some(blob) = keys::referred(&key) else {
                return Err(Error::damaged("a reference to a blob has no digest"));
            };
            for key in keys::reference(run, blob) {
                self.staging.remove(key);
            }
            if self.staging.keys(&keys::referrers(blob))?.is_empty() {
                unused.push(blob);
            }
        }
        self.staging.remove(keys::of_run(keys::CLAIMS, run));
        for kind in [keys::SUMMARIES, keys::JOURNAL, keys::TABLE] {
            self.staging.remove_all(&keys::of_run(kind, run))?;
        }
        self.heads.remove(run);
        Ok(unused)
    }

    pub(super) fn export(&mut self, run: &RunId) -> Result<Option<RunExport>, Error> {
        // What is staged has to be in the tree, since that is what is read.
        self.commit()?;
        let Some(head) = records::head(&self.tree, run)? else {
            return Ok(None);
        };
        let mut entries = Vec::new();
        for key in self.staging.keys(&keys::of_run(keys::JOURNAL, run))? {
            let record = self.staging.get_long(&key)?.ok_or_else(|| Error::damaged("a record went away"))?;
            entries.extend(Entries::decode(&record)?.entries);
        }
        let prefix = keys::of_run(keys::TABLE, run);
        let mut table = Vec::new();
        for key in self.staging.keys(&prefix)? {
            let value = self.staging.get_long(&key)?.ok_or_else(|| Error::damaged("a row went away"))?;
            table.push((key[prefix.len()..].to_vec(), value.into()));
        }
        let references = self.staging.keys(&keys::of_run(keys::REFERENCES, run))?;
        let blobs = references.iter().filter_map(|key| keys::referred(key)).collect();
        Ok(Some(RunExport { head, entries, table, blobs }))
    }

    pub(super) fn import(&mut self, export: RunExport) -> Result<(), Error> {
        let mut head = RunHead { claimed: false, unclean_ends: 0, ..export.head };
        self.check_new(&head.run)?;
        check_summary(Some(&head.summary))?;
        self.stage_claim(&head)?;
        self.stage_summary(&head)?;
        head.last_seq = head.first_seq - 1;
        head.bytes = 0;
        for entry in export.entries {
            self.stage_entries(&mut head, &[entry])?;
        }
        let rows = export.table.into_iter().map(|(key, value)| Write::Put(key, value));
        self.stage_writes(&head.run, rows.collect())?;
        self.refer(&head.run, &export.blobs);
        Ok(())
    }

    /// The head of a run, from memory or from the tree.
    fn head(&self, run: &RunId) -> Result<RunHead, Error> {
        if let Some(head) = self.heads.get(run) {
            return Ok(head.clone());
        }
        // An unclaimed run that was imported or removed within this group is seen by its claim.
        if self.staging.get(&keys::of_run(keys::CLAIMS, run))?.is_none() {
            return Err(Error::NotFound { run: run.clone() });
        }
        records::head(&self.tree, run)?.ok_or_else(|| Error::NotFound { run: run.clone() })
    }

    fn owned(&self, claim: &Claim) -> Result<RunHead, Error> {
        let head = self.head(&claim.run)?;
        if head.epoch == claim.epoch {
            Ok(head)
        } else {
            Err(Error::Fenced { run: claim.run.clone(), epoch: head.epoch })
        }
    }

    fn check_new(&self, run: &RunId) -> Result<(), Error> {
        match self.staging.get(&keys::of_run(keys::CLAIMS, run))? {
            Some(_) => Err(Error::Exists { run: run.clone() }),
            None => Ok(()),
        }
    }

    fn stage_claim(&mut self, head: &RunHead) -> Result<(), Error> {
        let record = ClaimRecord {
            epoch: head.epoch,
            claimed: head.claimed,
            unclean_ends: head.unclean_ends,
            first_seq: head.first_seq,
        };
        self.staging.put(keys::of_run(keys::CLAIMS, &head.run), record.encode()?);
        Ok(())
    }

    fn stage_summary(&mut self, head: &RunHead) -> Result<(), Error> {
        self.staging.put_long(keys::of_run(keys::SUMMARIES, &head.run), &head.summary)
    }

    fn stage_entries(&mut self, head: &mut RunHead, entries: &[Bytes]) -> Result<(), Error> {
        if entries.is_empty() {
            return Ok(());
        }
        head.bytes += entries.iter().map(|entry| entry.len() as u64).sum::<u64>();
        let record = Entries::encode(entries, head.bytes);
        self.staging.put_long_new(keys::journal(&head.run, head.last_seq + 1), &record)?;
        head.last_seq += entries.len() as u64;
        Ok(())
    }

    fn stage_writes(&mut self, run: &RunId, writes: Vec<Write>) -> Result<(), Error> {
        for write in writes {
            match write {
                Write::Put(key, value) => self.staging.put_long(keys::table(run, &key), &value)?,
                Write::Remove(key) => self.staging.remove_long(&keys::table(run, &key))?,
                Write::RemoveAll(prefix) => self.staging.remove_all(&keys::table(run, &prefix))?,
            }
        }
        Ok(())
    }

    /// The version of a value outside of runs, as far as it is staged.
    fn version(&self, name: &str) -> Result<Option<u64>, Error> {
        self.staging.get_long(&keys::value(name))?.as_deref().map(version_of).transpose()
    }

    /// Sets or removes a value that has this version.
    fn stage_value(&mut self, name: &str, version: Option<u64>, value: Option<&Bytes>) -> Result<(), Error> {
        let key = keys::value(name);
        let Some(value) = value else { return self.staging.remove_long(&key) };
        let mut record = (version.unwrap_or(0) + 1).to_le_bytes().to_vec();
        record.extend_from_slice(value);
        self.staging.put_long(key, &record)
    }

    fn refer(&mut self, run: &RunId, blobs: &[BlobId]) {
        for blob in blobs {
            for key in keys::reference(run, *blob) {
                self.staging.put(key, Vec::new());
            }
            self.objects.unpin(*blob);
        }
    }
}

/// The version in front of a value outside of runs.
pub(super) fn version_of(record: &[u8]) -> Result<u64, Error> {
    let version = record.first_chunk().ok_or_else(|| Error::damaged("a value has no version"))?;
    Ok(u64::from_le_bytes(*version))
}

fn check_summary(summary: Option<&Bytes>) -> Result<(), Error> {
    match summary {
        Some(summary) if summary.len() > VALUE_BYTES_MAX => {
            Err(Error::TooLarge { what: "a summary", bytes: summary.len(), max: VALUE_BYTES_MAX })
        }
        _ => Ok(()),
    }
}
