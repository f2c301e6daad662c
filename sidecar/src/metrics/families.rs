//! The metrics that each destination has.

use prometheus_client::metrics::{
    counter::Counter, family::Family, gauge::Gauge, histogram::Histogram,
};

use super::{
    DialFamily, Timestamp,
    labels::{ByReason, Codes, Fetch, Named},
};

type Histograms = Family<Named, Histogram, fn() -> Histogram>;

/// The metrics that each destination has.
pub(super) struct Families {
    pub(super) requests: Family<Codes, Counter>,
    pub(super) failures: Family<ByReason, Counter>,
    pub(super) refused: Family<ByReason, Counter>,
    pub(super) refused_samples: Family<ByReason, Counter>,
    pub(super) token_fetches: Family<Fetch, Counter>,
    pub(super) request_seconds: Histograms,
    pub(super) upstream_seconds: Histograms,
    pub(super) upstream_requests: Family<Named, Counter>,
    pub(super) connections: DialFamily,
    pub(super) handshakes: DialFamily,
    pub(super) received_bytes: Family<Named, Counter>,
    pub(super) in_flight_requests: Family<Named, Gauge>,
    pub(super) in_flight_bytes: Family<Named, Gauge>,
    pub(super) replays: Family<Named, Counter>,
    pub(super) splits: Family<Named, Counter>,
    pub(super) searches: Family<Named, Counter>,
    pub(super) rescued_samples: Family<Named, Counter>,
    pub(super) token_expiry: Family<Named, Timestamp>,
    pub(super) certificate_expiry: Family<Named, Timestamp>,
    pub(super) next_certificate_expiry: Family<Named, Timestamp>,
    pub(super) last_success: Family<Named, Timestamp>,
}

impl Default for Families {
    fn default() -> Self {
        let seconds = || Histograms::new_with_constructor(|| Histogram::new(SECONDS));
        Self {
            requests: Family::default(),
            failures: Family::default(),
            refused: Family::default(),
            refused_samples: Family::default(),
            token_fetches: Family::default(),
            request_seconds: seconds(),
            upstream_seconds: seconds(),
            upstream_requests: Family::default(),
            connections: Family::default(),
            handshakes: Family::default(),
            received_bytes: Family::default(),
            in_flight_requests: Family::default(),
            in_flight_bytes: Family::default(),
            replays: Family::default(),
            splits: Family::default(),
            searches: Family::default(),
            rescued_samples: Family::default(),
            token_expiry: Family::default(),
            certificate_expiry: Family::default(),
            next_certificate_expiry: Family::default(),
            last_success: Family::default(),
        }
    }
}

/// From a loopback round trip to the deadline of 25 s.
const SECONDS: [f64; 13] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 25.0];
