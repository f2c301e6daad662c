use super::*;
use crate::issue::{Request, issue};

const NAME: &str = "w.default.svc";
const DAY: Duration = Duration::from_hours(24);

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(498_720)
}

fn pem() -> Pem {
    let request = Request {
        dns_names: vec![NAME.to_owned(), "w".to_owned()],
        addresses: Vec::new(),
        lifetime: "90d".parse().unwrap(),
    };
    issue(&request, now()).unwrap().into_pem()
}

#[test]
fn an_issued_pair_says_when_it_ends_and_for_whom_it_stands() {
    let pair = Pair::parse(pem()).unwrap();
    assert_eq!(pair.not_after(), now() + DAY * 90);
    assert_eq!(pair.renewal(), now() + DAY * 60);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(pair.missing(&names(&["w", NAME])), None);
    assert_eq!(pair.missing(&names(&[NAME, "x", "y"])), Some(&"x".to_owned()));
}

#[test]
fn damage_of_every_kind_is_named() {
    let (good, other) = (pem(), pem());
    let check = |damaged: Pem, damage: Damage| {
        assert_eq!(Pair::parse(damaged), Err(damage));
    };
    check(Pem::default(), Damage::Absent);
    for certificate in ["", "x", good.key.as_str(), &good.certificate[..200]] {
        check(Pem { certificate: certificate.to_owned(), ..good.clone() }, Damage::Certificate);
    }
    let two = format!("{}{}", good.certificate, other.certificate);
    check(Pem { certificate: two, ..good.clone() }, Damage::Certificate);
    for ca in ["", "x", good.key.as_str(), &good.ca[..200]] {
        check(Pem { ca: ca.to_owned(), ..good.clone() }, Damage::Ca);
    }
    for key in ["", "x", good.ca.as_str(), &good.key[..100]] {
        check(Pem { key: key.to_owned(), ..good.clone() }, Damage::Key);
    }
    check(Pem { key: other.key.clone(), ..good.clone() }, Damage::Mismatch);
    check(Pem { ca: other.ca, ..good.clone() }, Damage::Stranger);
    check(Pem { ca: good.certificate.clone(), ..good.clone() }, Damage::Stranger);
}

#[test]
fn debug_output_has_no_key() {
    let pair = Pair::parse(pem()).unwrap();
    let line = pair.pem().key.lines().nth(1).unwrap().to_owned();
    let text = format!("{pair:?}");
    assert!(text.contains("<redacted>") && !text.contains(&line), "{text}");
}
