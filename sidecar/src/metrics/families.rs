//! The metrics of destinations, each declared once: its name in the code and outside, its
//! type and labels, and its meaning.

use std::sync::Arc;

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use super::{
    Timestamp,
    labels::{ByReason, Codes, Fetch, Named},
    outgoing::Dial,
};

/// Declares counters with labels beside the destination's, and metrics of which each
/// destination has one.
macro_rules! metrics {
    (
        labelled { $($labelled:ident: $labels:ty = $labelled_name:literal, $labelled_help:literal;)* }
        one_each { $($one:ident: $kind:ty = $new:path, $name:literal, $help:literal;)* }
    ) => {
        /// The metrics of all destinations.
        pub(super) struct Families {
            $(pub(super) $labelled: Family<$labels, Counter>,)*
            $($one: Family<Named, $kind>,)*
        }

        /// The metrics of one destination; each is counted where it happens.
        pub(crate) struct Metrics {
            pub(super) destination: Arc<str>,
            $(pub(super) $labelled: Family<$labels, Counter>,)*
            $(pub(crate) $one: $kind,)*
        }

        impl Families {
            /// All of them, without a destination yet.
            pub(super) fn registered(registry: &mut Registry) -> Self {
                let families = Self {
                    $($labelled: Family::default(),)*
                    $($one: Family::new_with_constructor($new),)*
                };
                $(registry.register($labelled_name, $labelled_help, families.$labelled.clone());)*
                $(registry.register($name, $help, families.$one.clone());)*
                families
            }

            /// Those of one destination.
            pub(super) fn of(&self, destination: Arc<str>) -> Metrics {
                let of = &Named { destination: Arc::clone(&destination) };
                Metrics {
                    $($labelled: self.$labelled.clone(),)*
                    $($one: self.$one.get_or_create_owned(of),)*
                    destination,
                }
            }
        }
    };
}

metrics! {
    labelled {
        requests: Codes = "requests",
            "Remote-write requests, by Azure's response and the response to Prometheus";
        failures: ByReason = "upstream_failures",
            "Requests that got no response from Azure, by reason";
        refused: ByReason = "refused_requests",
            "Requests that the sidecar rejected before forwarding them, by reason";
        connections: Dial = "outgoing_connections",
            "Attempts to connect to Azure, by peer (ingestion, entra, imds) and result (ok, or what failed: lookup, connect, proxy)";
        handshakes: Dial = "tls_handshakes",
            "TLS handshakes with Azure, by peer and result (ok, failed)";
        refused_samples: ByReason = "refused_samples",
            "Samples of single series that Azure refused, by reason";
        token_fetches: Fetch = "token_fetches",
            "Token requests, by reason and result; a token that several destinations share counts for each";
    }
    one_each {
        request_seconds: Histogram = seconds, "request_duration_seconds",
            "Time from a request's first byte to its response";
        upstream_seconds: Histogram = seconds, "upstream_duration_seconds",
            "Time from forwarding a request to Azure's response";
        replays: Counter = Counter::default, "replayed_requests",
            "Requests that were repeated with a new token";
        last_success: Timestamp = Gauge::default, "last_success_timestamp_seconds",
            "Time at which Azure last accepted a request, in seconds since 1970; 0 before the first";
        upstream_requests: Counter = Counter::default, "upstream_requests",
            "Requests sent to the ingestion endpoint, including pieces of batches and replays";
        received_bytes: Counter = Counter::default, "received_bytes",
            "Bytes of remote-write bodies received";
        in_flight_requests: Gauge = Gauge::default, "in_flight_requests",
            "Remote-write requests in flight";
        in_flight_bytes: Gauge = Gauge::default, "in_flight_bytes",
            "Bytes of the requests in flight";
        splits: Counter = Counter::default, "split_requests",
            "Batches that were too large for Azure and were split by series";
        searches: Counter = Counter::default, "searched_requests",
            "Batches that Azure refused, and that were searched for the invalid series";
        rescued_samples: Counter = Counter::default, "rescued_samples",
            "Samples that were stored from batches that Azure refused as a whole";
        token_expiry: Timestamp = Gauge::default, "token_expiry_timestamp_seconds",
            "Expiry of the current token, in seconds since 1970; 0 without one";
        certificate_expiry: Timestamp = Gauge::default, "certificate_expiry_timestamp_seconds",
            "Expiry of the application's certificate in use, in seconds since 1970; 0 without one";
        next_certificate_expiry: Timestamp = Gauge::default, "next_certificate_expiry_timestamp_seconds",
            "Expiry of a newer certificate that Entra has not accepted yet, in seconds since 1970; 0 without one";
    }
}

/// From a loopback round trip to the deadline of 25 s.
const SECONDS: [f64; 13] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 25.0];

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}
