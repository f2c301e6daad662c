//! The meaning of a rejection, and its fix. Pure.
//!
//! A response is classified once, into a [`Code`] and a text. The text goes into
//! the log; `check` shows both.

mod access;
mod code;
mod failure;
mod quote;
mod request;

use std::time::{Duration, SystemTime};

use contract::DestinationName;

pub use self::code::Code;
pub(crate) use self::failure::{no_answer, no_answer_from};
use self::quote::{Kind, Text};
use crate::{clock, identity::Claims, upstream::Received};

/// A cause and its remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Explanation {
    pub(crate) code: Code,
    /// One line: the cause, what to do, and the text of the response itself.
    pub(crate) text: String,
}

/// A line for the log about a refusal; `None` where there is nothing to explain.
pub(crate) fn refusal(received: &Received, host: &str, claims: Option<&Claims>) -> Option<String> {
    explanation(received, host, claims).map(|explanation| explanation.text)
}

/// What a line about a refusal ends with if our clock may be the reason.
pub(crate) fn skew(received: &Received, now: SystemTime) -> String {
    let skew = received.field("date").and_then(|date| clock::skew(date, now));
    skew.map_or_else(String::new, |skew| format!("; {skew}"))
}

/// The meaning of a rejection by `host` for the holder of a token with these claims;
/// `None` where there is nothing to explain.
pub(crate) fn explanation(
    received: &Received,
    host: &str,
    claims: Option<&Claims>,
) -> Option<Explanation> {
    let context = Context { received, host, claims };
    let text = Text::of(received);
    let explanation = match received.status {
        300..=399 => context.azure(
            Code::Redirect,
            &format!(
                "{host} redirects, which an ingestion endpoint never does: check INGESTION_URL, and whether a proxy is in between"
            ),
            &text,
        ),
        400 => request::bad_request(&context, &text),
        401 => unauthorized(&context, &text),
        403 => access::forbidden(&context, &text),
        404 => request::not_found(&context, &text),
        407 => context.unknown(Code::ProxyAuthenticationRequired, LOGIN, &text),
        409 | 422 => request::content(&context, &text),
        413 => context.azure(Code::TooLarge, &too_large(host, &text), &text),
        415 => context.azure(Code::MessageVersion, MESSAGE_VERSION, &text),
        429 => context.azure(Code::Throttled, &throttled(received), &text),
        402..=499 => context.between(&text),
        500..=599 if is_intermediary(received, &text) => context.between(&text),
        500..=599 => context.azure(
            Code::AzureUnavailable,
            "Azure cannot process the request just now; Prometheus retries it",
            &text,
        ),
        _ => return None,
    };
    Some(explanation)
}

/// `text` with the variables of the destination of this name, if it has one.
pub(crate) fn with_variables_of(name: Option<&str>, text: &str) -> String {
    let name = name.and_then(|name| name.parse::<DestinationName>().ok());
    name.map_or_else(|| text.to_owned(), |name| name.in_text(text))
}

/// The text of a response, in quotation marks.
pub(crate) fn quoted(received: &Received) -> String {
    Text::of(received).quoted("Azure")
}

/// Whether a rejection is about the request, whatever its content.
pub(crate) fn concerns_request(received: &Received) -> bool {
    request::concerns_request(&Text::of(received))
}

/// Whether a rejection states that the write is empty.
pub(crate) fn concerns_emptiness(received: &Received) -> bool {
    request::concerns_emptiness(&Text::of(received))
}

/// The context of a response, besides its text.
struct Context<'a> {
    received: &'a Received,
    host: &'a str,
    claims: Option<&'a Claims>,
}

impl Context<'_> {
    /// Azure answered.
    fn azure(&self, code: Code, cause: &str, text: &Text) -> Explanation {
        self.explain(code, cause, &text.quoted("Azure"))
    }

    /// Azure or something else answered.
    fn unknown(&self, code: Code, cause: &str, text: &Text) -> Explanation {
        let who = quote::products(self.received);
        self.explain(code, cause, &format!("{}{who}", text.quoted("the answer")))
    }

    /// Something that is not Azure answered.
    fn between(&self, text: &Text) -> Explanation {
        let (status, host) = (self.received.status, self.host);
        let cause = format!(
            "{status} does not come from Azure Monitor, but from something between the pod and {host}, such as a firewall, a service mesh or a proxy: let writes to {host} pass there, without TLS inspection"
        );
        self.unknown(Code::Intermediary, &cause, text)
    }

    fn explain(&self, code: Code, cause: &str, said: &str) -> Explanation {
        let ids = quote::request_ids(self.received);
        Explanation { code, text: format!("{cause}: {said}{ids}") }
    }
}

/// Azure's own answers of these statuses have JSON in them or nothing.
fn is_intermediary(received: &Received, text: &Text) -> bool {
    let is_mesh = received.field("server").is_some_and(|server| server.contains("envoy"));
    text.kind == Kind::Html || is_mesh || text.mentions(&["upstreamconnecterror"])
}

/// The audience of queries is another one, and people mix them up.
const QUERY_RESOURCE: &str = "prometheus.monitor.azure.";

fn unauthorized(context: &Context<'_>, text: &Text) -> Explanation {
    let audience = context.claims.and_then(|claims| claims.audience.as_deref());
    if let Some(audience) = audience.filter(|audience| audience.contains(QUERY_RESOURCE)) {
        let cause = format!(
            "the token is for queries ({audience}), and ingestion needs one for https://monitor.azure.com/: correct INGESTION_AAD_AUDIENCE, or unset it"
        );
        return context.azure(Code::QueryAudience, &cause, text);
    }
    let audience = audience.map(|audience| format!(" (it is for {audience})")).unwrap_or_default();
    let cause = format!(
        "Azure does not accept the token{audience}: check CLOUD and INGESTION_AAD_AUDIENCE, and that identity and data collection rule are in the same tenant"
    );
    context.azure(Code::TokenRejected, &cause, text)
}

const MESSAGE_VERSION: &str = "Azure does not accept this kind of message: set protobuf_message to prometheus.WriteRequest in Prometheus' remote_write";

const LOGIN: &str = "a proxy between the pod and Azure asks for a user and a password: name it in HTTPS_PROXY as http://USER:PASSWORD@HOST:PORT";

fn too_large(host: &str, text: &Text) -> String {
    let who = match text.kind {
        Kind::Html => format!("something between the pod and {host} accepts"),
        _ => "Azure accepts (1 MiB compressed)".to_owned(),
    };
    format!(
        "the batch is larger than {who}: lower max_samples_per_send in Prometheus' remote_write queue_config"
    )
}

fn throttled(received: &Received) -> String {
    let after = received.field("retry-after").map(|after| format!(" (Retry-After: {after})"));
    format!(
        "Azure throttles: a limit of the workspace (events a minute, active series) or of the data collection rule (15,000 requests and 50 GB a minute) is reached{}; raise the workspace's limits, send fewer series, or use one rule for each large cluster",
        after.unwrap_or_default()
    )
}

/// Prometheus has not written yet.
pub(crate) fn no_write_yet(after: Duration, port: u16, path: &str) -> String {
    format!(
        "no write has arrived in {} s: does remote_write of Prometheus' configuration have url: http://localhost:{port}{path}?",
        after.as_secs()
    )
}

#[cfg(test)]
mod tests;
