//! The watcher's own status: probes and metrics.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::Registry,
};
use tokio::time::Instant;

use super::{Error, plan::Step};
use crate::VERSION;

/// Every name begins with this.
const PREFIX: &str = "prom_remotewrite_certs";
/// The loop runs at least every 30 s and each request times out after 10 s: one that has
/// not run for so long is stuck.
const STUCK_AFTER: Duration = Duration::from_mins(3);

/// Shared by the watcher and the listener for probes and metrics.
#[derive(Debug)]
pub struct Status {
    start: Instant,
    /// Seconds since `start`.
    beat: AtomicU64,
    ready: AtomicBool,
    registry: Registry,
    expiry: Gauge<f64, AtomicU64>,
    up_to_date: Gauge,
    steps: Family<StepLabels, Counter>,
    failures: Counter,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StepLabels {
    step: &'static str,
}

impl Default for Status {
    /// The status of a watcher that has just started.
    fn default() -> Self {
        let mut status = Self {
            start: Instant::now(),
            beat: AtomicU64::new(0),
            ready: AtomicBool::new(false),
            registry: Registry::with_prefix(PREFIX),
            expiry: Gauge::default(),
            up_to_date: Gauge::default(),
            steps: Family::default(),
            failures: Counter::default(),
        };
        status.register();
        for step in Step::WRITES {
            drop(status.steps.get_or_create(&StepLabels { step }));
        }
        status
    }
}

impl Status {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "build",
            "Version of the program",
            Info::new([("version", VERSION.to_owned())]),
        );
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "When the certificate in the Secret expires; 0 while it is unknown",
            self.expiry.clone(),
        );
        registry.register(
            "up_to_date",
            "1 if the API server trusts the certificate in the Secret, and no step is pending",
            self.up_to_date.clone(),
        );
        registry.register("steps", "Steps taken, by kind", self.steps.clone());
        registry.register(
            "failures",
            "Requests to the API server that failed, except conflicts",
            self.failures.clone(),
        );
        registry.register("dropped_log_lines", logs::DROPPED_LINES, logs::dropped_lines());
    }

    /// The loop runs.
    pub(super) fn beat(&self) {
        self.beat.store(self.start.elapsed().as_secs(), Ordering::Relaxed);
    }

    pub(super) fn took(&self, step: &Step) {
        if let Some(step) = step.write() {
            self.steps.get_or_create(&StepLabels { step }).inc();
        }
        match step {
            Step::Done(outlook) => {
                let expiry = outlook.lifetime.map(|(end, _)| end);
                let since = expiry.and_then(|end| end.duration_since(SystemTime::UNIX_EPOCH).ok());
                self.expiry.set(since.unwrap_or_default().as_secs_f64());
                self.set_ready(true);
            }
            Step::Blocked(_) => self.set_ready(false),
            _ => {}
        }
    }

    pub(super) fn failed(&self, error: &Error) {
        if !error.is_conflict() {
            self.failures.inc();
            self.set_ready(false);
        }
    }

    fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
        self.up_to_date.set(ready.into());
    }

    /// Whether the loop runs.
    pub fn is_alive(&self) -> bool {
        let beat = Duration::from_secs(self.beat.load(Ordering::Relaxed));
        self.start.elapsed().saturating_sub(beat) < STUCK_AFTER
    }

    /// Whether the API server trusts the certificate that is stored.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// All metrics, as `OpenMetrics` text.
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        // Writing to memory does not fail.
        let _ = text::encode_registry(&mut text, &self.registry);
        let _ = process_metrics::encode(&mut text);
        let _ = text::encode_eof(&mut text);
        text
    }
}
