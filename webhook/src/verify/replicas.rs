//! Every replica: its version, and the configuration that it uses.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use axum::{body::Body, http::Request};
use serde_json::Value;
use tokio::net::{TcpStream, lookup_host};
use webhook::VERSION;

use super::http;
use crate::arguments::Verify;

/// A replica is in the same cluster.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn check(arguments: &Verify, hash: &str) -> Result<Vec<String>, Vec<String>> {
    let mut addresses: BTreeSet<SocketAddr> = BTreeSet::new();
    for place in &arguments.replicas_at {
        match lookup_host(place).await {
            Ok(found) => addresses.extend(found),
            Err(error) => return Err(vec![format!("look up the replicas, {place}: {error}")]),
        }
    }
    let mut problems = Vec::new();
    if addresses.len() < arguments.replicas {
        problems.push(format!("{} of {} replicas found", addresses.len(), arguments.replicas));
    }
    for address in &addresses {
        if let Err(problem) = check_one(*address, hash).await {
            problems.push(format!("replica {address} {problem}"));
        }
    }
    if problems.is_empty() {
        let count = addresses.len();
        Ok(vec![format!("replicas: {count}, each with version {VERSION} and configuration {hash}")])
    } else {
        Err(problems)
    }
}

async fn check_one(address: SocketAddr, hash: &str) -> Result<(), String> {
    let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address))
        .await
        .map_err(|_| "does not accept connections".to_owned())?
        .map_err(|error| format!("does not accept connections: {error}"))?;
    let request = Request::get("/config")
        .header("host", address.to_string())
        .body(Body::empty())
        .map_err(|error| error.to_string())?;
    let (status, text) =
        http::send(stream, request).await.map_err(|error| format!("does not answer: {error}"))?;
    let answer: Value = serde_json::from_str(&text)
        .map_err(|_| format!("answers {status}, and not which configuration it uses"))?;
    let text = |key| answer.get(key).and_then(Value::as_str).unwrap_or_default();
    if text("version") != VERSION {
        return Err(format!("has version {}, expected {VERSION}", text("version")));
    }
    if text("sha256") != hash {
        return Err(format!(
            "uses another configuration ({}, expected {hash}): kubelets deliver a changed ConfigMap within a minute or two",
            text("sha256")
        ));
    }
    Ok(())
}
