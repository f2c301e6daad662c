//! What one attempt to get a token came to, if not to a token.
//!
//! The error bodies of Entra and of the instance metadata service are read
//! here and not by `azure_identity`, which loses status and code of an answer
//! whose description holds a JSON escape, as most of Entra's do.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::{clock, dial::DialError, http1::retry_after, redact};

/// How the one HTTP exchange of an attempt failed.
///
/// It travels as the innermost cause of the error that `azure_identity`
/// returns: see [`Failure::within`].
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Failure {
    /// No connection: blocked, refused, an unknown name, a bad certificate.
    #[error("failed to connect to {host}: {cause}")]
    Unreachable {
        /// Host and port that were tried.
        host: String,
        /// The innermost reason, in the system's words.
        cause: String,
        /// What failed on the way.
        at: Hop,
    },
    /// Nothing to verify a token proxy's certificate with.
    #[error("cannot use the CA of the token proxy: {reason}")]
    NoRoots {
        /// What is wrong with it.
        reason: String,
    },
    /// The connection broke before the answer was whole.
    #[error("no whole answer from {host}: {cause}")]
    Broken {
        /// Host and port that were asked.
        host: String,
        /// The innermost reason, in the system's words.
        cause: String,
    },
    /// No whole answer within the time for one attempt.
    #[error("no answer from {host} within {} s", .after.as_secs())]
    TimedOut {
        /// Host and port that were asked.
        host: String,
        /// The time for one attempt.
        after: Duration,
    },
    /// An answer with another status than 2xx.
    #[error("refused by {host}")]
    Refused {
        /// Host and port that answered.
        host: String,
        /// What it answered.
        answer: Box<Answer>,
    },
    /// A 2xx answer that holds no token: something else answered.
    #[error("got an answer without a token from {host}")]
    NoToken {
        /// Host and port that answered.
        host: String,
        /// The answer's status.
        status: StatusCode,
    },
    /// A token that nothing is said of when it ends.
    #[error("got a token from {host} without its expiry")]
    NoEnd {
        /// Host and port that answered.
        host: String,
    },
}

/// What a connection failed at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hop {
    /// The name, the network or the host.
    Network,
    /// The forward proxy: it cannot be reached, or answered this status.
    Proxy(Option<u16>),
    /// The service's certificate is not accepted, with these roots in use.
    Certificate(String),
}

impl Hop {
    /// The roots in use, if the service's certificate is not accepted.
    pub(super) fn untrusted(&self) -> Option<&str> {
        match self {
            Self::Certificate(roots) => Some(roots),
            Self::Network | Self::Proxy(_) => None,
        }
    }
}

impl From<&DialError> for Hop {
    fn from(error: &DialError) -> Self {
        match error {
            DialError::Proxy { .. } => Self::Proxy(None),
            DialError::Refused { status, .. } => Self::Proxy(Some(*status)),
            error => match error.untrusted() {
                Some(roots) => Self::Certificate(roots.to_owned()),
                None => Self::Network,
            },
        }
    }
}

impl Failure {
    /// The failure that caused `error`, if one did.
    pub(super) fn within(error: &azure_core::Error) -> Option<&Self> {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(current) = cause {
            if let Some(failure) = current.downcast_ref() {
                return Some(failure);
            }
            cause = current.source();
        }
        None
    }
}

/// A refusal, read as far as it can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The status.
    pub(super) status: StatusCode,
    /// The OAuth error, such as `invalid_client`.
    pub(super) error: Option<String>,
    /// The first sentence of the description, or of a body that is no JSON.
    pub(super) description: String,
    /// Entra's `AADSTS` code.
    pub(super) code: Option<u32>,
    /// How long the service wants to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// That our clock is far from its own, in words.
    pub(super) skew: Option<String>,
    /// What answers, by its own words: the header `Server`.
    pub(super) server: Option<String>,
    /// The ids by which Microsoft's support finds the request.
    pub(super) support: Option<String>,
}

impl Answer {
    /// Reads a refusal; `now` is what dates in its headers are compared with.
    pub(super) fn read(
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        now: SystemTime,
    ) -> Self {
        let answer = Self {
            status,
            error: None,
            description: String::new(),
            code: None,
            retry_after: header(headers, "retry-after").and_then(|value| retry_after(value, now)),
            skew: header(headers, "date").and_then(|date| clock::skew(date, now)),
            server: header(headers, "server").map(shown),
            support: None,
        };
        let request_id = header(headers, "x-ms-request-id");
        let Ok(json) = serde_json::from_slice::<Value>(body) else {
            let description = first_sentence(&String::from_utf8_lossy(body));
            return Self { description, support: support_ids(request_id, None), ..answer };
        };
        // IMDS nests code and message below `error` where its own gateway answers.
        let text = |pointer| json.pointer(pointer).and_then(Value::as_str);
        let error = text("/error").or_else(|| text("/error/code")).map(shown);
        // An API server's answers have their message at the top.
        let whole = ["/error_description", "/error/message", "/message"];
        let whole = whole.into_iter().find_map(text).unwrap_or("");
        let code = json
            .pointer("/error_codes/0")
            .and_then(Value::as_u64)
            .and_then(|code| code.try_into().ok())
            .or_else(|| aadsts_code(whole));
        let trace = text("/trace_id").or_else(|| named(whole, "Trace ID:")).or(request_id);
        let correlation = text("/correlation_id").or_else(|| named(whole, "Correlation ID:"));
        let support = support_ids(trace, correlation);
        Self { error, description: first_sentence(whole), code, support, ..answer }
    }
}

/// The number behind the first `AADSTS` of a text.
fn aadsts_code(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("AADSTS")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// The word behind a name in a description.
fn named<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split_once(name)?.1.split_whitespace().next()
}

/// `trace id …, correlation id …`, as far as they are ids.
fn support_ids(trace: Option<&str>, correlation: Option<&str>) -> Option<String> {
    /// A GUID has 36 letters.
    const MAX_LENGTH: usize = 64;
    let allowed = |id: &&str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':');
        (1..=MAX_LENGTH).contains(&id.len()) && id.bytes().all(plain) && !id.contains("eyJ")
    };
    let shown = |name: &str, id: Option<&str>| id.filter(allowed).map(|id| format!("{name} {id}"));
    let ids = [shown("trace id", trace), shown("correlation id", correlation)];
    let ids: Vec<String> = ids.into_iter().flatten().collect();
    (!ids.is_empty()).then(|| ids.join(", "))
}

/// A description up to the lines that name a trace: those are for support, and
/// differ each time, so that equal errors would not look equal.
fn first_sentence(text: &str) -> String {
    let end =
        ["\r", "\n", " Trace ID:"].iter().filter_map(|mark| text.trim_start().find(mark)).min();
    let line = text.trim_start();
    shown(line.get(..end.unwrap_or(line.len())).unwrap_or(line))
}

/// Longer text is cut: it must fit in a log line.
const MAX_SHOWN_CHARS: usize = 400;

/// What may be shown of a stranger's text: no control characters, no secrets,
/// not too much.
fn shown(text: &str) -> String {
    let text = redact::text(text, &[]);
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().filter(|c| !c.is_control()).take(MAX_SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests;
