//! What the tests of this module share.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Reach, Sites};
use crate::clock::SystemClock;
use crate::model::{Fault, FaultCode, FolderGrant, Grants, RetryPolicy, Site};
use crate::transfer::{Connect, Options, Remote, Transfers};

/// A reach without a network and without a configuration.
pub(super) fn reach(sites: &[&str], folders: &[(&str, &Path)]) -> Reach {
    let folder = |&(name, path): &(&str, &Path)| FolderGrant { name: name.to_owned(), path: path.to_owned() };
    let grants = Grants {
        sites: sites.iter().map(|&name| name.to_owned()).collect(),
        folders: folders.iter().map(folder).collect(),
        config: None,
    };
    let transfers = Transfers::new(Arc::new(Nothing), Arc::new(SystemClock::new()), Options::default());
    Reach::new(grants, Arc::new(Nothing), transfers)
}

struct Nothing;

#[async_trait]
impl Connect for Nothing {
    async fn connect(&self, site: &Site) -> Result<Box<dyn Remote>, Fault> {
        Err(Fault::new(FaultCode::FtpUnknownHost, format!("{} has no address", site.host)))
    }
}

impl Sites for Nothing {
    fn site(&self, name: &str, _: &Grants) -> Result<Arc<Site>, Fault> {
        Err(Fault::new(FaultCode::ConfigInvalid, format!("there is no site {name}")))
    }

    fn retry_policy(&self, _: &str, _: &Grants) -> Result<Option<RetryPolicy>, Fault> {
        Ok(None)
    }
}
