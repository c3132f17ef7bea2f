//! All metrics of a process, and their text.

use std::sync::{Mutex, PoisonError};

use prometheus::core::Collector;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};

use super::moves::Moves;
use super::standing::{Gauges, Standing};
use crate::clock::Clock;
use crate::model::{Fault, FaultCode, Listener, RunEvent, RunId};

/// All metrics of a process. It hears what runs tell; the rest is measured when somebody asks.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    moves: Moves,
    /// Held while gauges are set and read, so that no text has half of them.
    gauges: Mutex<Gauges>,
}

impl Metrics {
    /// Metrics that are all at 0. `clock` says when a run succeeded last.
    ///
    /// # Errors
    /// `host.bug` when two have one name.
    pub fn new(clock: std::sync::Arc<dyn Clock>) -> Result<Self, Fault> {
        let registry = Registry::new();
        let made = || -> prometheus::Result<(Moves, Gauges)> {
            Ok((Moves::new(&registry, clock)?, Gauges::new(&registry)?))
        };
        let (moves, gauges) =
            made().map_err(|error| Fault::new(FaultCode::HostBug, format!("set up the metrics: {error}")))?;
        Ok(Self { registry, moves, gauges: Mutex::new(gauges) })
    }

    /// Has the counters of these sites begin at 0.
    pub fn declare<'a>(&self, sites: impl Iterator<Item = &'a str>) {
        for site in sites {
            self.moves.declare(site);
        }
    }

    /// All of them as text (exposition format 0.0.4), with how the process stands now.
    ///
    /// # Errors
    /// `host.bug` where the text can't be made.
    pub fn text(&self, standing: &Standing) -> Result<String, Fault> {
        let gauges = self.gauges.lock().unwrap_or_else(PoisonError::into_inner);
        gauges.set(standing);
        let text = TextEncoder::new().encode_to_string(&self.registry.gather());
        text.map_err(|error| Fault::new(FaultCode::HostBug, format!("write the metrics: {error}")))
    }
}

impl Listener for Metrics {
    fn hear(&self, _: &RunId, workflow: &str, event: &RunEvent) {
        self.moves.hear(workflow, event);
    }
}

fn known<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

/// A counter for each combination of labels.
pub(super) fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntCounterVec> {
    known(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
}

/// A gauge for each combination of labels.
pub(super) fn gauges(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntGaugeVec> {
    known(registry, IntGaugeVec::new(Opts::new(name, help), labels)?)
}

/// A histogram for each combination of labels.
pub(super) fn histograms(
    registry: &Registry,
    name: &str,
    help: &str,
    buckets: &[f64],
    labels: &[&str],
) -> prometheus::Result<HistogramVec> {
    known(registry, HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels)?)
}
