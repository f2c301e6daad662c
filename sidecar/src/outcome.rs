//! The answer to Prometheus. Pure: Azure's response in, the sidecar's out.
//!
//! Prometheus permanently drops a batch on everything but 5xx (and 429, if configured),
//! and retries endlessly on 5xx:
//! <https://github.com/prometheus/prometheus/blob/main/storage/remote/client.go>. So
//! everything that time, an operator or the network can fix is answered 503, and only a
//! response that is about the batch itself is final ([`Received::meaning`]).

use std::time::{Duration, SystemTime};

use contract::ResponseMode;

use crate::{
    answer::Answer,
    http1::retry_after,
    rescue::Rescued,
    upstream::{Failure, Meaning, Received},
};

/// For a refusal that an operator fixes (a role, a certificate, a rule): often enough to
/// notice soon, seldom enough to be a small load.
const RETRY_REFUSED: Duration = Duration::from_secs(5);
/// For a token that is being fetched.
const RETRY_NO_TOKEN: Duration = Duration::from_secs(2);
/// For a batch that waits until another one is accepted.
const RETRY_WAITING: Duration = Duration::from_secs(2);
/// For one of our limits, or an upstream that names no time.
const RETRY_SOON: Duration = Duration::from_secs(1);
/// Prometheus waits for the time in `Retry-After`, even an hour, while Azure does not
/// accept samples that are older than 20 minutes; so it is kept short.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

/// The answer for Azure's response, or for the reason why there is none.
pub(crate) fn answer(
    result: &Result<Received, Failure>,
    mode: ResponseMode,
    now: SystemTime,
) -> Answer {
    match result {
        Ok(received) => answer_received(received, mode, now),
        Err(failure) => {
            let is_late = matches!(failure, Failure::Timeout | Failure::Unconnected);
            let status = if is_late { 504 } else { 503 };
            Answer::retry(status, RETRY_SOON, failure.describe())
        }
    }
}

/// There is no token, for the reason given.
pub(crate) fn no_token(reason: &str) -> Answer {
    Answer::retry(503, RETRY_NO_TOKEN, format!("no usable token: {reason}"))
}

/// One of our limits is reached.
pub(crate) fn busy(limit: &str) -> Answer {
    Answer::retry(503, RETRY_SOON, format!("{limit} is reached: retry later"))
}

fn answer_received(received: &Received, mode: ResponseMode, now: SystemTime) -> Answer {
    let protective = mode == ResponseMode::Protective;
    let asked = received.field("retry-after").and_then(|value| retry_after(value, now));
    let asked = asked.unwrap_or_default().clamp(RETRY_SOON, MAX_RETRY_AFTER);
    match (received.meaning(), received.status) {
        // A redirect would carry the token elsewhere.
        (Meaning::Unexpected, 300..=399) => Answer::text(
            502,
            format!(
                "the ingestion endpoint answered {}: redirects are not followed",
                received.status
            ),
        ),
        (Meaning::Unexpected, status) => {
            Answer::text(502, format!("the ingestion endpoint answered {status}"))
        }
        (Meaning::Retry, 500..=599) if protective && received.field("retry-after").is_some() => {
            passed_on(received).with_retry_after(asked)
        }
        (Meaning::Retry, 429) if protective => {
            passed_on(received).with_status(503).with_retry_after(asked)
        }
        (Meaning::Retry, 400..=499) if protective => {
            passed_on(received).with_status(503).with_retry_after(RETRY_REFUSED)
        }
        _ => passed_on(received),
    }
}

/// Azure's own answer, with a text where it has none: Prometheus logs it.
fn passed_on(received: &Received) -> Answer {
    let answer = Answer::passed_on(received);
    if received.meaning() == Meaning::Accepted || !received.body.trim_ascii().is_empty() {
        return answer;
    }
    let text = format!("the ingestion endpoint answered {} without a reason", received.status);
    answer.with_text(text)
}

/// The result for a batch of which Azure refused a part.
pub(crate) fn rescued(rescued: &Rescued, mode: ResponseMode, now: SystemTime) -> Answer {
    match rescued {
        Rescued::Answered(result) => answer(result, mode, now),
        Rescued::Settled { received, .. } | Rescued::Metadata(received) => passed_on(received),
        Rescued::Unfinished { text, is_waiting, .. } => {
            let after = if *is_waiting { RETRY_WAITING } else { RETRY_SOON };
            Answer::retry(503, after, text.as_str())
        }
        Rescued::AboutRequest(received) => {
            let said = String::from_utf8_lossy(&received.body);
            let text = format!(
                "the ingestion endpoint refuses every request, so this one is kept: check INGESTION_URL and the data collection rule; if these are right, every series of this batch is refused: fix them or drop them with write_relabel_configs; it answered {}: {}",
                received.status,
                said.trim()
            );
            Answer::retry(503, RETRY_REFUSED, text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dial::DialError;

    fn received(status: u16, fields: &[(&str, &str)]) -> Received {
        let fields =
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Received { status, fields, body: b"why".to_vec() }
    }

    #[test]
    fn every_row_of_the_table() {
        let check =
            |status: u16, field: Option<&str>, protective: (u16, Option<&str>), as_is: bool| {
                let fields: Vec<_> =
                    field.map(|value| ("retry-after", value)).into_iter().collect();
                let result = Ok(received(status, &fields));
                let now = SystemTime::UNIX_EPOCH;
                let reply = answer(&result, ResponseMode::Protective, now);
                assert_eq!((reply.status(), reply.field("retry-after")), protective, "{status}");
                let reply = answer(&result, ResponseMode::Transparent, now);
                if as_is {
                    assert_eq!(
                        (reply.status(), reply.field("retry-after")),
                        (status, field),
                        "{status}"
                    );
                }
            };
        check(200, None, (200, None), true);
        check(204, None, (204, None), true);
        for mended_in_time in
            (400..=499).filter(|status| ![400, 409, 413, 415, 422, 429].contains(status))
        {
            check(mended_in_time, None, (503, Some("5")), true);
        }
        check(429, None, (503, Some("1")), true);
        check(429, Some("7"), (503, Some("7")), true);
        check(429, Some("3600"), (503, Some("30")), true);
        check(429, Some("Thu, 01 Jan 1970 00:00:09 GMT"), (503, Some("9")), true);
        check(429, Some("soon"), (503, Some("1")), true);
        check(429, Some("0"), (503, Some("1")), true);
        check(503, Some("Thu, 01 Jan 1970 00:00:00 GMT"), (503, Some("1")), true);
        for r#final in [400, 409, 413, 415, 422] {
            check(r#final, None, (r#final, None), true);
        }
        check(500, None, (500, None), true);
        check(503, Some("7"), (503, Some("7")), true);
        check(503, Some("3600"), (503, Some("30")), true);
        check(500, Some("Thu, 01 Jan 1970 01:00:00 GMT"), (500, Some("30")), true);
        check(502, Some("soon"), (502, Some("1")), true);
        check(503, Some("-5"), (503, Some("1")), true);
        for redirect in [301, 302, 307, 308] {
            check(redirect, None, (502, None), false);
        }
        check(101, None, (502, None), false);
        check(600, None, (502, None), false);
        check(999, None, (502, None), false);
    }

    #[test]
    fn a_refusal_of_everything_says_what_to_do_whether_settings_or_series_are_wrong() {
        let refused = Rescued::AboutRequest(received(400, &[]));
        let reply = rescued(&refused, ResponseMode::Protective, SystemTime::UNIX_EPOCH);
        assert_eq!((reply.status(), reply.field("retry-after")), (503, Some("5")));
        let text = String::from_utf8_lossy(reply.body());
        for remedy in ["INGESTION_URL", "write_relabel_configs", "answered 400: why"] {
            assert!(text.contains(remedy), "{text}");
        }
    }

    #[test]
    fn without_an_answer_prometheus_tries_again() {
        let broken = || std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let dial = |error: fn(std::io::Error) -> DialError| Failure::from(error(broken()));
        for (failure, status) in [
            (dial(|source| DialError::Lookup { host: "x".into(), source }), 503),
            (dial(|source| DialError::Tls { host: "x".into(), roots: "y".into(), source }), 503),
            (Failure::Broken(broken()), 503),
            (Failure::Page(200), 503),
            (Failure::Timeout, 504),
            (Failure::Unconnected, 504),
            (Failure::NoMemory, 503),
        ] {
            let failed = Err(failure);
            for mode in [ResponseMode::Protective, ResponseMode::Transparent] {
                let reply = answer(&failed, mode, SystemTime::UNIX_EPOCH);
                assert_eq!((reply.status(), reply.field("retry-after")), (status, Some("1")));
            }
        }
    }
}
