//! What a refusal of Azure's means, and what to do about it. Pure.

mod failure;

use std::time::Duration;

pub(crate) use self::failure::{no_answer, no_tls};
use crate::{identity::Claims, upstream::Received};

/// The role without which nothing is accepted.
const ROLE: &str = "Monitoring Metrics Publisher (3913510d-42f4-4e42-8a64-420c390055eb)";

/// So much of Azure's own words is repeated.
const MAX_QUOTED_CHARS: usize = 300;

/// One sentence or two for a refusal; `None` where there is nothing to explain.
pub(crate) fn refusal(received: &Received, host: &str, claims: Option<&Claims>) -> Option<String> {
    let text = String::from_utf8_lossy(&received.body);
    let said = quoted(&text);
    let explanation = match received.status {
        400 => format!(
            "Azure refuses this batch or a part of it, and Prometheus will not send it again: {said}"
        ),
        401 => unauthorized(&said, claims),
        403 => forbidden(&text, &said, claims),
        404 => format!(
            "Azure knows no such data collection rule or stream: compare INGESTION_URL with the rule's immutable id and with \"Metrics ingestion\" of its endpoint ({host}): {said}"
        ),
        413 => format!(
            "the batch is larger than Azure takes (1 MiB compressed): lower max_samples_per_send in Prometheus' remote_write queue_config: {said}"
        ),
        415 => format!(
            "Azure does not take this kind of message: set protobuf_message to prometheus.WriteRequest in Prometheus' remote_write: {said}"
        ),
        429 => format!(
            "Azure throttles: the workspace's limit of events or series, or the endpoint's 15,000 requests a minute, is reached{}: {said}",
            received
                .field("retry-after")
                .map(|after| format!(" (come again after {after})"))
                .unwrap_or_default()
        ),
        300..=399 => format!(
            "{host} redirects, which an ingestion endpoint never does: is INGESTION_URL right, or a proxy in the way?"
        ),
        402..=499 => format!("Azure refused the batch: {said}"),
        500..=599 => format!("Azure is in trouble; Prometheus tries again: {said}"),
        _ => return None,
    };
    Some(explanation)
}

fn unauthorized(said: &str, claims: Option<&Claims>) -> String {
    let audience = claims
        .and_then(|claims| claims.audience.as_deref())
        .map(|audience| format!(" (it is for {audience})"))
        .unwrap_or_default();
    format!(
        "Azure does not accept the token{audience}: check CLOUD and INGESTION_AAD_AUDIENCE, and that identity and data collection rule are of one tenant; new tokens are tried as they come: {said}"
    )
}

/// A data collection endpoint says which of its checks failed.
fn forbidden(text: &str, said: &str, claims: Option<&Claims>) -> String {
    let says = |check: &str| text.contains(&format!("{check}: False"));
    let who = claims
        .and_then(|claims| claims.object.as_deref().or(claims.application.as_deref()))
        .map(|id| format!(" to {id}"))
        .unwrap_or_default();
    if says("IsDcrDceBindingValid") {
        return format!(
            "the data collection rule is not bound to this data collection endpoint: set the rule's endpoint, or use the URL of the endpoint that it has: {said}"
        );
    }
    format!(
        "the identity may not write: assign {ROLE}{who} on the data collection rule; it takes up to 30 minutes to apply, and until then nothing is lost that Prometheus' log and Azure's limit of 20 minutes on a sample's age allow: {said}"
    )
}

/// Azure's own words: the message if the body is its usual JSON, on one line,
/// cut.
pub(crate) fn quoted(text: &str) -> String {
    let json: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let message = json.as_ref().and_then(|json| json.pointer("/error/message")?.as_str());
    let words: Vec<&str> = message.unwrap_or(text).split_whitespace().collect();
    let line = words.join(" ");
    if line.is_empty() {
        return "no reason is given".to_owned();
    }
    let cut: String = line.chars().take(MAX_QUOTED_CHARS).collect();
    let more = if cut.len() < line.len() { "…" } else { "" };
    format!("Azure says {cut:?}{more}")
}

/// Prometheus has not written yet.
pub(crate) fn no_write_yet(after: Duration, port: u16) -> String {
    format!(
        "no write has arrived in {} s: does remote_write of Prometheus' configuration have url: http://localhost:{port}{}?",
        after.as_secs(),
        contract::names::WRITE_PATH
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(status: u16, body: &str) -> String {
        let received = Received { status, body: body.into(), ..Received::default() };
        let claims = Claims { object: Some("oid-1".into()), ..Claims::default() };
        refusal(&received, "dce.example", Some(&claims)).unwrap_or_default()
    }

    #[test]
    fn a_403_says_which_of_the_two_is_wrong() {
        let role = r#"{"error":{"code":"OperationFailed","message":"no access. AccessGranted: False, IsRbacPresent: False, IsDcrDceBindingValid: , x"}}"#;
        let text = explained(403, role);
        assert!(
            text.contains("Monitoring Metrics Publisher") && text.contains("to oid-1"),
            "{text}"
        );
        let binding = role.replace("IsDcrDceBindingValid: ", "IsDcrDceBindingValid: False");
        assert!(explained(403, &binding).contains("not bound to this data collection endpoint"));
    }

    #[test]
    fn foreign_words_stay_on_one_short_line() {
        let text = explained(400, &format!("line one\r\nline \"two\" {}", "x".repeat(10_000)));
        assert!(text.contains(r#"line one line \"two\""#), "{text}");
        assert!(!text.contains('\n') && text.len() < 1000);
        assert_eq!(explained(204, ""), "");
        assert!(explained(404, "").contains("no reason is given"));
    }
}
