//! The imports of the component, in the crate's own types.

use std::time::Duration;

use super::Delivery;
use super::bindings::orchestrator::workflow as wit;
use super::convert::{error, selection};
use crate::clock::{Timestamp, millis};
use crate::context::RunInfo;
use crate::files::{Digest, FileInfo, HashAlgorithm, Select};
use crate::ftp::{Features, Receipt, Transfer, TransferOptions};
use crate::log::Level;
use crate::retry::RetryPolicy;
use crate::{Error, Result};

pub(crate) fn info() -> RunInfo {
    let info = wit::context::info();
    RunInfo {
        run_id: info.run_id,
        workflow: info.workflow,
        workflow_digest: info.workflow_digest,
        started: Timestamp(info.started),
    }
}

pub(crate) fn sites() -> Vec<String> {
    wit::context::sites()
}

pub(crate) fn folders() -> Vec<String> {
    wit::context::folders()
}

pub(crate) fn cancelled() -> bool {
    wit::context::cancelled()
}

pub(crate) struct Listing(wit::types::Listing);

impl Listing {
    pub(crate) fn next(&self, max: u32) -> Vec<FileInfo> {
        self.0.next(max).into_iter().map(Into::into).collect()
    }

    pub(crate) fn unparsed(&self) -> Vec<String> {
        self.0.unparsed()
    }
}

#[derive(Debug)]
pub(crate) struct Site(wit::ftp::Site);

impl Site {
    pub(crate) fn open(name: &str) -> Result<Self> {
        Ok(Self(wit::ftp::Site::open(name).map_err(error)?))
    }

    pub(crate) fn features(&self) -> Result<Features> {
        self.0.features().map(Into::into).map_err(error)
    }

    pub(crate) fn list(&self, path: &str, select: &Select, recursive: bool) -> Result<Listing> {
        self.0.list_dir(path, &selection(select, recursive)).map(Listing).map_err(error)
    }

    pub(crate) fn stat(&self, path: &str) -> Result<Option<FileInfo>> {
        self.0.stat(path).map(|info| info.map(Into::into)).map_err(error)
    }

    pub(crate) fn wait_for(
        &self,
        path: &str,
        settle: Duration,
        timeout: Duration,
    ) -> Result<Option<FileInfo>> {
        let found = self.0.wait_for(path, millis(settle), millis(timeout));
        found.map(|info| info.map(Into::into)).map_err(error)
    }

    pub(crate) fn read_small(&self, path: &str, max: u32) -> Result<Vec<u8>> {
        self.0.read_small(path, max).map_err(error)
    }

    pub(crate) fn put_bytes(&self, path: &str, bytes: &[u8]) -> Result<Receipt> {
        self.0.put_bytes(path, bytes).map(Into::into).map_err(error)
    }

    pub(crate) fn make_dir(&self, path: &str) -> Result<()> {
        self.0.make_dir(path).map_err(error)
    }

    pub(crate) fn remove_dir(&self, path: &str) -> Result<()> {
        self.0.remove_dir(path).map_err(error)
    }

    pub(crate) fn rename(&self, source: &str, target: &str, unchanged: Option<&FileInfo>) -> Result<()> {
        self.0.rename(source, target, unchanged.map(Into::into).as_ref()).map_err(error)
    }

    pub(crate) fn remove(&self, path: &str, unchanged: Option<&FileInfo>) -> Result<()> {
        self.0.remove(path, unchanged.map(Into::into).as_ref()).map_err(error)
    }

    pub(crate) fn set_modified(&self, path: &str, at: Timestamp) -> Result<bool> {
        self.0.set_modified(path, at.0).map_err(error)
    }

    pub(crate) fn digest(&self, path: &str, algorithm: HashAlgorithm) -> Result<Option<Digest>> {
        self.0.digest(path, algorithm.into()).map(|digest| digest.map(Into::into)).map_err(error)
    }

    pub(crate) fn download(&self, remote: &str, local: &str, options: &TransferOptions) -> Result<Receipt> {
        self.0.download(remote, local, &options.into()).map(Into::into).map_err(error)
    }

    pub(crate) fn upload(&self, local: &str, remote: &str, options: &TransferOptions) -> Result<Receipt> {
        self.0.upload(local, remote, &options.into()).map(Into::into).map_err(error)
    }

    pub(crate) fn copy_to(
        &self,
        path: &str,
        target: &Self,
        target_path: &str,
        options: &TransferOptions,
    ) -> Result<Receipt> {
        wit::ftp::copy(&self.0, path, &target.0, target_path, &options.into()).map(Into::into).map_err(error)
    }
}

pub(crate) struct Batch(wit::ftp::Batch);

impl Batch {
    pub(crate) fn open(site: &Site, parallel: u16, options: &TransferOptions) -> Result<Self> {
        Ok(Self(wit::ftp::Batch::open(&site.0, parallel, &options.into()).map_err(error)?))
    }

    pub(crate) fn submit(&self, transfers: &[Transfer]) -> Result<u32> {
        let transfers: Vec<_> = transfers.iter().map(Into::into).collect();
        self.0.submit(&transfers).map_err(error)
    }

    pub(crate) fn next(&self, max: u32, timeout: Option<Duration>) -> Delivery {
        match self.0.next(max, timeout.map(millis)) {
            wit::ftp::Delivery::Outcomes(outcomes) => {
                let plain =
                    |outcome: wit::ftp::Outcome| (outcome.id, outcome.receipt.map(Into::into).map_err(error));
                Delivery::Outcomes(outcomes.into_iter().map(plain).collect())
            }
            wit::ftp::Delivery::TimedOut => Delivery::TimedOut,
            wit::ftp::Delivery::Finished => Delivery::Finished,
        }
    }

    pub(crate) fn commit(&self, ids: &[u32]) -> Result<()> {
        self.0.commit(ids).map_err(error)
    }

    pub(crate) fn close(&self) {
        self.0.close();
    }
}

pub(crate) fn files_list(path: &str, select: &Select, recursive: bool) -> Result<Listing> {
    wit::files::list_dir(path, &selection(select, recursive)).map(Listing).map_err(error)
}

pub(crate) fn files_stat(path: &str) -> Result<Option<FileInfo>> {
    wit::files::stat(path).map(|info| info.map(Into::into)).map_err(error)
}

pub(crate) fn files_read(path: &str, offset: u64, max: u32) -> Result<Vec<u8>> {
    wit::files::read(path, offset, max).map_err(error)
}

pub(crate) fn files_write_atomic(path: &str, bytes: &[u8]) -> Result<()> {
    wit::files::write_atomic(path, bytes).map_err(error)
}

pub(crate) fn files_make_dir(path: &str) -> Result<()> {
    wit::files::make_dir(path).map_err(error)
}

pub(crate) fn files_remove_dir(path: &str) -> Result<()> {
    wit::files::remove_dir(path).map_err(error)
}

pub(crate) fn files_rename(source: &str, target: &str) -> Result<()> {
    wit::files::rename(source, target).map_err(error)
}

pub(crate) fn files_remove(path: &str) -> Result<()> {
    wit::files::remove(path).map_err(error)
}

pub(crate) fn files_hash(path: &str, algorithm: HashAlgorithm) -> Result<Digest> {
    wit::files::hash(path, algorithm.into()).map(Into::into).map_err(error)
}

pub(crate) fn files_count_records(path: &str) -> Result<u64> {
    wit::files::count_records(path).map_err(error)
}

pub(crate) fn retry_named(name: &str) -> Result<Option<RetryPolicy>> {
    wit::retry::named(name).map(|policy| policy.map(Into::into)).map_err(error)
}

pub(crate) struct Attempts(wit::retry::Attempts);

impl Attempts {
    pub(crate) fn open(policy: &RetryPolicy, name: &str) -> Self {
        Self(wit::retry::Attempts::open(&policy.into(), name))
    }

    pub(crate) fn failed(&self, why: &Error) -> bool {
        self.0.failed(&why.clone().into())
    }
}

pub(crate) fn checkpoint_save(key: &str, value: &[u8]) -> Result<()> {
    wit::checkpoint::save(key, value).map_err(error)
}

pub(crate) fn checkpoint_load(key: &str) -> Option<Vec<u8>> {
    wit::checkpoint::load(key)
}

pub(crate) fn memory_get(key: &str) -> Result<Option<(u64, Vec<u8>)>> {
    wit::memory::get(key).map(|kept| kept.map(|kept| (kept.version, kept.value))).map_err(error)
}

pub(crate) fn memory_put_if(key: &str, version: Option<u64>, value: Option<&[u8]>) -> Result<bool> {
    wit::memory::put_if(key, version, value).map_err(error)
}

pub(crate) fn memory_known(site: &str, files: &[(String, String)]) -> Result<Vec<bool>> {
    let mark = |(path, identity): &(String, String)| file_mark(path, identity);
    wit::memory::known(site, &files.iter().map(mark).collect::<Vec<_>>()).map_err(error)
}

pub(crate) fn memory_seen(site: &str, path: &str, identity: &str) -> Result<bool> {
    wit::memory::seen(site, &file_mark(path, identity)).map_err(error)
}

fn file_mark(path: &str, identity: &str) -> wit::memory::FileMark {
    wit::memory::FileMark { path: path.to_owned(), identity: identity.to_owned() }
}

pub(crate) fn receive(name: &str, timeout: Option<Duration>) -> Result<Option<String>> {
    wit::signals::receive(name, timeout.map(millis)).map_err(error)
}

pub(crate) fn now() -> Timestamp {
    Timestamp(wit::clock::now())
}

pub(crate) fn sleep(duration: Duration) -> Result<()> {
    wit::clock::sleep(millis(duration)).map_err(error)
}

pub(crate) fn sleep_until(at: Timestamp) -> Result<()> {
    wit::clock::sleep_until(at.0).map_err(error)
}

pub(crate) fn random_bytes(count: u32) -> Vec<u8> {
    wit::random::bytes(count)
}

pub(crate) fn random_u32() -> u32 {
    wit::random::next_u32()
}

pub(crate) fn uuid() -> String {
    wit::random::uuid()
}

pub(crate) fn log(level: Level, message: &str, fields: &[(String, String)]) {
    wit::log::write(level.into(), message, fields);
}

pub(crate) fn progress_report(section: &str, done: u64, total: Option<u64>, unit: &str) {
    wit::progress::report(section, done, total, unit);
}

pub(crate) fn set_status(key: &str, value: &str) {
    wit::progress::set_status(key, value);
}
