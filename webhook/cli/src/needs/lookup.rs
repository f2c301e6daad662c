//! Asks a cluster for what an injected pod needs there. No request of the webhook
//! ever waits for the Kubernetes API.

use std::{error::Error, time::Duration};

use kube::Client;
use serde_json::Value;

use super::{Fit, Need};

/// For one request, of which the longest is a page of pods: API servers themselves give up
/// after 60 s.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// The request, and its result.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    /// Kind, namespace and name.
    pub object: String,
    /// Whether it will do.
    pub fit: Fit,
}

/// Why something cannot be read.
#[derive(Clone, Debug)]
pub struct Unread {
    /// What is said of that.
    pub reason: String,
    /// Whether rights are missing.
    pub is_forbidden: bool,
}

impl Unread {
    /// The same, with the place where it was.
    #[must_use]
    pub fn at(self, place: &str) -> Self {
        Self { reason: format!("{place}: {}", self.reason), ..self }
    }
}

impl From<&kube::Error> for Unread {
    fn from(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => {
                Self { reason: status.message.clone(), is_forbidden: status.code == 403 }
            }
            kube::Error::Service(error) => with_causes(&**error).into(),
            other => with_causes(other).into(),
        }
    }
}

impl From<String> for Unread {
    fn from(reason: String) -> Self {
        Self { reason, is_forbidden: false }
    }
}

/// Looks for every need in `namespace`. Objects that may not be read are reported as a
/// warning.
pub async fn look(client: &Client, namespace: &str, needs: &[Need]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for need in needs {
        let (group, plural) = need.kind.path();
        let path = format!("{group}/namespaces/{namespace}/{plural}/{}", need.name);
        let fit = match get(client, &path).await {
            Ok(found) => need.judge(found.as_ref()),
            Err(Unread { reason, .. }) => {
                Fit::Doubtful(format!("could not be looked at: {reason}"))
            }
        };
        let object = format!("{} {namespace}/{}", need.kind.name(), need.name);
        findings.push(Finding { object, fit });
    }
    findings
}

/// The object at a path; `None` where there is none. Errors never hold its content,
/// which may be secret.
pub(crate) async fn get(client: &Client, path: &str) -> Result<Option<Value>, Unread> {
    let text = get_text(client, path, "application/json").await?;
    let read = |text: String| serde_json::from_str(&text).map_err(|_| "the response is not JSON");
    text.map(read).transpose().map_err(|error| error.to_owned().into())
}

/// What a path answers, in the form that is asked for; `None` where there is nothing.
pub(crate) async fn get_text(
    client: &Client,
    path: &str,
    accept: &str,
) -> Result<Option<String>, Unread> {
    let request = http::Request::get(path).header(http::header::ACCEPT, accept);
    let request = request.body(Vec::new()).map_err(|error| error.to_string())?;
    let late = |_| format!("no answer within {} s", ANSWERED_WITHIN.as_secs());
    let answer = tokio::time::timeout(ANSWERED_WITHIN, client.request_text(request)).await;
    match answer.map_err(late)? {
        Ok(text) => Ok(Some(text)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err((&error).into()),
    }
}

/// An error and its causes, each once: some texts have their cause in them. More lines
/// than one are an excerpt of the kubeconfig, which may be secret.
pub fn with_causes(error: &dyn Error) -> String {
    let first = |error: &dyn Error| error.to_string().lines().next().unwrap_or_default().to_owned();
    let mut text = first(error);
    let mut source = error.source();
    while let Some(cause) = source {
        let said = first(cause);
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = cause.source();
    }
    text
}
