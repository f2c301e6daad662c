//! What the sidecar counts, and the text in which it tells.

mod beginning;
mod outgoing;
#[cfg(test)]
mod tests;

use std::{fmt, sync::atomic::AtomicU64, time::SystemTime};

use prometheus_client::{
    encoding::{
        EncodeLabelSet,
        text::{encode_eof, encode_registry},
    },
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

pub(crate) use self::{
    beginning::{HARMLESS, REFUSALS},
    outgoing::{Dial, DialCounters, DialFamily, Outgoing},
};
use crate::rescue;

/// All counters; each is public inside the crate and counted where it happens.
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) outgoing: Outgoing,
    pub(crate) requests: Family<Codes, Counter>,
    pub(crate) failures: Family<Reason, Counter>,
    pub(crate) refused: Family<Reason, Counter>,
    pub(crate) request_seconds: Histogram,
    pub(crate) upstream_seconds: Histogram,
    pub(crate) received_bytes: Counter,
    pub(crate) in_flight_requests: Gauge,
    pub(crate) in_flight_bytes: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) displaced_connections: Counter,
    pub(crate) replays: Counter,
    pub(crate) splits: Counter,
    pub(crate) searches: Counter,
    pub(crate) rescued_samples: Counter,
    pub(crate) refused_samples: Family<Reason, Counter>,
    pub(crate) token_fetches: Family<Fetch, Counter>,
    token_expiry: Timestamp,
    certificate_expiry: Timestamp,
    next_certificate_expiry: Timestamp,
    last_success: Timestamp,
}

/// A request, by what Azure said and what Prometheus was told.
#[derive(Clone, Debug, EncodeLabelSet, PartialEq, Eq, Hash)]
pub(crate) struct Codes {
    /// Azure's status, or why there is none.
    pub(crate) upstream: String,
    /// Our status.
    pub(crate) answered: u16,
}

/// Something that happened, by reason.
#[derive(Clone, Debug, EncodeLabelSet, PartialEq, Eq, Hash)]
pub(crate) struct Reason {
    pub(crate) reason: &'static str,
}

/// A fetch of a token.
#[derive(Clone, Debug, EncodeLabelSet, PartialEq, Eq, Hash)]
pub(crate) struct Fetch {
    /// Why it was begun.
    pub(crate) reason: &'static str,
    /// `ok`, or how it failed.
    pub(crate) result: &'static str,
}

type Timestamp = Gauge<f64, AtomicU64>;

/// From a loopback round trip to the deadline of 25 s.
const SECONDS: [f64; 13] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 25.0];

impl Metrics {
    /// All at nothing. The labels of build info are what an operator compares
    /// across a fleet.
    pub(crate) fn new(version: &str, identity_type: &str, cluster: &str) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("prom_remotewrite"),
            outgoing: Outgoing::default(),
            requests: Family::default(),
            failures: Family::default(),
            refused: Family::default(),
            request_seconds: Histogram::new(SECONDS),
            upstream_seconds: Histogram::new(SECONDS),
            received_bytes: Counter::default(),
            in_flight_requests: Gauge::default(),
            in_flight_bytes: Gauge::default(),
            connections: Gauge::default(),
            displaced_connections: Counter::default(),
            replays: Counter::default(),
            splits: Counter::default(),
            searches: Counter::default(),
            rescued_samples: Counter::default(),
            refused_samples: Family::default(),
            token_fetches: Family::default(),
            token_expiry: Timestamp::default(),
            certificate_expiry: Timestamp::default(),
            next_certificate_expiry: Timestamp::default(),
            last_success: Timestamp::default(),
        };
        metrics.register_requests();
        metrics.outgoing.register(&mut metrics.registry);
        metrics.register_load();
        metrics.register_rescues();
        metrics.register_identity();
        metrics.begin_at_zero();
        let labels = [("version", version), ("identity_type", identity_type), ("cluster", cluster)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        metrics.registry.register("build", "What runs here", Info::new(labels.to_vec()));
        metrics
    }

    fn register_requests(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "requests",
            "Remote-write requests, by what Azure said and what Prometheus was told",
            self.requests.clone(),
        );
        registry.register(
            "upstream_failures",
            "Requests that got no answer from Azure, by reason",
            self.failures.clone(),
        );
        registry.register(
            "refused_requests",
            "Requests that were refused before they were sent on, by reason",
            self.refused.clone(),
        );
        registry.register(
            "request_duration_seconds",
            "From a request's first byte to its answer",
            self.request_seconds.clone(),
        );
        registry.register(
            "upstream_duration_seconds",
            "From sending a request on to Azure's answer",
            self.upstream_seconds.clone(),
        );
        registry.register(
            "replayed_requests",
            "Requests that were sent again with a new token",
            self.replays.clone(),
        );
        registry.register(
            "last_success_timestamp_seconds",
            "When Azure last accepted a request",
            self.last_success.clone(),
        );
    }

    fn register_load(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "received_bytes",
            "Bytes of remote-write bodies received",
            self.received_bytes.clone(),
        );
        registry.register(
            "in_flight_requests",
            "Remote-write requests under way",
            self.in_flight_requests.clone(),
        );
        registry.register(
            "in_flight_bytes",
            "Bytes held for requests under way",
            self.in_flight_bytes.clone(),
        );
        registry.register("connections", "Connections that are open", self.connections.clone());
        registry.register(
            "displaced_connections",
            "Idle connections that were closed because all slots were taken",
            self.displaced_connections.clone(),
        );
        registry.register("dropped_log_lines", logs::DROPPED_LINES, logs::dropped_lines());
    }

    fn register_rescues(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "split_requests",
            "Requests that were larger than Azure takes and were split by series",
            self.splits.clone(),
        );
        registry.register(
            "searched_requests",
            "Requests that were searched for the series for which Azure refused them",
            self.searches.clone(),
        );
        registry.register(
            "rescued_samples",
            "Samples that were stored of batches which Azure refused as a whole",
            self.rescued_samples.clone(),
        );
        registry.register(
            "refused_samples",
            "Samples of single series that Azure refuses, by reason",
            self.refused_samples.clone(),
        );
    }

    fn register_identity(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "token_fetches",
            "Tokens asked for, by why and with which result",
            self.token_fetches.clone(),
        );
        registry.register(
            "token_expiry_timestamp_seconds",
            "When the held token ends; 0 without one",
            self.token_expiry.clone(),
        );
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "When the application's certificate that is in use ends; 0 without one",
            self.certificate_expiry.clone(),
        );
        registry.register(
            "next_certificate_expiry_timestamp_seconds",
            "When a newer certificate ends that Entra has not accepted yet; 0 without one",
            self.next_certificate_expiry.clone(),
        );
    }

    pub(crate) fn token_ends(&self, at: SystemTime) {
        self.token_expiry.set(unix_seconds(at));
    }

    /// When the certificate in use ends, and one that is to replace it.
    pub(crate) fn certificates_end(&self, in_use: Option<SystemTime>, next: Option<SystemTime>) {
        self.certificate_expiry.set(in_use.map_or(0.0, unix_seconds));
        self.next_certificate_expiry.set(next.map_or(0.0, unix_seconds));
    }

    /// Samples of single series are refused.
    pub(crate) fn refuse_samples(&self, reason: rescue::Reason, samples: u64) {
        self.refused_samples.get_or_create(&Reason { reason: reason.as_str() }).inc_by(samples);
    }

    pub(crate) fn succeeded(&self, at: SystemTime) {
        self.last_success.set(unix_seconds(at));
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

fn unix_seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
