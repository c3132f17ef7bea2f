//! Small files in one go, and waiting for a file, for the resource `site`.

use std::time::Duration;

use serde::Serialize;
use wasmtime::component::Resource;

use super::site::{SiteHandle, VERIFY, evidence, remote};
use super::table::Table;
use crate::capability::bindings::ftp::{Failure, FileInfo as WitFileInfo, Receipt as WitReceipt};
use crate::capability::convert::{failure, file_to_wit, receipt_to_wit};
use crate::capability::ctx::Ctx;
use crate::journal::Recovery;
use crate::model::{Fault, FaultCode, FileInfo, ItemId, Receipt, RemotePath};
use crate::transfer::{PUT_BYTES_MAX, PartName, Wait};

/// The most bytes that one `read-small` records.
const READ_BYTES_MAX: u32 = 1_048_576;

#[derive(Serialize)]
struct WaitArgs<'a> {
    site: &'a str,
    path: &'a RemotePath,
    settle: u64,
    timeout: u64,
}

#[derive(Serialize)]
struct ReadArgs<'a> {
    site: &'a str,
    path: &'a RemotePath,
    max: u32,
}

#[derive(Serialize)]
struct PutArgs<'a> {
    site: &'a str,
    path: &'a RemotePath,
    bytes: usize,
    /// Stands for the content, which people who read histories need not see.
    blake3: [u8; 32],
}

impl Ctx {
    /// Its own log tells how far a wait has come, so it needs no evidence.
    pub(super) async fn settled_file(
        &mut self,
        it: &Resource<SiteHandle>,
        path: &str,
        settle: u64,
        timeout: u64,
    ) -> wasmtime::Result<Result<Option<WitFileInfo>, Failure>> {
        let (site, path) = (self.site_name(it)?, remote!(self, path));
        let args = WaitArgs { site: &site, path: &path, settle, timeout };
        let wait = Wait { settle: Duration::from_millis(settle), timeout: Duration::from_millis(timeout) };
        let found = self
            .on_site("ftp.wait-for", &args, &site, Recovery::Rerun, async |step, stop, site, transfers| {
                let log = Table::new(step.slot(ItemId(0)).await);
                Ok(transfers.wait_for(site, &path, wait, &log, stop).await?)
            })
            .await?;
        Ok(found.map(|file: Option<FileInfo>| file.map(file_to_wit)).map_err(failure))
    }

    pub(super) async fn small_file(
        &mut self,
        it: &Resource<SiteHandle>,
        path: &str,
        max: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, Failure>> {
        let (site, path) = (self.site_name(it)?, remote!(self, path));
        let max = max.min(READ_BYTES_MAX);
        let args = ReadArgs { site: &site, path: &path, max };
        let read: Result<Vec<u8>, Fault> = self
            .on_site("ftp.read-small", &args, &site, Recovery::Read, async |_, _, site, transfers| {
                Ok(transfers.read_small(site, &path, max).await?)
            })
            .await?;
        Ok(read.map_err(failure))
    }

    pub(super) async fn put_small_file(
        &mut self,
        it: &Resource<SiteHandle>,
        path: &str,
        bytes: Vec<u8>,
    ) -> wasmtime::Result<Result<WitReceipt, Failure>> {
        let (site, path) = (self.site_name(it)?, remote!(self, path));
        if bytes.len() > PUT_BYTES_MAX {
            let why = format!("{} bytes for {path} are over the limit of {PUT_BYTES_MAX}", bytes.len());
            return self.refuse(Fault::new(FaultCode::FileTooLarge, why).with_hint("upload a file instead"));
        }
        let blake3 = blake3::hash(&bytes).into();
        let args = PutArgs { site: &site, path: &path, bytes: bytes.len(), blake3 };
        let run = self.run.run.clone();
        let put = self
            .on_site("ftp.put-bytes", &args, &site, VERIFY, async |step, _, site, transfers| {
                let part = PartName { run, step: step.seq(), item: ItemId(0) };
                let (evidence, in_doubt) = evidence(step, transfers.plan_put(site, &path)).await?;
                Ok(transfers.put_bytes(site, &path, &bytes, &part, &evidence, in_doubt).await?)
            })
            .await?;
        Ok(put.map(|receipt: Receipt| receipt_to_wit(receipt)).map_err(failure))
    }
}
