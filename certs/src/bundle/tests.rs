use super::*;
use crate::issue::{Request, issue};

fn ca() -> String {
    let request = Request {
        dns_names: vec!["w".to_owned()],
        addresses: Vec::new(),
        lifetime: "1d".parse().unwrap(),
    };
    // 2026-11-23 00:00:00 UTC.
    let now = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_hours(498_720);
    issue(&request, now).unwrap().into_pem().ca
}

#[test]
fn each_ca_is_added_once_at_the_end() {
    let (old, new) = (ca(), ca());
    let mut bundle = Bundle::parse(&format!("{old}# a comment\n"));
    let added = Bundle::parse(&format!("{new}{old}"));
    assert!(!bundle.includes(&added) && added.includes(&bundle));
    for _ in 0..2 {
        bundle.add(&added);
        assert_eq!(bundle.pem(), format!("{old}{new}"));
    }
    assert!(bundle.includes(&added) && bundle.includes(&Bundle::default()));
}

#[test]
fn text_that_is_no_certificate_is_left_out() {
    let ca = ca();
    let cut = &ca[..ca.len() / 2];
    assert_eq!(Bundle::parse(&format!("{cut}\n{ca}")).pem(), ca);
    for text in
        ["", "x", BEGIN, END, cut, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
    {
        assert!(Bundle::parse(text).is_empty(), "{text:?}");
        assert_eq!(Bundle::parse(&format!("{ca}{text}")).pem(), ca, "{text:?}");
    }
}

#[test]
fn the_fingerprint_tells_cas_apart() {
    let (one, other) = (Bundle::parse(&ca()), Bundle::parse(&ca()));
    assert_eq!(one.fingerprint(), one.clone().fingerprint());
    assert_ne!(one.fingerprint(), other.fingerprint());
    assert_eq!(one.fingerprint().len(), 16);
}
