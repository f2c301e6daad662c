use super::*;

const OBJECT: &str = "11112222-3333-4444-5555-666677778888";

fn received(status: u16, body: &str) -> Received {
    Received { status, body: body.into(), ..Received::default() }
}

fn explained(received: &Received) -> Explanation {
    let claims = Claims { object: Some(OBJECT.into()), ..Claims::default() };
    explanation(received, "dce-1.westeurope-1.metrics.ingest.monitor.azure.com", Some(&claims))
        .unwrap()
}

#[test]
fn each_status_has_its_code_and_its_remedy() {
    const PAGE: &str = "<html><head><title>Blocked by policy</title></head></html>";
    for (status, body, code, words) in [
        (301, "", Code::Redirect, "INGESTION_URL"),
        (
            400,
            r#"{"error":{"code":"InvalidRequestPath","message":"The request path is invalid."}}"#,
            Code::InvalidRequestPath,
            "INGESTION_URL",
        ),
        (
            400,
            r#"{"error":{"code":"BadRequest","message":"The api-version '2020' is not supported."}}"#,
            Code::InvalidRequestPath,
            "/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=",
        ),
        (400, "label value too long", Code::ContentRefused, "label value too long"),
        (400, PAGE, Code::Intermediary, "Blocked by policy"),
        (401, "", Code::TokenRejected, "INGESTION_AAD_AUDIENCE"),
        (404, "", Code::RuleNotFound, "no reason is given"),
        (404, PAGE, Code::Intermediary, "firewall"),
        (405, "", Code::Intermediary, "something between"),
        (407, "", Code::ProxyAuthenticationRequired, "HTTPS_PROXY"),
        (409, "conflict", Code::ContentRefused, "conflict"),
        (413, "", Code::TooLarge, "max_samples_per_send"),
        (413, PAGE, Code::TooLarge, "something between"),
        (415, "", Code::MessageVersion, "protobuf_message"),
        (421, "", Code::Intermediary, "something between"),
        (422, "x", Code::ContentRefused, "batch"),
        (429, "", Code::Throttled, "data collection rule (15,000 requests"),
        (431, "", Code::Intermediary, "something between"),
        (451, PAGE, Code::Intermediary, "Blocked by policy"),
        (500, "", Code::AzureUnavailable, "retries it"),
        (503, PAGE, Code::Intermediary, "Blocked by policy"),
        (
            503,
            "upstream connect error or disconnect/reset before headers",
            Code::Intermediary,
            "mesh",
        ),
    ] {
        let Explanation { code: found, text } = explained(&received(status, body));
        assert_eq!(found, code, "{status} {body}: {text}");
        assert!(text.contains(words) && !text.contains('\n'), "{status} {body}: {text}");
    }
    assert_eq!(explanation(&received(204, ""), "host", None), None);
}

#[test]
fn the_logs_endpoint_is_recognised_by_its_host() {
    for (status, body) in [(400, r#"{"error":{"code":"InvalidRequestPath"}}"#), (404, "")] {
        let refused = received(status, body);
        let host = "dce-1.westeurope-1.ingest.monitor.azure.com";
        let Explanation { code, text } = explanation(&refused, host, None).unwrap();
        assert_eq!(code, Code::LogsEndpoint);
        assert!(text.contains("is the endpoint for logs") && text.contains("INGESTION_URL"));
    }
}

#[test]
fn a_token_for_queries_is_recognised_by_its_audience() {
    let claims = Claims {
        audience: Some("https://prometheus.monitor.azure.com".into()),
        ..Claims::default()
    };
    let found = explanation(&received(401, ""), "host", Some(&claims)).unwrap();
    assert_eq!(found.code, Code::QueryAudience);
    assert!(found.text.contains("INGESTION_AAD_AUDIENCE"), "{}", found.text);
}

#[test]
fn product_and_request_ids_are_logged() {
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut refused = received(403, "");
    refused.fields = vec![
        field("server", "squid/6.1"),
        field("via", "1.1 proxy.example"),
        field("x-ms-request-id", "id-1"),
        field("x-ms-correlation-request-id", "id-2"),
    ];
    let text = explained(&refused).text;
    assert!(text.contains("(server: squid/6.1, via: 1.1 proxy.example)"), "{text}");
    assert!(text.ends_with("(x-ms-request-id: id-1, x-ms-correlation-request-id: id-2)"), "{text}");
}

#[test]
fn a_clock_that_is_off_is_named_beside_the_refusal() {
    let date = ("date".to_owned(), "Thu, 01 Jan 1970 00:00:00 GMT".to_owned());
    let refused = Received { fields: vec![date], ..received(401, "") };
    let off = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    assert!(skew(&refused, off(3600)).starts_with("; this node's clock is 60 min ahead of"));
    assert_eq!(skew(&refused, off(60)), "");
    assert_eq!(skew(&received(401, ""), off(3600)), "");
}

#[test]
fn foreign_words_stay_on_one_short_line() {
    let text = explained(&received(400, &format!("one\r\ntwo \"2\" {}", "x".repeat(9000)))).text;
    assert!(text.contains(r#"one two \"2\""#), "{text}");
    assert!(!text.contains('\n') && text.len() < 1000);
}

#[test]
fn a_compressed_refusal_is_said_to_be_one() {
    let refused = Received { status: 403, body: vec![0x1f, 0x8b, 8, 0], ..Received::default() };
    let Explanation { code, text } = explained(&refused);
    assert_eq!(code, Code::ForbiddenWithoutReason);
    assert!(text.contains("compressed (gzip)"), "{text}");
}
