//! The API server: pods that are created in a dry run, the whole path; and whom it
//! trusts.

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
    trust::{Trust, connector},
};
use crate::arguments::Verify;

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
                Outcome::Admitted(_) => format!("{problem}: {}", not_asked(&arguments.namespace)),
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

fn not_asked(namespace: &str) -> String {
    format!(
        "API servers do not ask the webhook about such pods in namespace {namespace} (webhook.namespaceSelector, excludedNamespaces and objectSelector; test.namespace and test.podLabels choose other pods), or ignore that it does not answer (failurePolicy: Ignore)"
    )
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
    Ok(Outcome::Denied(format!("the API server refuses the pod ({status}): {message}")))
}

/// What API servers trust, as the webhook configuration has it.
pub(super) async fn trust(server: &Server, configuration: &str) -> Result<Trust, String> {
    let path = format!(
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{configuration}"
    );
    let (status, answer) = server.send(Method::GET, &path, String::new()).await?;
    if status != StatusCode::OK {
        let message = message(&answer);
        return Err(format!(
            "read MutatingWebhookConfiguration {configuration} ({status}): {message}"
        ));
    }
    Trust::of(&answer)
        .map_err(|problem| format!("MutatingWebhookConfiguration {configuration}: {problem}"))
}

fn message(answer: &Value) -> &str {
    answer.get("message").and_then(Value::as_str).unwrap_or_default()
}
