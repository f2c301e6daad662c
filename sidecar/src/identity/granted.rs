//! The answer of a metadata service, in the one form that `azure_identity` reads.
//!
//! It wants `expires_on` as text, `token_type` and `resource`. What stands in for
//! the metadata service elsewhere (proxies, emulators, other clouds) writes
//! numbers, or says `expires_in` alone, and its tokens are as good.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::{Map, Value};

/// The same answer with what is wanted; as it came where its token's end cannot be
/// known.
pub(super) fn completed(body: Bytes, now: SystemTime) -> Bytes {
    let Ok(mut answer) = serde_json::from_slice::<Map<String, Value>>(&body) else { return body };
    let Some(end) = end(&answer, now) else { return body };
    answer.insert("expires_on".to_owned(), end.to_string().into());
    for (name, usual) in [("token_type", "Bearer"), ("resource", "")] {
        answer.entry(name).or_insert_with(|| usual.into());
    }
    serde_json::to_vec(&answer).map_or(body, Bytes::from)
}

/// When the token ends, in seconds since 1970.
fn end(answer: &Map<String, Value>, now: SystemTime) -> Option<i64> {
    let number = |name: &str| match answer.get(name)? {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_i64(),
    };
    number("expires_on").or_else(|| {
        let now = now.duration_since(UNIX_EPOCH).ok()?.as_secs();
        i64::try_from(now).ok()?.checked_add(number("expires_in")?)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_way_to_say_the_end() {
        let check = |answer: &str, expected: &str| {
            let now = UNIX_EPOCH + Duration::from_secs(1000);
            let completed = completed(Bytes::copy_from_slice(answer.as_bytes()), now);
            assert_eq!(String::from_utf8(completed.to_vec()).unwrap(), expected, "{answer}");
        };
        let whole =
            |end: &str| format!(r#"{{"expires_on":"{end}","resource":"","token_type":"Bearer"}}"#);
        check(r#"{"expires_on":"4600"}"#, &whole("4600"));
        check(r#"{"expires_on":4600}"#, &whole("4600"));
        let both = r#"{"expires_in":3600,"expires_on":"4600","resource":"","token_type":"Bearer"}"#;
        check(r#"{"expires_in":3600}"#, both);
        check(r#"{"expires_on":"soon","expires_in":3600}"#, both);
        let text = both.replace("3600", "\"3600\"");
        check(r#"{"expires_in":"3600"}"#, &text);
        for unknown in ["", "[]", "{}", r#"{"expires_on":"soon"}"#, r#"{"expires_in":1e300}"#] {
            check(unknown, unknown);
        }
    }
}
