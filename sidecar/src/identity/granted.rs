//! A token service's answer, in the one form that `azure_identity` reads.
//!
//! Of Entra it wants `expires_in` and `ext_expires_in` as whole numbers, of a
//! metadata service `expires_on` as text, and `resource`. What stands in for either
//! elsewhere (proxies, emulators, other clouds) writes text for numbers, fractions,
//! or less than that, and its tokens are as good.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use azure_core::{credentials::AccessToken, time::OffsetDateTime};
use bytes::Bytes;
use serde_json::{Map, Value};

/// How old a token may be that a service answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// Minted for this answer: its life begins now, whatever a clock says.
    New,
    /// It may be one that the service keeps, of which only the end is sure.
    Any,
}

/// Ten years: Entra's longest tokens live for a day or so, and what is far longer
/// would overflow a date.
const MAX_LIFETIME: Duration = Duration::from_hours(10 * 365 * 24);

/// A token service's answer; `None` without a token, as of a captive portal's page.
pub(super) fn read(body: &[u8]) -> Option<Map<String, Value>> {
    let answer: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let token = answer.get("access_token").and_then(Value::as_str);
    token.is_some_and(|token| !token.is_empty()).then_some(answer)
}

/// The same answer with what is wanted; `None` if its token's end cannot be known.
pub(super) fn completed(
    mut answer: Map<String, Value>,
    age: Age,
    now: SystemTime,
) -> Option<Bytes> {
    let now = now.duration_since(UNIX_EPOCH).ok()?;
    let (end, left) = (seconds(&answer, "expires_on"), seconds(&answer, "expires_in"));
    let by_left = || Some(now.checked_add(left?)?.as_secs());
    let by_end = || Some(end?.as_secs());
    let end = match age {
        Age::New => by_left().or_else(by_end),
        Age::Any => by_end().or_else(by_left),
    }?;
    let left = end.saturating_sub(now.as_secs());
    if left > MAX_LIFETIME.as_secs() {
        return None;
    }
    answer.insert("expires_on".to_owned(), end.to_string().into());
    for name in ["expires_in", "ext_expires_in"] {
        answer.insert(name.to_owned(), left.into());
    }
    for (name, usual) in [("token_type", "Bearer"), ("resource", "")] {
        answer.entry(name).or_insert_with(|| usual.into());
    }
    serde_json::to_vec(&answer).ok().map(Bytes::from)
}

/// The token of a [`completed`] answer.
pub(super) fn token(completed: &[u8]) -> Option<AccessToken> {
    let answer: Value = serde_json::from_slice(completed).ok()?;
    let text = |name| answer.get(name).and_then(Value::as_str);
    let end = OffsetDateTime::from_unix_timestamp(text("expires_on")?.parse().ok()?).ok()?;
    Some(AccessToken::new(text("access_token")?.to_owned(), end))
}

/// A number of seconds, in whatever form.
fn seconds(answer: &Map<String, Value>, name: &str) -> Option<Duration> {
    let number = match answer.get(name)? {
        Value::String(text) => text.trim().parse().ok()?,
        other => other.as_f64()?,
    };
    Duration::try_from_secs_f64(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// End and rest of life that `azure_identity` is told at second 1000.
    fn granted(answer: &str, age: Age) -> Option<(String, u64)> {
        let answer = serde_json::from_str(answer).ok()?;
        let completed = completed(answer, age, UNIX_EPOCH + Duration::from_secs(1000))?;
        let granted: Value = serde_json::from_slice(&completed).unwrap();
        assert_eq!((&granted["token_type"], &granted["resource"]), (&"Bearer".into(), &"".into()));
        assert_eq!(granted["expires_in"], granted["ext_expires_in"]);
        Some((granted["expires_on"].as_str()?.to_owned(), granted["expires_in"].as_u64()?))
    }

    #[test]
    fn every_way_to_say_the_end() {
        for answer in [
            r#"{"expires_on":"4600"}"#,
            r#"{"expires_on":4600}"#,
            r#"{"expires_on":4600.5}"#,
            r#"{"expires_on":" 4600.0 "}"#,
            r#"{"expires_in":3600}"#,
            r#"{"expires_in":"3600"}"#,
            r#"{"expires_in":3600.0}"#,
            r#"{"expires_in":"3600.9","ext_expires_in":"x"}"#,
            r#"{"expires_on":"soon","expires_in":3600}"#,
            r#"{"expires_on":"4600","expires_in":-1}"#,
            r#"{"expires_on":null,"expires_in":3600,"token_type":"Bearer","resource":""}"#,
        ] {
            for age in [Age::New, Age::Any] {
                assert_eq!(granted(answer, age), Some(("4600".to_owned(), 3600)), "{answer}");
            }
        }
    }

    #[test]
    fn a_kept_token_ends_when_it_says_and_a_new_one_after_its_life() {
        let both = r#"{"expires_on":"2000","expires_in":"3600"}"#;
        assert_eq!(granted(both, Age::Any), Some(("2000".to_owned(), 1000)));
        assert_eq!(granted(both, Age::New), Some(("4600".to_owned(), 3600)));
        assert_eq!(granted(r#"{"expires_on":"900"}"#, Age::Any), Some(("900".to_owned(), 0)));
    }

    #[test]
    fn an_end_that_cannot_be_known() {
        for answer in [
            "",
            "[]",
            "{}",
            r#"{"expires_on":"soon"}"#,
            r#"{"expires_in":-3600}"#,
            r#"{"expires_in":"-1"}"#,
            r#"{"expires_in":true}"#,
            r#"{"expires_in":1e300}"#,
            r#"{"expires_in":"inf"}"#,
            r#"{"expires_in":"NaN"}"#,
            r#"{"expires_in":9223372036854775807}"#,
            r#"{"expires_on":"9223372036854775807"}"#,
        ] {
            assert_eq!(granted(answer, Age::Any), None, "{answer}");
        }
    }

    #[test]
    fn a_token_service_differs_from_a_portal() {
        for body in [r#"{"access_token":"a"}"#, r#"{"access_token":"a","expires_in":3599}"#] {
            assert!(read(body.as_bytes()).is_some(), "{body}");
        }
        for body in ["", "<html>", "[]", r#"{"access_token":""}"#, r#"{"access_token":7}"#] {
            assert!(read(body.as_bytes()).is_none(), "{body}");
        }
    }
}
