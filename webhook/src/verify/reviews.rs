//! Reviews that are sent to one replica, as API servers send them.

use std::net::SocketAddr;

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use json_patch::Patch;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::{
    http,
    pods::{Case, Outcome},
    replicas::connect,
    trust::Trust,
};

/// Whether the replica that takes reviews at `address` admits a pod of every case.
pub(super) async fn check(
    address: SocketAddr,
    trust: &Trust,
    cases: &[Case],
) -> Result<(), Vec<String>> {
    let mut problems = Vec::new();
    for case in cases {
        let judged = match review(address, trust, &case.pod).await {
            Ok(outcome) => case.judged(&outcome).err(),
            // It would be the same for every case.
            Err(problem) => return Err(vec![problem]),
        };
        problems.extend(judged.map(|problem| format!("would not admit a pod: {problem}")));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Fails if API servers would not trust its certificate.
pub(super) async fn shake_hands(
    address: SocketAddr,
    trust: &Trust,
) -> Result<TlsStream<TcpStream>, String> {
    let stream = connect(address).await?;
    trust
        .connector
        .connect(trust.host.clone(), stream)
        .await
        .map_err(|error| format!("serves a certificate that API servers do not trust: {error}"))
}

async fn review(address: SocketAddr, trust: &Trust, pod: &Value) -> Result<Outcome, String> {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "helm-test",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "operation": "CREATE",
            "namespace": pod.pointer("/metadata/namespace"),
            "object": pod,
            "dryRun": true,
        },
    });
    let request = Request::post(&trust.path)
        .header("host", trust.host.to_str().as_ref())
        .header("content-type", "application/json")
        .body(Body::from(review.to_string()))
        .map_err(|error| error.to_string())?;
    let stream = shake_hands(address, trust).await?;
    let (status, text) = http::send(stream, request)
        .await
        .map_err(|error| format!("does not answer a review: {error}"))?;
    if status != StatusCode::OK {
        return Err(format!("answers a review with {status}: {}", text.trim()));
    }
    let answer: Value = serde_json::from_str(&text)
        .map_err(|error| format!("answers a review with something else: {error}"))?;
    outcome(&answer, pod).map_err(|problem| format!("answers a review with {problem}"))
}

fn outcome(answer: &Value, pod: &Value) -> Result<Outcome, String> {
    if answer.pointer("/response/allowed") != Some(&Value::Bool(true)) {
        let message = answer.pointer("/response/status/message").and_then(Value::as_str);
        return Ok(Outcome::Denied(message.unwrap_or("it is denied without a reason").to_owned()));
    }
    let mut admitted = pod.clone();
    if let Some(patch) = answer.pointer("/response/patch").and_then(Value::as_str) {
        let failed =
            |error: &dyn std::fmt::Display| format!("a patch that does not apply: {error}");
        let patch = BASE64_STANDARD.decode(patch).map_err(|error| failed(&error))?;
        let patch: Patch = serde_json::from_slice(&patch).map_err(|error| failed(&error))?;
        json_patch::patch(&mut admitted, &patch).map_err(|error| failed(&error))?;
    }
    Ok(Outcome::Admitted(admitted))
}
