//! The metrics ingestion endpoint.

use http::{HeaderMap, header, request::Parts};
use serde_json::json;

use super::{
    State, decode,
    faults::Answer,
    setup::{Rule, STREAM},
    store::Batch,
    tokens::{Minted, Refused},
};
use crate::{locked, machine::clock::since_epoch};

/// A larger body is refused by its announced length, compressed as it is.
///
/// Measured by users of the real endpoint: Azure/prometheus-collector#421.
const MAX_BODY: u64 = 1 << 20;

const TYPE_1: &str = "application/x-protobuf";
const TYPE_1_NAMED: &str = "application/x-protobuf;proto=prometheus.WriteRequest";
const TYPE_2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

/// What is refused before the body is read.
pub(super) fn early(state: &State, parts: &Parts) -> Option<Answer> {
    let length = parts.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()?;
    (length > MAX_BODY && bearer(state, &parts.headers).is_ok()).then(|| too_large(length))
}

/// Answers one request.
pub(super) fn answer(state: &State, parts: &Parts, body: &[u8]) -> Answer {
    match accept(state, parts, body) {
        Ok((batch, rule, minted)) => store(state, parts, batch, &rule, &minted),
        Err(answer) => answer,
    }
}

/// The batch, the rule it goes to, and the token it came with.
fn accept(state: &State, parts: &Parts, body: &[u8]) -> Result<(Batch, String, Minted), Answer> {
    let segments: Vec<&str> = parts.uri.path().split('/').skip(1).collect();
    let ["dataCollectionRules", rule, "streams", stream, "api", "v1", "write"] =
        segments.as_slice()
    else {
        return Err(refuse(404, "NotFound", "The requested path does not exist."));
    };
    if parts.method != http::Method::POST {
        return Err(refuse(405, "MethodNotAllowed", "Only POST is allowed."));
    }
    let minted = bearer(state, &parts.headers)?;
    let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
    if length > MAX_BODY {
        return Err(too_large(length));
    }
    let (known, remote_write_2) = {
        let setup = locked(&state.setup);
        (setup.rules.iter().find(|known| known.id == *rule).cloned(), setup.remote_write_2)
    };
    let known = known.filter(|_| *stream == STREAM).ok_or_else(|| {
        refuse(
            404,
            "NotFound",
            &format!("Data collection rule with immutable Id '{rule}' or its stream '{stream}' not found."),
        )
    })?;
    check_role(state, &known, &minted)?;
    let version_2 = version(&parts.headers, remote_write_2)?;
    let unreadable =
        |error: &dyn std::error::Error| refuse(400, "InvalidPayload", &with_causes(error));
    let bytes = decode::decompress(body).map_err(|error| unreadable(&error))?;
    let read = if version_2 { decode::version_2(&bytes) } else { decode::version_1(&bytes) };
    let batch = read.map_err(|error| unreadable(&error))?;
    check_poison(state, &batch)?;
    check_age(state, &batch)?;
    Ok((batch, known.id, minted))
}

/// The response of the real endpoint to an invalid series is not known; the least helpful
/// answer is played.
fn check_poison(state: &State, batch: &Batch) -> Result<(), Answer> {
    let poison = &locked(&state.setup).poison;
    let metrics = || batch.series.iter().filter_map(|(labels, _)| labels.get("__name__"));
    if metrics().any(|metric| poison.contains(metric)) {
        return Err(refuse(400, "InvalidPayload", "The batch cannot be stored."));
    }
    Ok(())
}

/// As Azure names the reason in its own metrics.
fn check_age(state: &State, batch: &Batch) -> Result<(), Answer> {
    let Some(max_age) = locked(&state.setup).max_sample_age else { return Ok(()) };
    let oldest = since_epoch(state.clock.now()).saturating_sub(max_age).as_millis();
    let mut times = batch.series.iter().flat_map(|(_, sent)| {
        let samples = sent.samples.iter().map(|sample| sample.timestamp);
        samples.chain(sent.histograms.iter().map(|histogram| histogram.timestamp))
    });
    if times.any(|time| u128::try_from(time).unwrap_or_default() < oldest) {
        let minutes = max_age.as_secs() / 60;
        let text = format!("A sample is older than {minutes} minutes.");
        return Err(refuse(400, "OldData", &text));
    }
    Ok(())
}

fn bearer(state: &State, headers: &HeaderMap) -> Result<Minted, Answer> {
    let refuse = |reason: &str| {
        refuse(401, "InvalidToken", &format!("The authentication token is invalid: {reason}."))
            .header("www-authenticate", "Bearer error=\"invalid_token\"")
    };
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(refuse("there must be one Authorization header"));
    };
    let text = value.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
    let text = text.ok_or_else(|| refuse("no bearer was sent"))?;
    let minted =
        state.tokens.check(text, state.clock.seconds()).map_err(|refused| match refused {
            Refused::Foreign => refuse("the signature is invalid"),
            Refused::Expired => refuse("the token has expired"),
            Refused::Revoked => refuse("the token was revoked"),
        })?;
    if !locked(&state.setup).audiences.contains(&minted.audience) {
        return Err(refuse(&format!("the audience '{}' is invalid", minted.audience)));
    }
    Ok(minted)
}

/// As the real endpoint words it (facts known from the logs endpoint).
fn check_role(state: &State, rule: &Rule, minted: &Minted) -> Result<(), Answer> {
    if rule.writers.contains(&minted.principal.client_id) {
        return Ok(());
    }
    let tenant = locked(&state.setup).tenant.clone();
    Err(refuse(
        403,
        "OperationFailed",
        &format!(
            "The authentication token provided does not have access to ingest data for the data collection rule with immutable Id '{}' PipelineAccessResult: AccessGranted: False, IsRbacPresent: False, IsDcrDceBindingValid: , DcrArmId: , Message: Required authorization action was not found for tenantId {tenant} objectId {} on resourceId .",
            rule.id, minted.principal.object_id
        ),
    ))
}

/// Whether it is version 2.0.
fn version(headers: &HeaderMap, accepts_2: bool) -> Result<bool, Answer> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let unsupported = |what: &str| refuse(415, "UnsupportedMediaType", what);
    if text(header::CONTENT_ENCODING) != "snappy" {
        return Err(unsupported("The content encoding must be snappy."));
    }
    let kind: String =
        text(header::CONTENT_TYPE).chars().filter(|letter| !letter.is_whitespace()).collect();
    match kind.as_str() {
        TYPE_1 | TYPE_1_NAMED => Ok(false),
        TYPE_2 if accepts_2 => Ok(true),
        _ => Err(unsupported("The content type must be application/x-protobuf.")),
    }
}

fn store(state: &State, parts: &Parts, batch: Batch, rule: &str, minted: &Minted) -> Answer {
    let (samples, histograms, exemplars) = batch.counts();
    let mut store = locked(&state.store);
    let workspace = store.entry(rule.to_owned()).or_default();
    workspace.add(batch, &minted.principal.client_id, &minted.audience);
    let answer = Answer { status: 204, ..Answer::default() };
    let version = parts.headers.get("x-prometheus-remote-write-version");
    if !version.is_some_and(|version| version.as_bytes().starts_with(b"2.")) {
        return answer;
    }
    answer
        .header("x-prometheus-remote-write-samples-written", samples.to_string())
        .header("x-prometheus-remote-write-histograms-written", histograms.to_string())
        .header("x-prometheus-remote-write-exemplars-written", exemplars.to_string())
}

fn too_large(length: u64) -> Answer {
    refuse(
        413,
        "ContentLengthLimitExceeded",
        &format!(
            "Maximum allowed content length: {MAX_BODY} bytes (1 MB). Provided content length: {length} bytes."
        ),
    )
}

fn refuse(status: u16, code: &str, message: &str) -> Answer {
    Answer::json(status, &json!({"error": {"code": code, "message": message}}))
}

fn with_causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
