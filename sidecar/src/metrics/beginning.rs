//! Metrics that are exported from the start, at 0.
//!
//! Prometheus sees an increase only where it has seen a value before: so metrics of
//! events that cost samples are exported before the first one.

use std::sync::Arc;

use super::{Codes, Metrics, Reason, Refusals};
use crate::rescue;

/// Answers of Azure on which Prometheus drops its batch in either mode.
const FINAL: [u16; 5] = [400, 409, 413, 415, 422];

/// Why requests are refused before they are sent on.
pub(crate) const REFUSALS: [&str; 21] = [
    "client_gone",
    "connection_limit",
    "decompressed_too_large",
    "empty_body",
    "foreign_peer",
    "head_too_large",
    "in_flight_limit",
    "malformed_chunks",
    "malformed_head",
    "method_not_allowed",
    "no_token",
    "not_found",
    "not_snappy",
    "protocol_question",
    "request_too_large",
    "search_limit",
    "slow_body",
    "slow_head",
    "under_way",
    "unsupported_type",
    "wrong_path",
];

/// Those of them that are not about a sender's batches: no write, or one that the sender
/// itself gave up.
pub(crate) const HARMLESS: [&str; 4] =
    ["client_gone", "method_not_allowed", "not_found", "protocol_question"];

/// Those of them that are known before a destination is, or without one.
const WITHOUT_DESTINATION: [&str; 7] = [
    "foreign_peer",
    "head_too_large",
    "malformed_head",
    "method_not_allowed",
    "not_found",
    "slow_head",
    "wrong_path",
];

impl Metrics {
    pub(super) fn begin_at_zero(&self) {
        self.dials.begin_at_zero();
        for status in FINAL {
            let destination = Arc::clone(&self.destination);
            let codes = Codes { upstream: status.to_string(), answered: status, destination };
            drop(self.requests.get_or_create(&codes));
        }
        self.refusals.begin_at_zero(|reason| !WITHOUT_DESTINATION.contains(&reason));
        for reason in rescue::Reason::ALL {
            self.refuse_samples(reason, 0);
        }
    }
}

impl Refusals {
    pub(super) fn begin_at_zero(&self, can_be: impl Fn(&str) -> bool) {
        for reason in REFUSALS.into_iter().filter(|reason| can_be(reason)) {
            let destination = Arc::clone(&self.destination);
            drop(self.refused.get_or_create(&Reason { reason, destination }));
        }
    }
}
