//! What is counted of runs and transfers, as they tell it.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec, Registry};

use super::metrics::{counters, gauges, histograms};
use crate::clock::Clock;
use crate::model::{Direction, Fault, FaultClass, Receipt, RunEvent, RunOutcome};

/// Bounds of latencies, in seconds: from a small file next door to an hour of a large one far away.
const LATENCIES: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0];

/// Both ways.
const DIRECTIONS: [Direction; 3] = [Direction::Download, Direction::Upload, Direction::Copy];

#[derive(Debug)]
pub(super) struct Moves {
    clock: Arc<dyn Clock>,
    succeeded: IntCounterVec,
    failed: IntCounterVec,
    bytes: IntCounterVec,
    resumed_bytes: IntCounterVec,
    resent_bytes: IntCounterVec,
    retries: IntCounterVec,
    latency: HistogramVec,
    // Gauges by type: what checks metrics wants the name of a counter to end in `_total`.
    alias_success: IntGaugeVec,
    alias_errors: IntGaugeVec,
    alias_latency: HistogramVec,
    steps: IntCounterVec,
    runs_started: IntCounterVec,
    runs_ended: IntCounterVec,
    last_success: IntGaugeVec,
}

impl Moves {
    pub(super) fn new(registry: &Registry, clock: Arc<dyn Clock>) -> prometheus::Result<Self> {
        let count = |name, help, labels: &[&str]| counters(registry, name, help, labels);
        Ok(Self {
            clock,
            succeeded: count(
                "orchestrator_transfer_success_total",
                "Transfers that succeeded.",
                &["site", "workflow", "direction"],
            )?,
            failed: count(
                "orchestrator_transfer_errors_total",
                "Transfers that failed, after all attempts.",
                &["site", "workflow", "class"],
            )?,
            bytes: count(
                "orchestrator_transfer_bytes_total",
                "Bytes of the files of transfers that succeeded.",
                &["site", "direction"],
            )?,
            resumed_bytes: count(
                "orchestrator_transfer_resumed_bytes_total",
                "Bytes that were there already when the last attempt of a transfer began.",
                &["site", "direction"],
            )?,
            resent_bytes: count(
                "orchestrator_transfer_resent_bytes_total",
                "Bytes that were sent more than once.",
                &["site", "direction"],
            )?,
            retries: count(
                "orchestrator_transfer_retries_total",
                "Attempts of transfers that followed a failed one.",
                &["site", "direction"],
            )?,
            latency: histograms(
                registry,
                "orchestrator_transfer_latency_seconds",
                "Time from the request of a transfer to its end.",
                LATENCIES,
                &["site", "direction"],
            )?,
            alias_success: gauges(
                registry,
                "transfer_success",
                "Bytes transferred with success, as orchestrator_transfer_bytes_total.",
                &["site"],
            )?,
            alias_errors: gauges(
                registry,
                "transfer_errors",
                "Failed transfers, as orchestrator_transfer_errors_total.",
                &["site"],
            )?,
            alias_latency: histograms(
                registry,
                "latency_seconds",
                "Time from request to end, as orchestrator_transfer_latency_seconds.",
                LATENCIES,
                &["site"],
            )?,
            steps: count("orchestrator_steps_total", "Steps that runs have finished.", &["kind", "result"])?,
            runs_started: count(
                "orchestrator_runs_started_total",
                "Runs that began, or went on in this process.",
                &["workflow", "resumed"],
            )?,
            runs_ended: count(
                "orchestrator_runs_ended_total",
                "Runs that this process no longer drives, by how that came.",
                &["workflow", "outcome"],
            )?,
            last_success: gauges(
                registry,
                "orchestrator_run_last_success_timestamp_seconds",
                "When a run of the workflow was last done.",
                &["workflow"],
            )?,
        })
    }

    /// Has the counters of a site begin at 0.
    pub(super) fn declare(&self, site: &str) {
        for direction in DIRECTIONS {
            let labels = [site, way(direction)];
            for family in [&self.bytes, &self.resumed_bytes, &self.resent_bytes, &self.retries] {
                family.with_label_values(&labels);
            }
            self.latency.with_label_values(&labels);
        }
        for family in [&self.alias_success, &self.alias_errors] {
            family.with_label_values(&[site]);
        }
        self.alias_latency.with_label_values(&[site]);
    }

    pub(super) fn hear(&self, workflow: &str, event: &RunEvent) {
        match event {
            RunEvent::Started { resumed, .. } => {
                let resumed = if *resumed { "true" } else { "false" };
                self.runs_started.with_label_values(&[workflow, resumed]).inc();
            }
            RunEvent::StepFinished { kind, fault, .. } => {
                let result = if fault.is_none() { "ok" } else { "fault" };
                self.steps.with_label_values(&[kind.as_str(), result]).inc();
            }
            RunEvent::TransferFinished { site, direction, latency_ms, outcome, .. } => {
                match outcome {
                    Ok(receipt) => self.succeeded(workflow, site, *direction, receipt),
                    // Somebody wanted it to end.
                    Err(fault) if fault.class == FaultClass::Cancelled => return,
                    Err(fault) => self.failed(workflow, site, *direction, fault),
                }
                let seconds = Duration::from_millis(*latency_ms).as_secs_f64();
                self.latency.with_label_values(&[site.as_str(), way(*direction)]).observe(seconds);
                self.alias_latency.with_label_values(&[site]).observe(seconds);
            }
            RunEvent::Ended { outcome, .. } => self.ended(workflow, outcome),
            RunEvent::StepReplayed { .. }
            | RunEvent::TransferStarted { .. }
            | RunEvent::TransferProgress { .. }
            | RunEvent::TransferRetry { .. }
            | RunEvent::Log { .. }
            | RunEvent::Progress { .. }
            | RunEvent::Status { .. } => {}
        }
    }

    fn succeeded(&self, workflow: &str, site: &str, direction: Direction, receipt: &Receipt) {
        let labels = [site, way(direction)];
        self.succeeded.with_label_values(&[site, workflow, way(direction)]).inc();
        self.retries.with_label_values(&labels).inc_by(u64::from(receipt.attempts.saturating_sub(1)));
        if receipt.skipped {
            return;
        }
        self.bytes.with_label_values(&labels).inc_by(receipt.bytes.0);
        self.resumed_bytes.with_label_values(&labels).inc_by(receipt.resumed_from.0);
        self.resent_bytes.with_label_values(&labels).inc_by(receipt.resent.0);
        self.alias_success.with_label_values(&[site]).add(i64::try_from(receipt.bytes.0).unwrap_or(i64::MAX));
    }

    fn failed(&self, workflow: &str, site: &str, direction: Direction, fault: &Fault) {
        let retries = u64::from(fault.attempts.saturating_sub(1));
        self.retries.with_label_values(&[site, way(direction)]).inc_by(retries);
        self.failed.with_label_values(&[site, workflow, class(fault.class)]).inc();
        self.alias_errors.with_label_values(&[site]).inc();
    }

    fn ended(&self, workflow: &str, outcome: &RunOutcome) {
        let how = match outcome {
            RunOutcome::Done { .. } => "done",
            RunOutcome::Failed { .. } => "failed",
            RunOutcome::Paused { .. } => "paused",
            RunOutcome::Cancelled => "cancelled",
            RunOutcome::Interrupted => "interrupted",
        };
        self.runs_ended.with_label_values(&[workflow, how]).inc();
        if matches!(outcome, RunOutcome::Done { .. }) {
            let now = i64::try_from(self.clock.now().0 / 1000).unwrap_or(i64::MAX);
            self.last_success.with_label_values(&[workflow]).set(now);
        }
    }
}

fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::Download => "download",
        Direction::Upload => "upload",
        Direction::Copy => "copy",
    }
}

fn class(class: FaultClass) -> &'static str {
    match class {
        FaultClass::Transient => "transient",
        FaultClass::Permanent => "permanent",
        FaultClass::Cancelled => "cancelled",
        FaultClass::TimedOut => "timed-out",
        FaultClass::Indeterminate => "indeterminate",
    }
}
