//! The file that a copy reads.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Fault, FaultCode, FileInfo, RemotePath, Site};
use crate::transfer::pool::{Lease, Want};
use crate::transfer::source::{Change, compare, same_on_both};
use crate::transfer::transfers::Transfers;

/// How often two sessions are tried to be had at once before it counts as a failure, and the wait between:
/// about a minute where a site has room for one only.
const ROUNDS_MAX: u32 = 300;
const ROUND_WAIT: Duration = Duration::from_millis(200);

/// A file on a site.
#[derive(Clone, Debug)]
pub struct SiteFile {
    /// Where it is.
    pub site: Arc<Site>,
    /// Its path there.
    pub path: RemotePath,
}

/// Two sessions, or why one of them couldn't be had.
pub(in crate::transfer) enum Both {
    Sessions { source: Lease, target: Lease },
    NoSource(Fault),
    NoTarget(Fault),
}

impl fmt::Display for SiteFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on site {}", self.path, self.site.name)
    }
}

impl SiteFile {
    /// A session with the source, rather with `server`, and one with `target`.
    ///
    /// Whoever held one and waited for the other could wait for somebody who does the same the other way
    /// round. So the second is only taken where it is free at once; else the first is given back, and the
    /// scarce one is waited for before the other.
    pub(in crate::transfer) async fn lease_both(
        &self,
        transfers: &Transfers,
        server: Option<&str>,
        (site, want): (&Site, Want<'_>),
    ) -> Both {
        let own = Want::path(&self.path).rather(server);
        let mut source_first = false;
        for _ in 0..ROUNDS_MAX {
            let (source, target);
            if source_first {
                source = transfers.lease(&self.site, &own).await;
                target = match source {
                    Ok(_) => transfers.lease(site, &want.at_once()).await,
                    Err(fault) => return Both::NoSource(fault),
                };
            } else {
                target = transfers.lease(site, &want).await;
                source = match target {
                    Ok(_) => transfers.lease(&self.site, &own.at_once()).await,
                    Err(fault) => return Both::NoTarget(fault),
                };
            }
            match (source, target) {
                (Ok(source), Ok(target)) => return Both::Sessions { source, target },
                (Err(fault), Ok(first)) => {
                    first.give_back();
                    if !Want::was_busy(&fault) {
                        return Both::NoSource(fault);
                    }
                    source_first = true;
                }
                (Ok(first), Err(fault)) => {
                    first.give_back();
                    if !Want::was_busy(&fault) {
                        return Both::NoTarget(fault);
                    }
                    source_first = false;
                }
                (Err(fault), Err(_)) => return Both::NoSource(fault),
            }
            transfers.clock().sleep(ROUND_WAIT).await;
        }
        let why = format!("no second session beside the one with site {}", site.name);
        Both::NoSource(Fault::new(FaultCode::FtpTooMany, why))
    }

    /// What it is now.
    pub(in crate::transfer) async fn look(&self, lease: &mut Lease) -> Result<FileInfo, Fault> {
        let found = lease.stat(&self.path).await?;
        found.ok_or_else(|| Fault::new(FaultCode::FtpNotFound, format!("{self} isn't there")))
    }

    /// What became of it since `before`, which was seen on the server `server`.
    pub(super) async fn look_again(
        &self,
        lease: &mut Lease,
        before: &FileInfo,
        server: Option<&str>,
    ) -> Result<Change, Fault> {
        let now = self.look(lease).await?;
        let elsewhere = lease.server().is_some_and(|here| server != Some(&**here));
        if elsewhere && !self.site.servers.shared_storage {
            let same = same_on_both(&now, before, self.site.servers.time_tolerance);
            return Ok(if same { Change::Same } else { Change::Other });
        }
        Ok(compare(&now, before))
    }
}
