//! Why no token could be got, for people and for metrics.

mod kind;

use std::{fmt, time::Duration};

use contract::{Identity, names::env};
use http::StatusCode;

pub use self::kind::FetchErrorKind;
use super::{
    failure::{Answer, Failure},
    refusal::Refusal,
};

/// Why an attempt brought no token. Its text says what is wrong and what to do,
/// and never holds a token, an assertion or a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchError {
    /// What kept it from coming.
    pub kind: FetchErrorKind,
    /// How long the service wants to be left alone.
    pub retry_after: Option<Duration>,
    /// Whether it may pass by itself; otherwise somebody has to act first.
    pub transient: bool,
    /// Entra's `AADSTS` code.
    pub code: Option<u32>,
    explanation: String,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.explanation)
    }
}

impl std::error::Error for FetchError {}

impl FetchError {
    /// An error that waits for somebody's action.
    pub(super) fn lasting(kind: FetchErrorKind, explanation: impl Into<String>) -> Self {
        let explanation = explanation.into();
        Self { kind, retry_after: None, transient: false, code: None, explanation }
    }

    fn passing(kind: FetchErrorKind, explanation: impl Into<String>) -> Self {
        Self { transient: true, ..Self::lasting(kind, explanation) }
    }

    /// The error with more said about it.
    pub(super) fn and(mut self, addition: &str) -> Self {
        self.explanation.push_str("; ");
        self.explanation.push_str(addition);
        self
    }

    /// A 2xx answer that is none.
    fn no_answer_of_azures(managed: bool, explanation: String) -> Self {
        let kind = if managed { FetchErrorKind::ImdsRefused } else { FetchErrorKind::EntraRefused };
        Self::lasting(kind, explanation)
    }

    /// What a failed exchange means to `identity`.
    pub(super) fn explain(failure: &Failure, identity: &Identity) -> Self {
        let managed = identity.tenant_id().is_none();
        match failure {
            Failure::Unreachable { host, cause, tls } if managed => {
                imds_unreachable(host, cause, *tls)
            }
            Failure::Unreachable { host, cause, tls } => entra_unreachable(host, cause, *tls),
            Failure::Broken { .. } if managed => {
                Self::passing(FetchErrorKind::ImdsUnreachable, failure.to_string())
            }
            Failure::Broken { .. } => {
                Self::passing(FetchErrorKind::EntraUnreachable, failure.to_string())
            }
            Failure::TimedOut { .. } => Self::passing(
                FetchErrorKind::Timeout,
                format!(
                    "{failure}: it is in trouble, or something on the way, such as a firewall or a proxy, holds the answer back"
                ),
            ),
            Failure::Refused { answer, .. } if answer.status == StatusCode::TOO_MANY_REQUESTS => {
                throttled(failure, answer)
            }
            Failure::Refused { host, answer } if managed => imds_refused(host, answer, identity),
            Failure::Refused { host, answer } => entra_refused(host, answer),
            Failure::NoToken { host, status } => Self::no_answer_of_azures(
                managed,
                format!(
                    "{host} answered {status} without a token: something else than a token service answers there, such as a proxy's page"
                ),
            ),
            Failure::NoEnd { host } => Self::no_answer_of_azures(
                managed,
                format!(
                    "{host} answered with a token, but with neither expires_on nor expires_in that could be its end: something else than Azure's token service answers there"
                ),
            ),
        }
    }
}

fn imds_unreachable(host: &str, cause: &str, tls: bool) -> FetchError {
    let advice = if tls {
        "its certificate is not trusted"
    } else {
        "managed identities need it: let the pod reach it (AKS' IMDS restriction, a NetworkPolicy or a service mesh may block it), and run on an Azure node"
    };
    FetchError::passing(
        FetchErrorKind::ImdsUnreachable,
        format!("cannot reach the instance metadata service (IMDS) at {host}: {cause}; {advice}"),
    )
}

fn entra_unreachable(host: &str, cause: &str, tls: bool) -> FetchError {
    let advice = if tls {
        format!(
            "if a proxy or a private cloud has a root certificate of its own, name it in {}",
            env::SSL_CERT_FILE
        )
    } else {
        format!(
            "allow HTTPS to it (firewall, NetworkPolicy, DNS), set {} if a proxy is needed, and check {} and {}",
            env::HTTPS_PROXY,
            env::CLOUD,
            env::AZURE_AUTHORITY_HOST
        )
    };
    FetchError::passing(
        FetchErrorKind::EntraUnreachable,
        format!("cannot reach Entra at {host}: {cause}; {advice}"),
    )
}

fn throttled(failure: &Failure, answer: &Answer) -> FetchError {
    let explanation = format!("{failure}: it is asked too often (429){}", quoted(answer));
    FetchError {
        retry_after: answer.retry_after,
        ..FetchError::passing(FetchErrorKind::Throttled, explanation)
    }
}

/// IMDS answers 404 and 410 while it is updated, and 5xx when in trouble. What
/// Entra refuses it for, it passes on.
///
/// <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#error-handling>
fn imds_refused(host: &str, answer: &Answer, identity: &Identity) -> FetchError {
    let status = answer.status.as_u16();
    let (advice, transient) = match (answer.code.and_then(Refusal::of), status) {
        (Some(meaning), _) => (meaning.advice.to_owned(), meaning.passing),
        (None, 400) => (not_assigned(identity), false),
        (None, 403) => (
            "something on the way forbids it, such as AKS' IMDS restriction, a service mesh or AAD pod identity: exempt the pod".to_owned(),
            false,
        ),
        (None, 404 | 410) => ("it is being updated, or something else answers there".to_owned(), true),
        (None, 500..) => ("it has a passing trouble".to_owned(), true),
        (None, _) => ("something else seems to answer there".to_owned(), false),
    };
    let explanation = format!(
        "the instance metadata service (IMDS) at {host} gives no token ({status}){}: {advice}",
        quoted(answer)
    );
    FetchError {
        retry_after: answer.retry_after,
        transient,
        code: answer.code,
        ..FetchError::lasting(FetchErrorKind::ImdsRefused, explanation)
    }
}

fn not_assigned(identity: &Identity) -> String {
    match identity.client_id() {
        Some(id) => format!(
            "this node has no identity with client id {id}: assign it to the scale set of each node pool that the pod may run on (`az vmss identity assign`), or correct {}",
            env::AZURE_CLIENT_ID
        ),
        None => format!(
            "this node has no system-assigned identity, or has others beside it: set {}=userAssigned and {}, or enable it on the node pool's scale set",
            env::IDENTITY_TYPE,
            env::AZURE_CLIENT_ID
        ),
    }
}

fn entra_refused(host: &str, answer: &Answer) -> FetchError {
    let meaning = answer.code.and_then(Refusal::of);
    let status = answer.status;
    let passing = status.is_server_error()
        || status == StatusCode::REQUEST_TIMEOUT
        || meaning.is_some_and(|meaning| meaning.passing);
    let advice = match (meaning, answer.code) {
        (Some(meaning), _) => meaning.advice.to_owned(),
        (None, Some(code)) => format!("see https://login.microsoftonline.com/error?code={code}"),
        (None, None) if status.is_server_error() => "it has a passing trouble".to_owned(),
        (None, None) => "something else than Entra seems to answer there".to_owned(),
    };
    let explanation =
        format!("Entra at {host} gives no token ({}){}: {advice}", status.as_u16(), quoted(answer));
    FetchError {
        retry_after: answer.retry_after,
        transient: passing,
        code: answer.code,
        ..FetchError::lasting(FetchErrorKind::EntraRefused, explanation)
    }
}

/// What the service says, if it says something.
fn quoted(answer: &Answer) -> String {
    match (&answer.error, answer.description.as_str()) {
        (_, text) if !text.is_empty() => format!(", saying {text:?}"),
        (Some(error), _) => format!(", saying {error:?}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
