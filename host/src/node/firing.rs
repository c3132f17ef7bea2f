//! Firing schedules, as a service of a process that is left running.

use async_trait::async_trait;
use tokio::sync::watch;

use super::services::Service;
use crate::model::Fault;
use crate::schedule;

/// Fires schedules while it runs. Started after the runs of the last process are being brought back, so that
/// a schedule finds its own run under way.
#[derive(Debug)]
pub struct Firing(schedule::Service);

impl Firing {
    pub(super) fn new(schedules: &schedule::Handle) -> Option<Self> {
        schedule::Service::new(schedules).map(Self)
    }
}

#[async_trait]
impl Service for Firing {
    fn name(&self) -> &'static str {
        "schedule"
    }

    async fn run(self: Box<Self>, mut stop: watch::Receiver<bool>) -> Result<(), Fault> {
        let stopped = async move { drop(stop.wait_for(|now| *now).await) };
        self.0.run(stopped).await.map_err(|error| error.to_fault())
    }
}
