//! The labels of metrics. The destination's comes last; it is empty for the unnamed
//! one, which to Prometheus is the same as none.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;

/// A destination.
#[derive(Clone, Debug, EncodeLabelSet, PartialEq, Eq, Hash)]
pub(super) struct Named {
    pub(super) destination: Arc<str>,
}

/// A request, by Azure's response and the answer to Prometheus.
#[derive(Clone, Debug, EncodeLabelSet, PartialEq, Eq, Hash)]
pub(super) struct Codes {
    /// Azure's status, or why there is none.
    pub(super) upstream: String,
    /// Our status.
    pub(super) answered: u16,
    pub(super) destination: Arc<str>,
}

/// Something that happened, by reason.
#[derive(Clone, Debug, EncodeLabelSet, PartialEq, Eq, Hash)]
pub(super) struct ByReason {
    pub(super) reason: &'static str,
    pub(super) destination: Arc<str>,
}

/// A fetch of a token.
#[derive(Clone, Debug, EncodeLabelSet, PartialEq, Eq, Hash)]
pub(super) struct Fetch {
    /// Why it was begun.
    pub(super) reason: &'static str,
    /// `ok`, or how it failed.
    pub(super) result: &'static str,
    pub(super) destination: Arc<str>,
}
