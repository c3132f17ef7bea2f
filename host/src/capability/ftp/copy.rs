//! The function `copy`: from one site to another.

use serde::Serialize;
use wasmtime::component::Resource;

use super::site::SiteHandle;
use super::transfer::{Copy, What};
use crate::capability::bindings::ftp::{Failure, Host, Receipt as WitReceipt, TransferOptions as WitOptions};
use crate::capability::convert::options_to_model;
use crate::capability::ctx::Ctx;
use crate::model::{RemotePath, TransferOptions};

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
        let args = CopyArgs { site: &site, copy: &copy, options: &options };
        self.move_one("ftp.copy", &args, &site, What::Copy(&copy), &options).await
    }
}
