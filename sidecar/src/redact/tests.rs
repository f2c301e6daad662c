use proptest::prelude::*;

use super::*;

/// A token of Entra's form: header and claims in base64url, and a signature.
const TOKEN: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiIsImtpZCI6IkEifQ.eyJhdWQiOiJodHRwczovL21vbml0b3IuYXp1cmUuY29tLyIsImV4cCI6MTc5NTAwMDAwMH0.pYx-7Zk_QbV3n0TgHs1JwD5uLrEaMf9cXo8iKtN2WvB6yRzGqUj4hCdSlPmAeFxI";

fn hidden(shape: &str, expected: &str) {
    assert_eq!(text(shape, &[]), expected);
}

#[test]
fn tokens_and_their_beginnings() {
    hidden(&format!("authorization: Bearer {TOKEN}"), "authorization: Bearer …");
    hidden(&format!("{{\"a\":\"Bearer {TOKEN}\"}}"), "{\"a\":\"Bearer …\"}");
    hidden("got Bearer eyJ0eXAi... there", "got Bearer … there");
    hidden("got eyJ", "got …");
    hidden("BEARER%20eyJ0&x", "BEARER%20…&x");
    hidden("bearer: opaque-token-0123456789", "bearer: …");
    hidden("the Bearer token is missing", "the Bearer token is missing");
    hidden(&format!("\\\"{TOKEN}\\\""), "\\\"…\\\"");
}

#[test]
fn basic_credentials_in_base64() {
    // user:s3cret, user:p@ss, user:???>>>
    for encoded in ["dXNlcjpzM2NyZXQ=", "dXNlcjpwQHNz", "dXNlcjo/Pz8+Pj4=", "dXNlcjpzM2N"] {
        let shown = text(&format!("Proxy-Authorization: Basic {encoded}"), &[]);
        assert_eq!(shown.trim_end_matches('='), "Proxy-Authorization: Basic …");
    }
    hidden(r"Basic dXNlcjo\/Pz8\u002BPj4", "Basic …");
    hidden("Basic dXNlcjo%2FPz8%2BPj4", "Basic …");
    hidden("Basic authentication is required", "Basic authentication is required");
}

#[test]
fn users_of_urls() {
    hidden("via http://user:p@ss@proxy:3128/ x@y", "via http://…@proxy:3128/ x@y");
    hidden("via \"http://user:pa#s/s?@proxy\"", "via \"http://…@proxy\"");
    hidden("see https://aka.ms/x and http://a:b@c", "see https://aka.ms/x and http://…@c");
}

#[test]
fn words_of_azure_stay() {
    for message in [
        "The authentication token provided does not have access. DcrArmId: /subscriptions/00001111-aaaa-2222-bbbb-3333cccc4444/resourceGroups/DefaultResourceGroup-WEU/providers/Microsoft.Insights/dataCollectionRules/dcr-1, IsRbacPresent: False",
        "AADSTS700016: Application with identifier '00001111-aaaa-2222-bbbb-3333cccc4444' was not found in the directory",
        "label value too long: kubernetes_namespace_of_a_very_long_metric_name_that_somebody_made_up_total",
        "metric \"http_request_duration_seconds_bucket\" is out of order at 2026-11-27T11:00:00Z",
        "täxt mit Ümlauten 😀",
        "",
    ] {
        hidden(message, message);
    }
}

proptest! {
    /// Whatever part of a token is sent back, and whatever stands around it.
    #[test]
    fn no_part_of_a_known_token_is_shown(
        from in 0..TOKEN.len() - KNOWN_BYTES,
        length in KNOWN_BYTES..TOKEN.len(),
        before in "[ -~äé\n]{0,40}",
        after in "[ -~äé\n]{0,40}",
    ) {
        let part = &TOKEN[from..(from + length).min(TOKEN.len())];
        let shown = text(&format!("{before}{part}{after}"), &[TOKEN]);
        for window in part.as_bytes().windows(KNOWN_BYTES) {
            let window = std::str::from_utf8(window).unwrap();
            prop_assert!(!shown.contains(window), "{shown}");
        }
    }

    #[test]
    fn no_text_makes_it_panic(foreign in ".{0,80}", known in ".{0,40}") {
        text(&foreign, &[&known]);
    }
}
