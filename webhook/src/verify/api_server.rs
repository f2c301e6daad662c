//! The whole path: a pod of every profile, created in a dry run.

use std::{collections::BTreeMap, fs, sync::Arc};

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use contract::{annotations, names};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use webhook::config::Config;

use super::http;
use crate::arguments::Verify;

/// What the webhook begins a denial with.
const DENIED: &str = "cannot inject the remote-write sidecar";

pub(super) async fn check(arguments: &Verify, config: &Config) -> Result<Vec<String>, Vec<String>> {
    let server = Server::of(arguments).map_err(|problem| vec![problem])?;
    if config.profiles.is_empty() {
        return match create(&server, arguments, None).await {
            // No one has said where its samples go: the webhook was asked.
            Err(denied) if denied.contains(DENIED) => {
                Ok(vec!["no profile is set; API servers ask the webhook".to_owned()])
            }
            Err(problem) => Err(vec![problem]),
            Ok(()) => Ok(vec!["no profile is set; a pod is admitted, with a sidecar".to_owned()]),
        };
    }
    let (mut admitted, mut refused) = (Vec::new(), Vec::new());
    for profile in config.profiles.keys() {
        match create(&server, arguments, Some(profile)).await {
            Ok(()) => {
                admitted.push(format!("profile {profile}: a pod is admitted, with a sidecar"));
            }
            Err(problem) => refused.push(format!("profile {profile}: {problem}")),
        }
    }
    if refused.is_empty() { Ok(admitted) } else { Err(refused) }
}

/// The API server, as a pod knows it.
struct Server {
    host: String,
    port: u16,
    connector: TlsConnector,
    token: String,
}

impl Server {
    fn of(arguments: &Verify) -> Result<Self, String> {
        let read = |name: &str| {
            let file = arguments.service_account.join(name);
            fs::read(&file).map_err(|error| format!("read {}: {error}", file.display()))
        };
        let mut roots = RootCertStore::empty();
        let authorities = read("ca.crt")?;
        let authorities = CertificateDer::pem_slice_iter(&authorities).filter_map(Result::ok);
        roots.add_parsable_certificates(authorities);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            host: arguments.api_server_host.clone(),
            port: arguments.api_server_port,
            connector: TlsConnector::from(Arc::new(config)),
            token: String::from_utf8_lossy(&read("token")?).trim().to_owned(),
        })
    }

    async fn connect(&self) -> Result<TlsStream<TcpStream>, String> {
        let failed = |error: &dyn std::fmt::Display| {
            format!("connect to the API server {}:{}: {error}", self.host, self.port)
        };
        let name = ServerName::try_from(self.host.clone()).map_err(|error| failed(&error))?;
        let place = (self.host.as_str(), self.port);
        let stream = TcpStream::connect(place).await.map_err(|error| failed(&error))?;
        self.connector.connect(name, stream).await.map_err(|error| failed(&error))
    }
}

/// Creates a pod that asks, in a dry run; fails unless it has a sidecar.
async fn create(server: &Server, arguments: &Verify, profile: Option<&str>) -> Result<(), String> {
    let namespace = &arguments.namespace;
    let request = Request::post(format!("/api/v1/namespaces/{namespace}/pods?dryRun=All"))
        .header("host", &server.host)
        .header("authorization", format!("Bearer {}", server.token))
        .header("content-type", "application/json")
        .body(Body::from(pod(arguments, profile).to_string()))
        .map_err(|error| error.to_string())?;
    let (status, text) = http::send(server.connect().await?, request).await?;
    let answer: Value = serde_json::from_str(&text).unwrap_or_default();
    if status != StatusCode::CREATED {
        let message = answer.get("message").and_then(Value::as_str).unwrap_or(&text);
        return Err(format!("the API server refuses the pod ({status}): {message}"));
    }
    if has_sidecar(&answer) {
        return Ok(());
    }
    Err(format!(
        "the pod is created without a sidecar: API servers do not ask the webhook about such pods in namespace {namespace} (webhook.namespaceSelector, excludedNamespaces and objectSelector; test.namespace and test.podLabels choose other pods), or ignore that it does not answer (failurePolicy: Ignore)"
    ))
}

fn has_sidecar(pod: &Value) -> bool {
    ["/spec/initContainers", "/spec/containers"].iter().any(|containers| {
        let all = pod.pointer(containers).and_then(Value::as_array);
        let name = |container: &Value| container.get("name").cloned();
        all.is_some_and(|all| all.iter().any(|one| name(one) == Some(names::CONTAINER.into())))
    })
}

/// A pod of Prometheus that violates no policy, with the given profile.
fn pod(arguments: &Verify, profile: Option<&str>) -> Value {
    let labels: BTreeMap<_, _> = arguments.pod_labels.iter().cloned().collect();
    let mut annotations: BTreeMap<_, _> = arguments.pod_annotations.iter().cloned().collect();
    annotations.insert(annotations::INJECT.to_owned(), "true".to_owned());
    if let Some(profile) = profile {
        annotations.insert(annotations::PROFILE.to_owned(), profile.to_owned());
    }
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "prom-remotewrite-verify-",
            "namespace": arguments.namespace,
            "labels": labels,
            "annotations": annotations,
        },
        "spec": {
            "automountServiceAccountToken": false,
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": "prometheus",
                // Never pulled: nothing runs.
                "image": "prometheus:verify",
                "resources": {
                    "requests": {"cpu": "100m", "memory": "100Mi"},
                    "limits": {"cpu": "100m", "memory": "100Mi"},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": true,
                },
            }],
        },
    })
}
