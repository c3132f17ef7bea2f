//! Run events as log lines, for a process that nobody watches.

use tracing::{debug, error, info, trace, warn};

use crate::model::{Direction, Listener, LogLevel, RunEvent, RunId, RunOutcome};

/// Writes what all runs tell as log lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogLines;

impl Listener for LogLines {
    fn hear(&self, run: &RunId, _: &str, event: &RunEvent) {
        log_event(run, event);
    }
}

/// Writes one event of a run as a log line. Fields are named alike in all lines: `run`, `step`, `item`,
/// `site`.
pub fn log_event(run: &RunId, event: &RunEvent) {
    match event {
        RunEvent::Started { workflow, resumed, .. } => {
            info!(target: "run", %run, workflow, resumed, "run started");
        }
        RunEvent::StepFinished { step, kind, fault: None } => {
            debug!(target: "run", %run, %step, kind, "step finished");
        }
        RunEvent::StepFinished { step, kind, fault: Some(fault) } => {
            info!(target: "run", %run, %step, kind, code = %fault.code, %fault, "step gave a fault");
        }
        RunEvent::StepReplayed { step, kind, .. } => {
            trace!(target: "run", %run, %step, kind, "step replayed");
        }
        RunEvent::TransferStarted { transfer, site, direction, name, total, from } => {
            let way = match direction {
                Direction::Download => "download",
                Direction::Upload => "upload",
            };
            info!(target: "run", %run, step = %transfer.step, item = transfer.item.0, site, way, name,
                total = total.map(|total| total.0), from = from.0, "transfer started");
        }
        RunEvent::TransferProgress { transfer, done, .. } => {
            trace!(target: "run", %run, step = %transfer.step, item = transfer.item.0, done = done.0, "transfer goes on");
        }
        RunEvent::TransferRetry { transfer, attempt, fault, wait_ms } => {
            warn!(target: "run", %run, step = %transfer.step, item = transfer.item.0, attempt, code = %fault.code,
                %fault, wait_ms, "attempt failed, another follows");
        }
        RunEvent::TransferFinished { transfer, site, latency_ms, outcome: Ok(receipt), .. } => {
            info!(target: "run", %run, step = %transfer.step, item = transfer.item.0, site, path = receipt.file.path,
                bytes = receipt.bytes.0, resumed_from = receipt.resumed_from.0, resent = receipt.resent.0,
                attempts = receipt.attempts, skipped = receipt.skipped, latency_ms,
                "transfer finished");
        }
        RunEvent::TransferFinished { transfer, site, latency_ms, outcome: Err(fault), .. } => {
            warn!(target: "run", %run, step = %transfer.step, item = transfer.item.0, site, code = %fault.code, %fault,
                latency_ms, "transfer failed");
        }
        RunEvent::Log { step, level, message, fields } => {
            let fields = || serde_json::to_string(fields).unwrap_or_default();
            match level {
                LogLevel::Trace => trace!(target: "run", %run, %step, fields = fields(), "{message}"),
                LogLevel::Debug => debug!(target: "run", %run, %step, fields = fields(), "{message}"),
                LogLevel::Info => info!(target: "run", %run, %step, fields = fields(), "{message}"),
                LogLevel::Warn => warn!(target: "run", %run, %step, fields = fields(), "{message}"),
                LogLevel::Error => error!(target: "run", %run, %step, fields = fields(), "{message}"),
            }
        }
        RunEvent::Progress { section, done, total, unit } => {
            trace!(target: "run", %run, section, done, total, unit, "progress");
        }
        RunEvent::Status { key, value } => debug!(target: "run", %run, key, value, "status"),
        RunEvent::Ended { outcome, .. } => match outcome {
            RunOutcome::Done { .. } => info!(target: "run", %run, "run done"),
            RunOutcome::Failed { fault } => {
                warn!(target: "run", %run, code = %fault.code, %fault, "run failed");
            }
            RunOutcome::Paused { why, fault } => {
                warn!(target: "run", %run, ?why, code = %fault.code, %fault, "run paused");
            }
            RunOutcome::Cancelled => info!(target: "run", %run, "run cancelled"),
            RunOutcome::Interrupted => info!(target: "run", %run, "run interrupted"),
        },
    }
}
