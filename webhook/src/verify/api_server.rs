//! The API server: pods that are created in a dry run, the whole path; whom it trusts,
//! and which pods it asks the webhook about.

use std::fs;

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    http,
    pods::{Case, Outcome},
    selection,
    trust::connector,
};
use crate::arguments::Verify;

/// The webhook in the configuration.
const WEBHOOK: &str = "pods.inject.prom-remotewrite";

/// Why a pod that the webhook is asked about may have no sidecar.
const NOT_ANSWERED: &str = "API servers got no answer from the webhook and ignored that (failurePolicy: Ignore), or another webhook removed the sidecar";

/// The whole path, for every case.
pub(super) async fn check(
    server: &Server,
    arguments: &Verify,
    cases: &[Case],
) -> Result<Vec<String>, Vec<String>> {
    let (mut admitted, mut refused) = (Vec::new(), Vec::new());
    for case in cases {
        let judged = match create(server, &arguments.namespace, &case.pod).await {
            Ok(outcome) => case.judged(&outcome).map_err(|problem| match outcome {
                Outcome::Admitted(_) => format!("{problem}: {NOT_ANSWERED}"),
                Outcome::Denied(_) => problem,
            }),
            Err(problem) => Err(problem),
        };
        match judged {
            Ok(holds) => admitted.push(holds),
            Err(problem) => refused.push(problem),
        }
    }
    if refused.is_empty() { Ok(admitted) } else { Err(refused) }
}

/// The API server, as a pod knows it.
pub(super) struct Server {
    host: String,
    port: u16,
    connector: TlsConnector,
    token: String,
}

impl Server {
    /// By the files and variables of a pod.
    pub(super) fn of(arguments: &Verify) -> Result<Self, String> {
        let read = |name: &str| {
            let file = arguments.service_account.join(name);
            fs::read(&file).map_err(|error| format!("read {}: {error}", file.display()))
        };
        Ok(Self {
            host: arguments.api_server_host.clone(),
            port: arguments.api_server_port,
            connector: connector(&read("ca.crt")?)?,
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

    /// The answer's status and its JSON; null if it is none.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<(StatusCode, Value), String> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.host)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(Body::from(body))
            .map_err(|error| error.to_string())?;
        let (status, text) = http::send(self.connect().await?, request).await?;
        Ok((status, serde_json::from_str(&text).unwrap_or_default()))
    }
}

/// Creates a pod in a dry run.
async fn create(server: &Server, namespace: &str, pod: &Value) -> Result<Outcome, String> {
    let path = format!("/api/v1/namespaces/{namespace}/pods?dryRun=All");
    let (status, answer) = server.send(Method::POST, &path, pod.to_string()).await?;
    if status == StatusCode::CREATED {
        return Ok(Outcome::Admitted(answer));
    }
    let message = message(&answer);
    Ok(Outcome::Denied(format!("the API server rejects the pod ({status}): {message}")))
}

/// Our webhook, as the webhook configuration has it.
pub(super) async fn webhook(server: &Server, configuration: &str) -> Result<Value, String> {
    let path = format!(
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{configuration}"
    );
    let what = format!("MutatingWebhookConfiguration {configuration}");
    let found = read(server, &what, &path).await?;
    let mut webhooks = found.get("webhooks").and_then(Value::as_array).into_iter().flatten();
    let is_ours = |one: &&Value| one.get("name").and_then(Value::as_str) == Some(WEBHOOK);
    webhooks.find(is_ours).cloned().ok_or_else(|| format!("{what}: it has no webhook {WEBHOOK}"))
}

/// Why API servers never ask `webhook` about the test's pods: one sentence each.
///
/// # Errors
/// The namespace cannot be read.
pub(super) async fn exclusions(
    server: &Server,
    namespace: &str,
    webhook: &Value,
    cases: &[Case],
) -> Result<Vec<String>, String> {
    let path = format!("/api/v1/namespaces/{namespace}");
    let found = read(server, &format!("Namespace {namespace}"), &path).await?;
    let by_namespace = selection::excludes_namespace(webhook, namespace, labels(&found));
    // All pods have the same labels.
    let first = cases.first().map(|case| labels(&case.pod));
    let by_labels = first.and_then(|labels| selection::excludes_pods(webhook, labels));
    Ok(by_namespace.into_iter().chain(by_labels).collect())
}

async fn read(server: &Server, what: &str, path: &str) -> Result<Value, String> {
    let (status, answer) = server.send(Method::GET, path, String::new()).await?;
    if status == StatusCode::OK {
        return Ok(answer);
    }
    Err(format!("read {what} ({status}): {}", message(&answer)))
}

fn labels(object: &Value) -> &Value {
    object.pointer("/metadata/labels").unwrap_or(&Value::Null)
}

fn message(answer: &Value) -> &str {
    answer.get("message").and_then(Value::as_str).unwrap_or_default()
}
