//! `orchestrator:workflow/context`: what a run knows of itself.

use super::bindings::context::{Host, RunInfo};
use super::convert::number;
use super::ctx::Ctx;
use crate::journal::Recovery;

impl Host for Ctx {
    fn info(&mut self) -> wasmtime::Result<RunInfo> {
        self.call()?;
        Ok(RunInfo {
            run_id: self.run.run.to_string(),
            workflow: self.run.workflow.clone(),
            workflow_digest: self.run.digest.to_string(),
            started: number(self.run.started.0),
        })
    }

    fn sites(&mut self) -> wasmtime::Result<Vec<String>> {
        self.call()?;
        Ok(self.reach.site_names())
    }

    fn folders(&mut self) -> wasmtime::Result<Vec<String>> {
        self.call()?;
        Ok(self.reach.folder_names())
    }

    /// A step of its own, since the answer may change at any time; it doesn't count as having told
    /// the guest, whose next waiting call still fails.
    async fn cancelled(&mut self) -> wasmtime::Result<bool> {
        let signals = self.signals.clone();
        self.record("context.cancelled", &(), Recovery::Read, async move |_| Ok(signals.is_cancelled())).await
    }
}
