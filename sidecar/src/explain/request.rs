//! The meaning of a 400 or a 404: the request itself is wrong, or what is in it.

use super::{
    Code, Context, Explanation,
    quote::{Kind, Text},
};
use contract::names::env;

/// Error codes of a request that Azure cannot read the batch of; letters and
/// digits only.
const REQUEST_CODES: [&str; 7] = [
    "invalidrequestpath",
    "invalidrequesturi",
    "invalidapiversion",
    "unsupportedapiversion",
    "missingapiversion",
    "invalidresourcetype",
    "noregisteredproviderfound",
];
/// The same in the words of messages.
const REQUEST_WORDS: [&str; 4] = ["request path", "api-version", "api version", "request uri"];
/// Possible responses of an endpoint to a write without samples.
const EMPTY_WORDS: [&str; 8] = [
    "empty",
    "no sample",
    "no series",
    "no timeseries",
    "no time series",
    "no data",
    "at least one",
    "nothing",
];
/// What a host for metrics has in its name, and one for logs has not.
const METRICS_LABEL: &str = ".metrics.";
const INGEST_SUFFIX: &str = ".ingest.monitor.azure.";
const SHAPE: &str = "https://DCE.REGION.metrics.ingest.monitor.azure.com/dataCollectionRules/DCR-IMMUTABLE-ID/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24";

pub(super) fn bad_request(context: &Context<'_>, text: &Text) -> Explanation {
    if text.kind == Kind::Html {
        return context.between(text);
    }
    if !concerns_request(text) {
        return content(context, text);
    }
    url(context, Code::InvalidRequestPath, text)
}

pub(super) fn not_found(context: &Context<'_>, text: &Text) -> Explanation {
    if text.kind == Kind::Html {
        return context.between(text);
    }
    if is_logs_endpoint(context.host) {
        return url(context, Code::LogsEndpoint, text);
    }
    let cause = format!(
        "Azure has no such data collection rule or stream: compare {} with the rule's immutable id and with \"Metrics ingestion\" of its endpoint ({})",
        env::INGESTION_URL,
        context.host
    );
    context.azure(Code::RuleNotFound, &cause, text)
}

/// Azure read the batch, and does not accept it.
pub(super) fn content(context: &Context<'_>, text: &Text) -> Explanation {
    context.azure(Code::ContentRefused, "Azure refuses this batch or a part of it", text)
}

/// Whether the text is about the request, and not about its content.
pub(super) fn concerns_request(text: &Text) -> bool {
    text.mentions(&REQUEST_CODES) || REQUEST_WORDS.iter().any(|words| text.lower.contains(words))
}

/// Whether the text states that the write is empty.
pub(super) fn concerns_emptiness(text: &Text) -> bool {
    EMPTY_WORDS.iter().any(|words| text.lower.contains(words))
}

fn is_logs_endpoint(host: &str) -> bool {
    host.contains(INGEST_SUFFIX) && !host.contains(METRICS_LABEL)
}

/// The URL is wrong.
fn url(context: &Context<'_>, code: Code, text: &Text) -> Explanation {
    let (name, host) = (env::INGESTION_URL, context.host);
    let cause = if is_logs_endpoint(host) {
        format!(
            "{host} is the endpoint for logs, which stores no metrics: set {name} to \"Metrics ingestion\" of the data collection endpoint's overview; it has the form {SHAPE}"
        )
    } else {
        format!(
            "path or api-version of {name} are wrong, so Azure stores nothing that is sent to {host}: the URL has the form {SHAPE}"
        )
    };
    let code = if is_logs_endpoint(host) { Code::LogsEndpoint } else { code };
    context.azure(code, &cause, text)
}
