//! A write that stores nothing, and what its answer tells.

use std::time::{Duration, SystemTime};

use contract::{Settings, names::env};
use http::HeaderValue;
use tokio::time::Instant;

use super::report::Found;
use crate::{
    clock::{difference, span},
    explain::{self, Code},
    identity::{Claims, Token},
    upstream::{Failure, Received, Upstream},
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
/// A larger difference is a warning, long before the five minutes that Entra forgives.
const TOLERATED_SKEW: Duration = Duration::from_mins(1);

/// Shown where an endpoint refuses the probe for a reason that is not known: to
/// see whether the real token made a difference.
const NO_TOKEN: HeaderValue = HeaderValue::from_static("Bearer none");

/// Posts an empty write with the token.
pub(super) async fn nothing(
    settings: &Settings,
    upstream: &Upstream,
    token: &Token,
) -> Found<Received> {
    let host = settings.ingestion_url.host();
    let received = match post(settings, upstream, &token.authorization).await {
        Ok(received) => received,
        Err(failure) => {
            let explanation = explain::no_answer_from(&failure, &host);
            return Found::explained(failure.describe(), explanation);
        }
    };
    let claims = token.claims();
    match judge(&received, &host, claims.as_ref()) {
        ProbeResult::Found(found) => found.but(received),
        ProbeResult::Unclear(said) => {
            let without = post(settings, upstream, &NO_TOKEN).await;
            compare_answers(without.ok().as_ref(), &received, &said).but(received)
        }
    }
}

async fn post(
    settings: &Settings,
    upstream: &Upstream,
    authorization: &HeaderValue,
) -> Result<Received, Failure> {
    let deadline = Instant::now() + settings.limits.upstream_timeout;
    upstream.post(HEADERS.as_bytes(), authorization, EMPTY_WRITE, deadline).await
}

/// What the answer to the probe shows.
enum ProbeResult {
    Found(Found<Received>),
    /// A refusal of the batch that does not say whether it is because the batch
    /// is empty; and what it says.
    Unclear(String),
}

/// What Azure answers to an empty write is not documented. An endpoint may
/// refuse it as a matter of course, which proves that the write reached it; or
/// refuse the request before it looks at the batch, which proves the opposite.
fn judge(received: &Received, host: &str, claims: Option<&Claims>) -> ProbeResult {
    let status = received.status;
    let seen = format!("Azure answered {status}");
    let Some(explanation) = explain::explanation(received, host, claims) else {
        let found = match status {
            200..=299 => Found::ok(received.clone(), format!("{seen}: reached and authorised")),
            _ => Found::failed(
                Code::Intermediary,
                seen,
                format!("something other than an ingestion endpoint answers at {host}"),
            ),
        };
        return ProbeResult::Found(found);
    };
    match explanation.code {
        Code::ContentRefused if explain::concerns_emptiness(received) => ProbeResult::Found(
            Found::ok(received.clone(), accepted(status, &explain::quoted(received))),
        ),
        Code::ContentRefused => ProbeResult::Unclear(explain::quoted(received)),
        Code::Throttled => ProbeResult::Found(
            Found::ok(received.clone(), format!("{seen}: reached and authorised, and throttled"))
                .with_warnings([(explanation.code, explanation.text)]),
        ),
        _ => ProbeResult::Found(Found::explained(seen, explanation)),
    }
}

/// What it shows that a write without a valid token is answered `without`, and
/// the one with the token `with`, which says `said`.
fn compare_answers(without: Option<&Received>, with: &Received, said: &str) -> Found<Received> {
    let status = with.status;
    match without.map(|received| received.status) {
        // The token is looked at first, so ours was accepted.
        Some(401 | 403) => Found::ok(with.clone(), accepted(status, said)),
        _ => Found::ok(with.clone(), format!("Azure answered {status} to an empty write; {said}"))
            .with_warnings([(
                Code::ProbeInconclusive,
                format!(
                    "this answer does not show whether writes with samples are accepted: compare {} with \"Metrics ingestion\" of the data collection endpoint, and look at the sidecar's log",
                    env::INGESTION_URL
                ),
            )]),
    }
}

fn accepted(status: u16, said: &str) -> String {
    format!(
        "Azure answered {status}, because there is nothing in the write: reached and authorised; {said}"
    )
}

/// Compares our clock with Azure's.
pub(super) fn compare_clocks(received: &Received, now: SystemTime) -> Found<()> {
    let compared = received.field("date").and_then(|date| difference(date, now));
    let Some((difference, direction)) = compared else {
        return Found::ok((), "Azure's answer has no date to compare with");
    };
    let seen = if difference < Duration::from_secs(2) {
        "as Azure's".to_owned()
    } else {
        format!("{} {direction} Azure's", span(difference))
    };
    let warning = (difference > TOLERATED_SKEW).then(|| {
        let remedy = "set the node's clock (NTP): Entra forgives 5 minutes, and Azure drops samples that are 20 minutes off";
        (Code::ClockSkew, remedy.to_owned())
    });
    Found::ok((), seen).with_warnings(warning)
}

#[cfg(test)]
mod tests;
