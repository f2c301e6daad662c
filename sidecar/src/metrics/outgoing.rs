//! What is counted of requests and connections to Azure.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::Metrics;

/// A connection or a TLS handshake.
#[derive(Clone, Debug, EncodeLabelSet, PartialEq, Eq, Hash)]
pub(crate) struct Dial {
    /// Whom it goes to.
    pub(crate) peer: &'static str,
    /// `ok`, or the step that failed.
    pub(crate) result: &'static str,
}

impl Dial {
    pub(crate) const INGESTION: &'static str = "ingestion";
    pub(crate) const AUTHORITY: &'static str = "entra";
    pub(crate) const METADATA: &'static str = "imds";
    pub(crate) const OK: &'static str = "ok";
}

pub(crate) type DialFamily = Family<Dial, Counter>;

/// What is counted where connections are opened. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct DialCounters {
    pub(crate) connections: DialFamily,
    pub(crate) handshakes: DialFamily,
}

/// The requests and connections to Azure, and what these are verified with.
#[derive(Default)]
pub(crate) struct Outgoing {
    /// Requests to the ingestion endpoint.
    pub(crate) requests: Counter,
    pub(crate) dials: DialCounters,
    roots: Gauge,
    roots_reloaded: Gauge,
}

impl Outgoing {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "upstream_requests",
            "Requests sent to the ingestion endpoint, pieces of batches and replays included",
            self.requests.clone(),
        );
        registry.register(
            "outgoing_connections",
            "Attempts to connect to Azure, by peer (ingestion, entra, imds) and result (ok, or what failed: lookup, connect, proxy)",
            self.dials.connections.clone(),
        );
        registry.register(
            "tls_handshakes",
            "TLS handshakes with Azure, by peer and result (ok, failed)",
            self.dials.handshakes.clone(),
        );
        registry.register(
            "trusted_roots",
            "Root certificates that connections are verified with",
            self.roots.clone(),
        );
        registry.register(
            "trusted_roots_last_reload_successful",
            "1, or 0 if the trusted roots have changed and cannot be used, so that the old ones stay in use",
            self.roots_reloaded.clone(),
        );
    }

    pub(super) fn begin_at_zero(&self) {
        let DialCounters { connections, handshakes } = &self.dials;
        let results = ["ok", "lookup", "connect", "proxy"].map(|result| (connections, result));
        for (family, result) in
            results.into_iter().chain([(handshakes, "ok"), (handshakes, "failed")])
        {
            drop(family.get_or_create(&Dial { peer: Dial::INGESTION, result }));
        }
    }
}

impl Metrics {
    /// How many roots are in use, and whether they are the newest.
    pub(crate) fn trusted_roots(&self, roots: usize, reloaded: bool) {
        self.outgoing.roots.set(i64::try_from(roots).unwrap_or(i64::MAX));
        self.outgoing.roots_reloaded.set(i64::from(reloaded));
    }
}
