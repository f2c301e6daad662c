//! Answers to whatever is no write.

use super::Connection;
use crate::{answer::Answer, http1::RequestHead};

impl Connection {
    pub(super) fn answer_ready(&self) -> Answer {
        let tokens = &self.shared.forwarder.tokens;
        match tokens.usable() {
            Some(_) => Answer::text(200, "a usable token is held"),
            None => Answer::text(503, format!("no usable token: {}", tokens.trouble())),
        }
    }

    pub(super) fn answer_metrics(&self, head: &RequestHead) -> Answer {
        let metrics = &self.shared.forwarder.metrics;
        metrics
            .in_flight_bytes
            .set(i64::try_from(self.shared.forwarder.memory.reserved()).unwrap_or(i64::MAX));
        let (kind, text) = if head.accepts_open_metrics {
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", metrics.open_metrics())
        } else {
            ("text/plain; version=0.0.4; charset=utf-8", metrics.text())
        };
        match text {
            Ok(text) => Answer::typed(200, kind, text),
            Err(error) => Answer::text(500, error.to_string()),
        }
    }
}

/// Prometheus shows it where its `url` has another path.
pub(super) fn nothing_here() -> Answer {
    let path = contract::names::WRITE_PATH;
    Answer::text(404, format!("there is nothing here: remote write goes to {path}"))
}

pub(super) fn not_allowed(allowed: &str) -> Answer {
    Answer::text(405, format!("only {allowed} is possible here")).with_field("allow", allowed)
}
