//! `orchestrator:workflow/progress`: how far the run has come, for those who watch.

use std::time::Duration;

use super::bindings::progress::Host;
use super::convert::{cut, number};
use super::ctx::{Ctx, trap};
use crate::journal::Noted;
use crate::model::RunEvent;

/// The most bytes of a section, a unit, and a status's key.
const NAME_BYTES_MAX: usize = 64;

/// The most bytes of a status value.
const VALUE_BYTES_MAX: usize = 1024;

/// The most status values of a run.
const STATUSES_MAX: usize = 64;

/// How often watchers are told at most.
const REPORT_INTERVAL: Duration = Duration::from_millis(50);

/// When watchers were last told, and of what.
#[derive(Debug, Default)]
pub(super) struct Reported {
    at: Option<Duration>,
    section: String,
}

impl Host for Ctx {
    fn report(
        &mut self,
        section: String,
        done: u64,
        total: Option<u64>,
        unit: String,
    ) -> wasmtime::Result<()> {
        self.call()?;
        if !self.steps.is_live() {
            return Ok(());
        }
        let now = self.clock.monotonic();
        let section = cut(&section, NAME_BYTES_MAX);
        let recent = self.reported.at.is_some_and(|at| now.saturating_sub(at) < REPORT_INTERVAL);
        // The first and the last word of a section are always passed on.
        if recent && self.reported.section == section && total != Some(done) {
            return Ok(());
        }
        self.reported.at = Some(now);
        section.clone_into(&mut self.reported.section);
        self.events.send(RunEvent::Progress {
            section: section.to_owned(),
            done: number(done),
            total: total.map(number),
            unit: cut(&unit, NAME_BYTES_MAX).to_owned(),
        });
        Ok(())
    }

    async fn set_status(&mut self, key: String, value: String) -> wasmtime::Result<()> {
        self.call()?;
        let (key, value) = (cut(&key, NAME_BYTES_MAX).to_owned(), cut(&value, VALUE_BYTES_MAX).to_owned());
        if self.statuses.get(&key) == Some(&value) {
            return Ok(());
        }
        if self.statuses.len() >= STATUSES_MAX && !self.statuses.contains_key(&key) {
            return Err(wasmtime::format_err!("it set more than {STATUSES_MAX} status values"));
        }
        self.statuses.insert(key.clone(), value.clone());
        let noted = self.steps.set_status(&key, &value).await.map_err(|error| trap(error.into()))?;
        if noted == Noted::New {
            self.events.send(RunEvent::Status { key, value });
        }
        Ok(())
    }
}
