use std::time::Duration;

use super::*;
use crate::issue::{Request, issue};

/// 2026-11-23 00:00:00 UTC.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(498_720)
}

fn ours() -> (String, CertificateDer<'static>) {
    let request = Request {
        dns_names: vec!["w".to_owned()],
        addresses: Vec::new(),
        lifetime: "1d".parse().unwrap(),
    };
    let ca = issue(&request, now()).unwrap().ca;
    let der = CertificateDer::from_pem_slice(ca.as_bytes()).unwrap();
    (ca, der)
}

fn foreign() -> String {
    let params = rcgen::CertificateParams::new(vec!["their CA".to_owned()]).unwrap();
    params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
}

#[test]
fn what_others_put_there_stays_in_its_place() {
    let ((old, old_der), (new, new_der), theirs) = (ours(), ours(), foreign());
    let mut bundle = Bundle::parse(&format!("{old}# theirs\n{theirs}"));
    assert!(bundle.holds(&old_der) && !bundle.holds(&new_der));
    bundle.add(&new);
    assert_eq!(bundle.pem(), format!("{old}{theirs}{new}"));
    let before = bundle.clone();
    bundle.add(&new);
    assert_eq!(bundle, before, "added once");
    assert_eq!((bundle.stale(&new_der), bundle.stale(&old_der)), (1, 1));
    bundle.prune(&new_der);
    assert_eq!(bundle.pem(), format!("{theirs}{new}"));
    assert_eq!(bundle.stale(&new_der), 0);
}

#[test]
fn what_is_no_certificate_is_left_out() {
    let (ca, _) = ours();
    let cut = &ca[..ca.len() / 2];
    assert_eq!(Bundle::parse(&format!("{cut}\n{ca}")).pem(), ca);
    for text in
        ["", "x", BEGIN, END, cut, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
    {
        assert_eq!(Bundle::parse(text), Bundle::default(), "{text:?}");
        assert_eq!(Bundle::parse(&format!("{ca}{text}")).pem(), ca, "{text:?}");
    }
}

#[test]
fn only_valid_cas_of_ours_are_trusted_as_ours() {
    let (ca, _) = ours();
    let day = Duration::from_hours(24);
    let bundle = Bundle::parse(&ca);
    assert!(bundle.trusts_ours(now()) && bundle.trusts_ours(now() + day));
    assert!(!bundle.trusts_ours(now() + day + Duration::from_secs(1)));
    assert!(!Bundle::parse(&foreign()).trusts_ours(now()));
    assert!(!Bundle::default().trusts_ours(now()));
}
