//! The sidecar's metrics, and their text format.
//!
//! [`Exposition`] is the whole; [`Metrics`] are those of one destination, which has
//! its label in all of them.

mod families;
mod labels;
mod outgoing;
mod reasons;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{Arc, atomic::AtomicU64},
    time::SystemTime,
};

use prometheus_client::{
    encoding::text::{encode_eof, encode_registry},
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::Registry,
};

use self::{
    families::Families,
    labels::{ByReason, Codes, Fetch},
};
pub(crate) use self::{
    families::Metrics,
    outgoing::{Dial, DialCounters, DialFamily},
    reasons::{Reason, Refusal},
};

/// All counters of all destinations, and those of the process.
pub(crate) struct Exposition {
    registry: Registry,
    families: Families,
    /// Of requests that go to no destination.
    pub(crate) refusals: Refusals,
    pub(crate) connections: Gauge,
    pub(crate) displaced_connections: Counter,
    roots: Gauge,
    roots_reloaded: Gauge,
}

/// Requests that are rejected before they are forwarded.
#[derive(Clone)]
pub(crate) struct Refusals {
    destination: Arc<str>,
    refused: Family<ByReason, Counter>,
}

/// Answers of Azure on which Prometheus drops its batch in either mode.
const FINAL: [u16; 5] = [400, 409, 413, 415, 422];

/// Seconds since 1970.
type Timestamp = Gauge<f64, AtomicU64>;

impl Exposition {
    /// All at nothing, and no destination yet. The labels of build info are what an
    /// operator compares across a fleet.
    pub(crate) fn new(version: &str, identity_type: &str, cluster: &str) -> Self {
        let mut registry = Registry::with_prefix("prom_remotewrite");
        let families = Families::registered(&mut registry);
        let refused = families.refused.clone();
        let mut exposition = Self {
            registry,
            families,
            refusals: Refusals { destination: Arc::default(), refused },
            connections: Gauge::default(),
            displaced_connections: Counter::default(),
            roots: Gauge::default(),
            roots_reloaded: Gauge::default(),
        };
        exposition.register();
        exposition.refusals.begin_at_zero(|_| true);
        let labels = [("version", version), ("identity_type", identity_type), ("cluster", cluster)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        exposition.registry.register(
            "build",
            "Version and settings of the program",
            Info::new(labels.to_vec()),
        );
        exposition
    }

    /// What concerns no destination.
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("connections", "Open connections of clients", self.connections.clone());
        registry.register(
            "displaced_connections",
            "Idle connections that were closed because all slots were in use",
            self.displaced_connections.clone(),
        );
        registry.register("trusted_roots", "Trusted root certificates in use", self.roots.clone());
        registry.register(
            "trusted_roots_last_reload_successful",
            "1 if the last change of the trusted roots was loaded, 0 if it failed and the previous ones stay in use",
            self.roots_reloaded.clone(),
        );
        registry.register("dropped_log_lines", logs::DROPPED_LINES, logs::dropped_lines());
    }

    /// The metrics of a destination; the unnamed one's label is empty.
    pub(crate) fn destination(&self, label: &str) -> Metrics {
        let metrics = self.families.of(label.into());
        metrics.begin_at_zero();
        metrics
    }

    /// How many roots are in use, and whether they are the newest.
    pub(crate) fn trusted_roots(&self, roots: usize, reloaded: bool) {
        self.roots.set(i64::try_from(roots).unwrap_or(i64::MAX));
        self.roots_reloaded.set(i64::from(reloaded));
    }

    /// The `OpenMetrics` text.
    pub(crate) fn open_metrics(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        process_metrics::encode(&mut text)?;
        encode_eof(&mut text)?;
        Ok(text)
    }

    /// The older Prometheus text, in which a counter is declared by the name
    /// that its samples have.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let open = self.open_metrics()?;
        let kinds: Vec<(&str, &str)> =
            open.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
        let suffix = |name: &str| {
            let kind = kinds.iter().find(|(found, _)| *found == name).map(|(_, kind)| *kind);
            match kind {
                Some("counter") => "_total",
                Some("info") => "_info",
                _ => "",
            }
        };
        let lines = open.lines().filter(|line| *line != "# EOF").map(|line| {
            let mut words = line.splitn(4, ' ');
            match (words.next(), words.next(), words.next(), words.next()) {
                (Some("#"), Some(what), Some(name), Some(rest)) => {
                    let rest = if (what, rest) == ("TYPE", "info") { "gauge" } else { rest };
                    format!("# {what} {name}{} {rest}\n", suffix(name))
                }
                _ => format!("{line}\n"),
            }
        });
        Ok(lines.collect())
    }
}

impl Metrics {
    /// The destination's name, if it has one.
    pub(crate) fn name(&self) -> Option<&str> {
        name(&self.destination)
    }

    /// Of requests to the destination that are not forwarded.
    pub(crate) fn refusals(&self) -> Refusals {
        Refusals { destination: Arc::clone(&self.destination), refused: self.refused.clone() }
    }

    /// Of connections that are opened for the destination.
    pub(crate) fn dials(&self) -> DialCounters {
        DialCounters {
            destination: Arc::clone(&self.destination),
            connections: self.connections.clone(),
            handshakes: self.handshakes.clone(),
        }
    }

    /// A request was answered: by Azure's response, or the reason why there was none, and
    /// the response to Prometheus.
    pub(crate) fn answered(&self, upstream: String, answered: u16) {
        let destination = Arc::clone(&self.destination);
        self.requests.get_or_create(&Codes { upstream, answered, destination }).inc();
    }

    /// A request got no answer from Azure.
    pub(crate) fn failed(&self, reason: &'static str) {
        self.failures.get_or_create(&self.by(reason)).inc();
    }

    /// A token was asked for: why, and `ok` or how that failed.
    pub(crate) fn fetched(&self, reason: &'static str, result: &'static str) {
        let destination = Arc::clone(&self.destination);
        self.token_fetches.get_or_create(&Fetch { reason, result, destination }).inc();
    }

    pub(crate) fn token_ends(&self, at: SystemTime) {
        self.token_expiry.set(unix_seconds(at));
    }

    /// Expiry of the certificate in use, and of its replacement.
    pub(crate) fn certificates_end(&self, in_use: Option<SystemTime>, next: Option<SystemTime>) {
        self.certificate_expiry.set(in_use.map_or(0.0, unix_seconds));
        self.next_certificate_expiry.set(next.map_or(0.0, unix_seconds));
    }

    /// Samples of single series are refused.
    pub(crate) fn refuse_samples(&self, reason: Reason, samples: u64) {
        self.refused_samples.get_or_create(&self.by(reason.as_str())).inc_by(samples);
    }

    pub(crate) fn succeeded(&self, at: SystemTime) {
        self.last_success.set(unix_seconds(at));
    }

    fn by(&self, reason: &'static str) -> ByReason {
        ByReason { reason, destination: Arc::clone(&self.destination) }
    }

    /// Exports metrics of events that cost samples before the first one: Prometheus sees
    /// an increase only where it has seen a value before.
    fn begin_at_zero(&self) {
        self.dials().begin_at_zero();
        for status in FINAL {
            let destination = Arc::clone(&self.destination);
            let codes = Codes { upstream: status.to_string(), answered: status, destination };
            drop(self.requests.get_or_create(&codes));
        }
        self.refusals().begin_at_zero(Refusal::is_of_destination);
        for reason in Reason::ALL {
            self.refuse_samples(*reason, 0);
        }
    }
}

impl Refusals {
    /// The destination's name, if it has one.
    pub(crate) fn name(&self) -> Option<&str> {
        name(&self.destination)
    }

    /// One more.
    pub(crate) fn count(&self, reason: Refusal) {
        self.refused.get_or_create(&self.by(reason)).inc();
    }

    fn begin_at_zero(&self, can_be: fn(Refusal) -> bool) {
        for reason in Refusal::ALL.iter().filter(|reason| can_be(**reason)) {
            drop(self.refused.get_or_create(&self.by(*reason)));
        }
    }

    fn by(&self, reason: Refusal) -> ByReason {
        ByReason { reason: reason.as_str(), destination: Arc::clone(&self.destination) }
    }
}

/// A destination's name by its label.
fn name(label: &str) -> Option<&str> {
    Some(label).filter(|label| !label.is_empty())
}

fn unix_seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
