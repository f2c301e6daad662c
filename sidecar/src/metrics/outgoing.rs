//! Counters of connections to Azure.

use std::sync::Arc;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};

/// A connection or a TLS handshake.
#[derive(Clone, Debug, EncodeLabelSet, PartialEq, Eq, Hash)]
pub(crate) struct Dial {
    /// Whom it goes to.
    pub(crate) peer: &'static str,
    /// `ok`, or the step that failed.
    pub(crate) result: &'static str,
    /// For which destination.
    pub(crate) destination: Arc<str>,
}

impl Dial {
    pub(crate) const INGESTION: &'static str = "ingestion";
    pub(crate) const AUTHORITY: &'static str = "entra";
    pub(crate) const METADATA: &'static str = "imds";
    pub(crate) const OK: &'static str = "ok";
}

pub(crate) type DialFamily = Family<Dial, Counter>;

/// Counters where connections are opened for a destination. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct DialCounters {
    pub(crate) destination: Arc<str>,
    pub(crate) connections: DialFamily,
    pub(crate) handshakes: DialFamily,
}

impl DialCounters {
    pub(super) fn begin_at_zero(&self) {
        let results =
            ["ok", "lookup", "connect", "proxy"].map(|result| (&self.connections, result));
        let handshakes = ["ok", "failed"].map(|result| (&self.handshakes, result));
        for (family, result) in results.into_iter().chain(handshakes) {
            let destination = Arc::clone(&self.destination);
            drop(family.get_or_create(&Dial { peer: Dial::INGESTION, result, destination }));
        }
    }
}
