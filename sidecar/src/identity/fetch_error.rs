//! Why no token could be got, for people and for metrics.

mod kind;
mod metadata;
mod token_proxy;

use std::{fmt, time::Duration};

use contract::{Identity, names::env};
use http::StatusCode;

pub use self::kind::FetchErrorKind;
use self::{
    metadata::{metadata_refused, metadata_unreachable},
    token_proxy::{token_proxy_refused, token_proxy_unreachable},
};
use super::{
    failure::{Answer, Failure, Hop},
    refusal::Refusal,
    service::TokenService,
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

    /// What a failed exchange with `service` means to `identity`.
    pub(super) fn explain(failure: &Failure, identity: &Identity, service: &TokenService) -> Self {
        let managed = matches!(service, TokenService::Imds(_) | TokenService::Platform);
        let (unreachable, refused) = if managed {
            (FetchErrorKind::ImdsUnreachable, FetchErrorKind::ImdsRefused)
        } else {
            (FetchErrorKind::EntraUnreachable, FetchErrorKind::EntraRefused)
        };
        let name = service.name();
        match failure {
            Failure::Unreachable { host, cause, at } => match service {
                TokenService::Imds(_) | TokenService::Platform => {
                    metadata_unreachable(service, host, cause, at.untrusted().is_some())
                }
                TokenService::TokenProxy(proxy) => {
                    token_proxy_unreachable(name, host, cause, at.untrusted(), proxy)
                }
                TokenService::Entra => entra_unreachable(host, cause, at),
            },
            Failure::NoRoots { .. } => Self::passing(unreachable, failure.to_string()),
            Failure::Broken { host, cause } => Self::passing(
                unreachable,
                format!("no whole answer from {name} at {host}: {cause}"),
            ),
            Failure::TimedOut { host, after } => timed_out(name, host, *after),
            Failure::Refused { host, answer } if answer.status == StatusCode::TOO_MANY_REQUESTS => {
                throttled(name, host, answer)
            }
            Failure::Refused { host, answer } => match service {
                TokenService::Imds(_) | TokenService::Platform => {
                    metadata_refused(service, host, answer, identity)
                }
                TokenService::TokenProxy(_) => token_proxy_refused(name, host, answer, identity),
                TokenService::Entra => entra_refused(host, answer),
            },
            Failure::NoToken { host, status } => Self::lasting(
                refused,
                format!(
                    "{host} answered {status} without a token: something other than a token service answers there, such as a proxy's page"
                ),
            ),
            Failure::NoEnd { host } => Self::lasting(
                refused,
                format!(
                    "{host} answered with a token, but without a valid expires_on or expires_in: something other than Azure's token service answers there"
                ),
            ),
        }
    }

    /// A refusal of a token, with what the service asks for and its ids.
    fn refused(kind: FetchErrorKind, answer: &Answer, transient: bool, text: String) -> Self {
        let error = Self {
            retry_after: answer.retry_after,
            transient,
            code: answer.code,
            ..Self::lasting(kind, text)
        };
        let support = answer.support.as_ref().map(|ids| format!("for a support case: {ids}"));
        answer.skew.iter().chain(&support).fold(error, |error, more| error.and(more))
    }
}

fn entra_unreachable(host: &str, cause: &str, at: &Hop) -> FetchError {
    let proxy = env::HTTPS_PROXY;
    let advice = match at {
        Hop::Certificate(_) => format!(
            "if a proxy or a private cloud has its own root certificate, name it in {}",
            env::SSL_CERT_FILE
        ),
        Hop::Proxy(Some(407)) => format!(
            "the proxy does not accept the user and password of {proxy}, or needs some: correct {proxy}"
        ),
        Hop::Proxy(Some(_)) => format!(
            "let the proxy pass CONNECT to that host, or correct {proxy} and {}",
            env::NO_PROXY
        ),
        Hop::Proxy(None) => format!(
            "check that the proxy is up, that the pod may look it up and connect to it, and that it is the right one for {proxy}"
        ),
        Hop::Network => format!(
            "allow HTTPS to it (firewall, NetworkPolicy, DNS), set {proxy} if a proxy is needed, and check {} and {}",
            env::CLOUD,
            env::AZURE_AUTHORITY_HOST
        ),
    };
    FetchError::passing(
        FetchErrorKind::EntraUnreachable,
        format!("cannot reach Entra at {host}: {cause}; {advice}"),
    )
}

fn timed_out(name: &str, host: &str, after: Duration) -> FetchError {
    let explanation = format!(
        "no answer from {name} at {host} within {} s: it has a problem, or something in between, such as a firewall or a proxy, delays its response",
        after.as_secs()
    );
    FetchError::passing(FetchErrorKind::Timeout, explanation)
}

fn throttled(name: &str, host: &str, answer: &Answer) -> FetchError {
    let explanation = format!("{name} at {host} throttles requests (429){}", quoted(answer));
    FetchError::refused(FetchErrorKind::Throttled, answer, true, explanation)
}

fn entra_refused(host: &str, answer: &Answer) -> FetchError {
    let meaning = answer.code.and_then(Refusal::of);
    let status = answer.status;
    let passing = status.is_server_error()
        || status == StatusCode::REQUEST_TIMEOUT
        || meaning.is_some_and(|meaning| meaning.transient);
    let advice = match (meaning, answer.code) {
        (Some(meaning), _) => meaning.advice.to_owned(),
        (None, Some(code)) => page_about(code),
        (None, None) if status.is_server_error() => "it has a temporary error".to_owned(),
        (None, None) => format!(
            "something other than Entra answers there, such as a firewall or a proxy: let requests to {host} pass it, without TLS inspection"
        ),
    };
    let explanation =
        format!("Entra at {host} gives no token ({}){}: {advice}", status.as_u16(), quoted(answer));
    FetchError::refused(FetchErrorKind::EntraRefused, answer, passing, explanation)
}

/// Where Microsoft says what a code means.
fn page_about(code: u32) -> String {
    format!("see https://login.microsoftonline.com/error?code={code}")
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
