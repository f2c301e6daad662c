//! Every replica: its version, the configuration that it uses, and whether it admits
//! pods as API servers would ask it.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use axum::{body::Body, http::Request};
use serde_json::Value;
use tokio::net::{TcpStream, lookup_host};
use webhook::VERSION;

use super::{http, pods::Case, reviews, trust::Trust};
use crate::arguments::Verify;

/// A replica is in the same cluster.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What replicas must agree with.
pub(super) struct Expected<'a> {
    /// The hash of the configuration.
    pub(super) hash: &'a str,
    /// How API servers call them.
    pub(super) trust: &'a Trust,
    /// What they must admit.
    pub(super) cases: &'a [Case],
}

pub(super) async fn check(
    arguments: &Verify,
    expected: &Expected<'_>,
) -> Result<Vec<String>, Vec<String>> {
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
    let mut unasked = 0;
    for address in &addresses {
        match check_one(*address, expected).await {
            Ok(Reviews::Admitted) => {}
            Ok(Reviews::NotAsked) => unasked += 1,
            Err(found) => {
                let found = found.into_iter();
                problems.extend(found.map(|problem| format!("replica {address} {problem}")));
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let (count, hash) = (addresses.len(), expected.hash);
    let each = format!(
        "replicas: {count}, each with version {VERSION}, configuration {hash} and a certificate that API servers trust"
    );
    let reviews = if unasked == 0 {
        "replicas: each admits a pod of every profile".to_owned()
    } else {
        format!(
            "replicas: {unasked} serve API servers only (webhook.clientCA) and were not asked for a review"
        )
    };
    Ok(vec![each, reviews])
}

/// What reviews showed.
enum Reviews {
    /// All pods are admitted.
    Admitted,
    /// It demands a client certificate, which only API servers have.
    NotAsked,
}

async fn check_one(address: SocketAddr, expected: &Expected<'_>) -> Result<Reviews, Vec<String>> {
    let in_use = in_use(address, expected.hash).await.map_err(|problem| vec![problem])?;
    let port = in_use.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
    let port = port.ok_or_else(|| vec!["does not report where it serves reviews".to_owned()])?;
    let reviewed_at = SocketAddr::new(address.ip(), port);
    if in_use.get("clientCertificate") == Some(&Value::Bool(true)) {
        let shaken = reviews::shake_hands(reviewed_at, expected.trust).await;
        return shaken.map(|_| Reviews::NotAsked).map_err(|problem| vec![problem]);
    }
    reviews::check(reviewed_at, expected.trust, expected.cases).await?;
    Ok(Reviews::Admitted)
}

/// What it says at `/config`, if it is this version with this configuration.
async fn in_use(address: SocketAddr, hash: &str) -> Result<Value, String> {
    let stream = connect(address).await?;
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
    Ok(answer)
}

/// A connection to a replica.
pub(super) async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address))
        .await
        .map_err(|_| format!("does not accept connections at port {}", address.port()))?
        .map_err(|error| format!("does not accept connections at port {}: {error}", address.port()))
}
