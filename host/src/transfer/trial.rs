//! Trying a server out: what `site test` does.

use std::time::Duration;

use super::remote::Features;
use super::transfers::Transfers;
use crate::model::{Fault, RemotePath, Select, Site};

/// What a server said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// What it can do.
    pub features: Features,
    /// How long connecting and logging in took.
    pub login: Duration,
    /// How many entries the site's root has.
    pub entries: u64,
}

impl Transfers {
    /// Logs in, asks what the server can do, and lists the site's root.
    ///
    /// # Errors
    /// What the first of these fails with.
    pub async fn try_out(&self, site: &Site) -> Result<Trial, Fault> {
        let start = self.clock().monotonic();
        let features = self.features(site).await?;
        let login = self.clock().monotonic().saturating_sub(start);
        let mut entries = 0_u64;
        self.list(site, &RemotePath::default(), &Select::of(None, false), &mut |_| entries += 1).await?;
        Ok(Trial { features, login, entries })
    }
}
