//! The function `copy`: from one site to another.

use serde::Serialize;
use wasmtime::component::Resource;

use super::site::SiteHandle;
use super::transfer::{Copy, Moving, What, only};
use crate::capability::bindings::ftp::{Failure, Host, Receipt as WitReceipt, TransferOptions as WitOptions};
use crate::capability::convert::{failure, options_to_model, receipt_to_wit};
use crate::capability::ctx::{Ctx, Fail};
use crate::journal::Recovery;
use crate::model::{Fault, ItemId, Receipt, RemotePath, TransferOptions};

#[derive(Serialize)]
struct CopyArgs<'a> {
    site: &'a str,
    copy: &'a Copy,
    options: &'a TransferOptions,
}

impl Host for Ctx {
    async fn copy(
        &mut self,
        source: Resource<SiteHandle>,
        source_path: String,
        target: Resource<SiteHandle>,
        target_path: String,
        options: WitOptions,
    ) -> wasmtime::Result<Result<WitReceipt, Failure>> {
        let (source_site, site) = (self.site_name(&source)?, self.site_name(&target)?);
        let checked = RemotePath::parse(&source_path).and_then(|source| {
            let target = RemotePath::parse(&target_path)?;
            Ok((Copy { source_site, source, target }, options_to_model(options)?))
        });
        let (copy, options) = match checked {
            Ok(checked) => checked,
            Err(fault) => return self.refuse(fault),
        };
        let (mover, asked) = (self.mover(), self.clock.monotonic());
        let args = CopyArgs { site: &site, copy: &copy, options: &options };
        // As with uploads, its own log and the target's server tell how far it came.
        let moved: Result<Receipt, Fault> = self
            .step("ftp.copy", &args, Recovery::Rerun, async |step, stop| {
                let moving = Moving {
                    site: &site,
                    what: What::Copy(&copy),
                    options: &options,
                    id: only(step.seq()),
                    asked,
                    slot: step.slot(ItemId(0)).await,
                    stop,
                    landed: &|| {},
                };
                mover.move_file(moving).await?.map_err(Fail::Fault)
            })
            .await?;
        Ok(moved.map(receipt_to_wit).map_err(failure))
    }
}
