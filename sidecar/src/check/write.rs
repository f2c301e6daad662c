//! A write that stores nothing, and what its answer tells.

use std::time::{Duration, SystemTime};

use contract::Settings;
use tokio::time::Instant;

use super::{report::Found, span::span};
use crate::{
    explain,
    identity::{Claims, Token},
    outcome::describe,
    upstream::{Received, Upstream},
};

/// A `prometheus.WriteRequest` without anything in it has no bytes, and no
/// bytes are this to snappy: their number.
const EMPTY_WRITE: &[u8] = &[0];
/// What Prometheus sends with a write of version 1.
const HEADERS: &str = concat!(
    "content-encoding: snappy\r\n",
    "content-type: application/x-protobuf\r\n",
    "user-agent: prom-remotewrite/",
    env!("CARGO_PKG_VERSION"),
    "\r\n",
    "x-prometheus-remote-write-version: 0.1.0\r\n",
);
/// A larger difference shows; Entra forgives five minutes.
const FORGIVEN_SKEW: Duration = Duration::from_mins(1);

/// Posts an empty write with the token.
pub(super) async fn nothing(
    settings: &Settings,
    upstream: &Upstream,
    token: &Token,
) -> Found<Received> {
    let deadline = Instant::now() + settings.limits.upstream_timeout;
    let posted =
        upstream.post(HEADERS.as_bytes(), &token.authorization, EMPTY_WRITE, deadline).await;
    match posted {
        Ok(received) => judge(received, &settings.ingestion_url.host(), token.claims().as_ref()),
        Err(failure) => Found::failed(
            describe(&failure),
            format!(
                "the connection was open a moment ago: try again, and if it stays so look at what is between the pod and {}",
                settings.ingestion_url.host()
            ),
        ),
    }
}

/// What Azure answers to an empty write is not documented; a refusal of what
/// is in it comes after token, role and rule were looked at.
fn judge(received: Received, host: &str, claims: Option<&Claims>) -> Found<Received> {
    let status = received.status;
    let explained = explain::refusal(&received, host, claims)
        .unwrap_or_else(|| format!("something else than an ingestion endpoint answers at {host}"));
    match status {
        200..=299 => {
            Found::ok(received, format!("Azure answered {status}: reached and authorised"))
        }
        400 => {
            let said = explain::quoted(&String::from_utf8_lossy(&received.body));
            let seen =
                "Azure answered 400, since there is nothing in the write: reached and authorised";
            Found::ok(received, format!("{seen}; {said}"))
        }
        429 => Found::ok(received, "Azure answered 429: reached and authorised, and throttled")
            .doubting([explained]),
        _ => Found::failed(format!("Azure answered {status}"), explained).but(received),
    }
}

/// Compares our clock with Azure's.
pub(super) fn compare_clocks(received: &Received, now: SystemTime) -> Found<()> {
    let theirs = received.field("date").and_then(|date| httpdate::parse_http_date(date).ok());
    let Some(theirs) = theirs else {
        return Found::ok((), "Azure's answer has no date to compare with");
    };
    let (difference, which) = match now.duration_since(theirs) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    let seen = if difference < Duration::from_secs(2) {
        "as Azure's".to_owned()
    } else {
        format!("{} {which} Azure's", span(difference))
    };
    let doubt = (difference > FORGIVEN_SKEW).then(|| {
        "set the node's clock (NTP): Entra forgives 5 minutes, and Azure drops samples that are 20 minutes off"
            .to_owned()
    });
    Found::ok((), seen).doubting(doubt)
}

#[cfg(test)]
mod tests;
