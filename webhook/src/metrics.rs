//! The webhook's metrics. Labels are closed sets of words: nothing that a pod's author
//! writes becomes a label.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

use crate::{VERSION, decide::DenyReason};

/// Every name begins with this.
const PREFIX: &str = "prom_remotewrite_webhook";
/// From what a review takes when nothing is to do to the API server's patience
/// (5 s), in seconds.
const LATENCY_BUCKETS: [f64; 12] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0];

/// The webhook's metrics and the registry that shows them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reviews: Family<ReviewLabels, Counter>,
    refused: Family<StatusLabels, Counter>,
    patch_failures: Counter,
    latency: Histogram,
    certificate_expiry: Gauge<f64, AtomicU64>,
    certificate_reloads: Family<ResultLabels, Counter>,
    client_ca_reloads: Family<ResultLabels, Counter>,
    config_generation: Gauge,
    config_reloads: Family<ResultLabels, Counter>,
    config_current: Gauge,
    connections: ConnectionMetrics,
}

/// Counters of connections, for the tasks that serve them.
#[derive(Clone, Debug, Default)]
pub struct ConnectionMetrics {
    open: Gauge,
    closed: Family<ClosedLabels, Counter>,
    /// Handshakes that failed.
    pub(crate) handshake_failures: Counter,
}

/// Why this side closed a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// It answered nothing for longer than API servers keep a connection.
    Idle,
    /// Another one needed its slot.
    Displaced,
    /// The program exits.
    Shutdown,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ClosedLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReviewLabels {
    decision: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StatusLabels {
    code: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

impl Default for Metrics {
    /// All at zero.
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix(PREFIX),
            reviews: Family::default(),
            refused: Family::default(),
            patch_failures: Counter::default(),
            latency: Histogram::new(LATENCY_BUCKETS),
            certificate_expiry: Gauge::default(),
            certificate_reloads: Family::default(),
            client_ca_reloads: Family::default(),
            config_generation: Gauge::default(),
            config_reloads: Family::default(),
            config_current: Gauge::default(),
            connections: ConnectionMetrics::default(),
        };
        metrics.register();
        metrics.begin_at_zero();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "build",
            "Version of the program",
            Info::new([("version", VERSION.to_owned())]),
        );
        let reviews = self.reviews.clone();
        registry.register("reviews", "Reviews answered, by decision and reason", reviews);
        let refused = self.refused.clone();
        registry.register(
            "refused_requests",
            "Requests that were not AdmissionReviews, by status",
            refused,
        );
        let failures = self.patch_failures.clone();
        registry.register(
            "patch_failures",
            "Patches of the webhook that could not be applied: a bug",
            failures,
        );
        let latency = self.latency.clone();
        registry.register(
            "review_duration_seconds",
            "Time from the body of a review to its response",
            latency,
        );
        let expiry = self.certificate_expiry.clone();
        let help = "Expiry of the serving certificate, in seconds since 1970; 0 without one";
        registry.register("certificate_expiry_timestamp_seconds", help, expiry);
        let reloads = self.certificate_reloads.clone();
        registry.register("certificate_reloads", "Changes of the certificate, by result", reloads);
        let reloads = self.client_ca_reloads.clone();
        registry.register("client_ca_reloads", "Changes of the client CA, by result", reloads);
        let generation = self.config_generation.clone();
        let help = "Number of configurations that have been in use, including the current one";
        registry.register("config_generation", help, generation);
        let reloads = self.config_reloads.clone();
        registry.register("config_reloads", "Changes of the configuration, by result", reloads);
        let current = self.config_current.clone();
        let help = "1 while the current configuration file is in use; 0 if it is invalid or cannot be read";
        registry.register("config_current", help, current);
        let connections = self.connections.open.clone();
        registry.register("open_connections", "Open TLS connections", connections);
        let closed = self.connections.closed.clone();
        let help = "TLS connections that the webhook closed, by reason";
        registry.register("closed_connections", help, closed);
        let failures = self.connections.handshake_failures.clone();
        registry.register("handshake_failures", "TLS handshakes that failed", failures);
        registry.register("dropped_log_lines", logs::DROPPED_LINES, logs::dropped_lines());
    }

    /// Prometheus sees an increase only where it has seen a value before: so metrics
    /// whose first event is worth an alert are exported before it happens.
    fn begin_at_zero(&self) {
        for reason in DenyReason::ALL {
            let labels = ReviewLabels { decision: "deny", reason: reason.word() };
            drop(self.reviews.get_or_create(&labels));
        }
        for family in [&self.certificate_reloads, &self.client_ca_reloads, &self.config_reloads] {
            for taken in [true, false] {
                drop(family.get_or_create(&result(taken)));
            }
        }
        for reason in [Closed::Idle, Closed::Displaced, Closed::Shutdown] {
            drop(self.connections.closed.get_or_create(&ClosedLabels { reason: reason.word() }));
        }
    }

    /// Everything, in the text format of `OpenMetrics`.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = text::encode_registry(&mut text, &self.registry);
        #[cfg(target_os = "linux")]
        let _ = process_metrics::encode(&mut text);
        let _ = text::encode_eof(&mut text);
        text
    }

    /// A review was answered.
    pub fn reviewed(&self, decision: &'static str, reason: &'static str, took: Duration) {
        self.reviews.get_or_create(&ReviewLabels { decision, reason }).inc();
        self.latency.observe(took.as_secs_f64());
    }

    /// A request was refused with this HTTP status.
    pub fn refused(&self, code: u16) {
        self.refused.get_or_create(&StatusLabels { code }).inc();
    }

    /// An own patch did not apply.
    pub fn patch_failed(&self) {
        self.patch_failures.inc();
    }

    /// The certificate in use expires at this time, in seconds since 1970.
    #[expect(clippy::cast_precision_loss, reason = "exact for 285 million years")]
    pub fn certificate_used(&self, expiry: i64) {
        self.certificate_expiry.set(expiry as f64);
    }

    /// A changed certificate was taken or refused.
    pub fn certificate_reloaded(&self, taken: bool) {
        self.certificate_reloads.get_or_create(&result(taken)).inc();
    }

    /// A changed client CA was taken or refused.
    pub fn client_ca_reloaded(&self, taken: bool) {
        self.client_ca_reloads.get_or_create(&result(taken)).inc();
    }

    /// A configuration is in use for the first time.
    pub fn config_used(&self) {
        self.config_generation.inc();
    }

    /// A changed configuration was taken or refused.
    pub fn config_reloaded(&self, taken: bool) {
        self.config_reloads.get_or_create(&result(taken)).inc();
    }

    /// Whether the file, as it is now, is what is in use.
    pub fn config_is_current(&self, current: bool) {
        self.config_current.set(current.into());
    }

    /// Counters of connections.
    pub fn connections(&self) -> ConnectionMetrics {
        self.connections.clone()
    }
}

impl ConnectionMetrics {
    /// A connection is open for as long as the returned guard exists.
    pub fn open(&self) -> OpenConnection {
        self.open.inc();
        OpenConnection(self.open.clone())
    }

    /// This side closed a connection.
    pub fn closed(&self, reason: Closed) {
        self.closed.get_or_create(&ClosedLabels { reason: reason.word() }).inc();
    }
}

impl Closed {
    const fn word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Displaced => "displaced",
            Self::Shutdown => "shutdown",
        }
    }
}

const fn result(taken: bool) -> ResultLabels {
    ResultLabels { result: if taken { "taken" } else { "refused" } }
}

/// Counts a connection while it is open.
#[derive(Debug)]
pub struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}
