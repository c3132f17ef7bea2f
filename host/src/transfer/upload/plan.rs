//! Where an upload goes on: what the server has of the part, against what the log and the source prove.

use std::time::Duration;

use super::origin::{Found, Origin, Supply};
use super::run::{Upload, remove_quietly};
use crate::model::{Fault, FaultCode, Offset, RemotePath};
use crate::transfer::copy::Point;
use crate::transfer::course::Trouble;
use crate::transfer::pool::Lease;
use crate::transfer::record;
use crate::transfer::remote::StoreFrom;

/// How many settle times a part may go on growing before it is given up.
const SETTLE_ROUNDS_MAX: u32 = 5;

/// Where sending begins, and how the server is told.
pub(super) struct Plan {
    pub(super) from: StoreFrom,
    pub(super) supply: Supply,
}

impl Upload<'_> {
    /// Finds out where to go on.
    pub(super) async fn plan(
        &mut self,
        lease: &mut Lease,
        found: Found,
        limit: Option<u64>,
    ) -> Result<Plan, Trouble> {
        let algorithms = self.header()?.algorithms.clone();
        self.remove_stale(lease).await;
        // Without a length nothing tells that the rest of the same file would follow.
        let usable = match self.begun {
            true => self.usable(lease, limit).await?.filter(|_| found.info.size.is_some()),
            false => None,
        };
        let Some(there) = usable else {
            return Ok(Plan { from: StoreFrom::Start, supply: found.begin(&algorithms) });
        };
        let overlap = self.transfers.options().overlap.0;
        let resumable = lease.features().rest && !self.append_only;
        let at = if resumable { there.saturating_sub(overlap) } else { there };
        let chunks = record::chunks(&*self.job.log).await?;
        let tail = if resumable { 0 } else { overlap.min(there) };
        let point = Point { at, chunks: &chunks, algorithms: &algorithms, tail };
        let supply = found.go_on(point, &self.job.stop).await.map_err(|fault| self.at_origin(fault))?;
        let Some(mut supply) = supply else {
            return Err(match self.origin {
                Origin::Folder(_) => Trouble::Discard(self.changed()),
                // Its server may only have ignored REST, which nobody asks for from byte 0 on.
                Origin::Site(_) => Trouble::Restart(self.changed()),
            });
        };
        if resumable {
            let from = if at == 0 { StoreFrom::Start } else { StoreFrom::Restart(Offset(at)) };
            return Ok(Plan { from, supply });
        }
        let tail = supply.tail(tail).await?;
        self.compare_tail(lease, tail, there).await?;
        Ok(Plan { from: StoreFrom::Append, supply })
    }

    /// How much of the part can be gone on from, once nobody writes to it any more; `None` for nothing.
    async fn usable(&mut self, lease: &mut Lease, limit: Option<u64>) -> Result<Option<u64>, Trouble> {
        let part = self.part()?;
        let Some(there) = self.settle(lease, &part).await? else {
            return Ok(None);
        };
        let header = self.header()?;
        if there > header.may_send || limit.is_some_and(|limit| there > limit) {
            let why = format!("{part} has {there} bytes, of which only {} can be ours", header.may_send);
            return Err(Trouble::Restart(Fault::new(FaultCode::FtpRemoteChanged, why)));
        }
        if header.appending && !self.settled {
            let why = format!("{part} was appended to by a session whose end isn't known");
            return Err(Trouble::Restart(Fault::new(FaultCode::FtpRemoteChanged, why)));
        }
        Ok(Some(there).filter(|there| *there > 0))
    }

    /// Tries to remove the parts of earlier generations, for the sake of the server's disk; what fails
    /// is tried again at the end.
    async fn remove_stale(&self, lease: &mut Lease) {
        let stale = self.header.as_ref().map_or(&[][..], |header| &header.stale);
        let apart = self.job.site.servers.are_apart();
        for generation in stale {
            if apart && self.whereabouts.of(*generation) != lease.server().map(|server| &**server) {
                continue;
            }
            if let Ok(part) = self.part_of(*generation)
                && !lease.is_poisoned()
            {
                let _ = remove_quietly(&mut **lease, &part).await;
            }
        }
    }

    /// The size of the part once it stays the same; `None` when there is no part.
    async fn settle(&mut self, lease: &mut Lease, part: &RemotePath) -> Result<Option<u64>, Trouble> {
        let stop = &self.job.stop;
        let look = async |lease: &mut Lease| match stop.unless(lease.size(part)).await {
            Err(fault) if fault.code == FaultCode::FtpUnsupported => Err(Trouble::Restart(fault)),
            size => Ok(size?.map(|size| size.0)),
        };
        let mut size = look(lease).await?;
        if self.settled {
            return Ok(size);
        }
        for _ in 0..SETTLE_ROUNDS_MAX {
            self.pause(self.job.site.limits.settle).await?;
            let again = look(lease).await?;
            if again == size {
                return Ok(size);
            }
            size = again;
        }
        let why = format!("{part} goes on growing although nobody sends");
        Err(Trouble::Restart(Fault::new(FaultCode::FtpBusy, why)))
    }

    async fn pause(&self, time: Duration) -> Result<(), Fault> {
        let clock = self.transfers.clock();
        self.job
            .stop
            .unless(async {
                clock.sleep(time).await;
                Ok(())
            })
            .await
    }

    /// Reads the last bytes of the part back, which should be `ours`: APPE takes what is there for granted.
    async fn compare_tail(&mut self, lease: &mut Lease, ours: Vec<u8>, end: u64) -> Result<(), Trouble> {
        let part = self.part()?;
        let from = end - u64::try_from(ours.len()).unwrap_or(0);
        let begun = self.job.stop.unless(lease.begin_retrieve(&part, Offset(from))).await;
        match begun {
            Err(fault) if fault.code == FaultCode::FtpUnsupported => return Err(Trouble::Restart(fault)),
            begun => begun?,
        }
        let mut tail = Vec::new();
        while let Some(bytes) = self.job.stop.unless(lease.read()).await? {
            self.course.moved(u64::try_from(bytes.len()).unwrap_or(0));
            tail.extend_from_slice(&bytes);
        }
        self.job.stop.unless(lease.finish()).await?;
        if ours == tail {
            return Ok(());
        }
        let why = format!("the end of {part} isn't what was sent");
        Err(Trouble::Restart(Fault::new(FaultCode::FtpRemoteChanged, why)))
    }
}
