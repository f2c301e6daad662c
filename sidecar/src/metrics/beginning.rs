//! What is told from the start, at 0.
//!
//! Prometheus sees an increase only where it has seen a value before: what costs
//! samples when it happens once is there before it happens.

use super::{Codes, Metrics, Reason};
use crate::rescue;

/// Answers of Azure on which Prometheus drops its batch in either mode.
const FINAL: [u16; 4] = [400, 409, 413, 415];

/// Why requests are refused before they are sent on.
pub(crate) const REFUSALS: [&str; 11] = [
    "connection_limit",
    "decompressed_too_large",
    "empty_body",
    "foreign_peer",
    "in_flight_limit",
    "malformed_chunks",
    "no_token",
    "not_snappy",
    "request_too_large",
    "slow_body",
    "unsupported_type",
];

impl Metrics {
    pub(super) fn begin_at_zero(&self) {
        for status in FINAL {
            let codes = Codes { upstream: status.to_string(), answered: status };
            drop(self.requests.get_or_create(&codes));
        }
        for (family, reasons) in
            [(&self.refused, &REFUSALS[..]), (&self.refused_samples, &rescue::REASONS[..])]
        {
            for reason in reasons {
                drop(family.get_or_create(&Reason { reason }));
            }
        }
    }
}
