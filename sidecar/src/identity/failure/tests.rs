use http::{HeaderValue, header};

use super::*;

fn read(status: u16, body: &str) -> Answer {
    let status = StatusCode::from_u16(status).unwrap();
    Answer::read(status, &HeaderMap::new(), body.as_bytes(), SystemTime::UNIX_EPOCH)
}

#[test]
fn entras_answers_keep_code_and_first_sentence_in_every_form() {
    let sentence = "AADSTS700027: The certificate is not registered.";
    for description in [
        r"AADSTS700027: The certificate is not registered.\r\nTrace ID: 1\r\nCorrelation ID: 2",
        "AADSTS700027: The certificate is not registered. Trace ID: 1 Correlation ID: 2",
        "AADSTS700027: The certificate is not registered.",
    ] {
        for codes in ["", r#","error_codes":[700027]"#] {
            let body = format!(
                r#"{{"error":"invalid_client","error_description":"{description}"{codes}}}"#
            );
            let answer = read(401, &body);
            assert_eq!(answer.code, Some(700_027), "{body}");
            assert_eq!(answer.description, sentence, "{body}");
            assert_eq!(answer.error.as_deref(), Some("invalid_client"));
        }
    }
}

#[test]
fn other_bodies_are_shown_as_far_as_they_go() {
    assert_eq!(read(502, "<html>\r\n<p>proxy").description, "<html>");
    assert_eq!(read(500, "").description, "");
    assert_eq!(read(500, "[]").description, "");
    assert_eq!(read(403, "\u{1b}[31mno\u{7}").description, "[31mno");
    let nested = read(400, r#"{"error":{"code":"BadRequest","message":"Identity not found"}}"#);
    assert_eq!(nested.error.as_deref(), Some("BadRequest"));
    assert_eq!(nested.description, "Identity not found");
    assert!(read(500, &"word ".repeat(1_000)).description.len() <= MAX_SHOWN_CHARS);
}

#[test]
fn an_assertion_that_is_sent_back_is_not_shown() {
    for (secret, shown) in [
        ("eyJhbGciOiJQUzI1NiJ9.e30.sig", "…"),
        ("client_assertion=eyJhbGciOiJQUzI1NiJ9.x.y", "client_assertion=…"),
    ] {
        let body = format!(r#"{{"error_description":"AADSTS50027: bad {secret} here"}}"#);
        assert_eq!(read(400, &body).description, format!("AADSTS50027: bad {shown} here"));
    }
    assert_eq!(read(400, &"aB1".repeat(70)).description, "…");
}

#[test]
fn the_ids_for_a_support_case_are_kept() {
    let body = r#"{"error":"x","trace_id":"0a-1","correlation_id":"2b-3"}"#;
    assert_eq!(read(400, body).support.as_deref(), Some("trace id 0a-1, correlation id 2b-3"));
    let within = r#"{"error_description":"AADSTS1: No.\r\nTrace ID: 0a-1\r\nCorrelation ID: 2b-3\r\nTimestamp: x"}"#;
    assert_eq!(read(400, within).support.as_deref(), Some("trace id 0a-1, correlation id 2b-3"));
    let odd = r#"{"error":"x","trace_id":"eyJh.e30.sig","correlation_id":"2b 3"}"#;
    assert_eq!(read(400, odd).support, None);
    let headers = HeaderMap::from_iter([
        (header::HeaderName::from_static("x-ms-request-id"), HeaderValue::from_static("4c-5")),
        (header::SERVER, HeaderValue::from_static("envoy")),
    ]);
    let answer = Answer::read(StatusCode::BAD_GATEWAY, &headers, b"", SystemTime::UNIX_EPOCH);
    assert_eq!(answer.support.as_deref(), Some("trace id 4c-5"));
    assert_eq!(answer.server.as_deref(), Some("envoy"));
}

#[test]
fn a_clock_that_is_off_is_known_from_the_answers_date() {
    let date = HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT");
    let headers = HeaderMap::from_iter([(header::DATE, date)]);
    let skew = |seconds| {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Answer::read(StatusCode::BAD_REQUEST, &headers, b"", now).skew
    };
    assert!(skew(3600).is_some_and(|skew| skew.contains("clock is 60 min ahead")));
    assert_eq!(skew(60), None);
}
