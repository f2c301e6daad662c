//! Tokens that came, and are not quite what was asked for.

use std::time::{Duration, UNIX_EPOCH};

use contract::Identity;
use http::HeaderValue;

use super::*;

const ID: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";
const OTHER: &str = "99991111-aaaa-2222-bbbb-3333cccc4444";
const WANTED: &str = "https://monitor.azure.com/";

fn found_doubts(audience: &str, application: &str, left: u64) -> Vec<(Code, String)> {
    let now = UNIX_EPOCH + Duration::from_secs(1000);
    let settings = Settings::new(
        "https://dce.example/".parse().unwrap(),
        Identity::UserAssigned { client_id: ID.parse().unwrap() },
        WANTED.parse().unwrap(),
    );
    let token = Token {
        authorization: HeaderValue::from_static("Bearer s3cret"),
        expires_on: now + Duration::from_secs(left),
    };
    let claims = Claims {
        audience: Some(audience.to_owned()),
        application: Some(application.to_owned()),
        ..Claims::default()
    };
    assert!(describe(&token, Some(&claims), now).contains(audience));
    warnings(&settings, &token, Some(&claims), now)
}

#[test]
fn a_token_for_another_application_or_audience_is_a_warning() {
    let check = |audience: &str, application: &str, left: u64, expected: &[&str]| {
        let found = found_doubts(audience, application, left);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for ((_, warning), expected) in found.iter().zip(expected) {
            assert!(warning.contains(expected), "{warning}");
        }
    };
    check(WANTED, ID, 60, &[]);
    check("https://monitor.azure.com", &ID.to_uppercase(), 60, &[]);
    // Version 2 tokens name the resource by its id.
    check(OTHER, ID, 60, &[]);
    check("https://management.azure.com/", ID, 60, &["not for https://monitor.azure.com/"]);
    check(WANTED, OTHER, 60, &["another application than AZURE_CLIENT_ID"]);
    check(WANTED, ID, 0, &["check the clock"]);
    check("https://vault.azure.net", OTHER, 0, &["not for", "another application", "clock"]);
}

#[test]
fn an_opaque_token_is_good_enough() {
    let now = UNIX_EPOCH;
    let token = Token {
        authorization: HeaderValue::from_static("Bearer s3cret"),
        expires_on: now + Duration::from_secs(3600),
    };
    assert_eq!(describe(&token, None, now), "an opaque token, which expires in 60 min");
}
