//! What Azure may answer to an empty write.

use std::time::UNIX_EPOCH;

use super::*;
use crate::check::report::{Report, Status, Step, step};

fn noted<T>(name: &str, found: Found<T>) -> (Step, Option<T>) {
    let mut report = Report::new();
    let value = report.note(name, found);
    (report.steps.into_iter().find(|step| step.name == name).unwrap(), value)
}

#[test]
fn the_write_is_empty() {
    let message = snap::raw::Decoder::new().decompress_vec(EMPTY_WRITE).unwrap();
    assert_eq!(message, b"");
}

fn received(status: u16, body: &str) -> Received {
    Received { status, body: body.into(), ..Received::default() }
}

#[test]
fn every_answer_is_judged() {
    let check = |status: u16, body: &str, expected: Status, code: Option<Code>| {
        let verdict = judge(&received(status, body), "dce.example", None);
        let ProbeResult::Found(found) = verdict else { panic!("{status} {body}: unclear") };
        let (step, _) = noted(step::PROBE_WRITE, found);
        assert_eq!((step.status, step.code), (expected, code), "{status} {body}: {step:?}");
    };
    check(204, "", Status::Ok, None);
    for empty in ["no samples", "The request body is empty.", r#"{"message":"Nothing to store"}"#] {
        check(400, empty, Status::Ok, None);
        check(422, empty, Status::Ok, None);
    }
    let path = r#"{"error":{"code":"InvalidRequestPath","message":"The path is empty."}}"#;
    check(400, path, Status::Failed, Some(Code::InvalidRequestPath));
    check(400, "<html>no</html>", Status::Failed, Some(Code::Intermediary));
    check(401, "", Status::Failed, Some(Code::TokenRejected));
    check(403, "", Status::Failed, Some(Code::ForbiddenWithoutReason));
    check(403, "IsRbacPresent: False", Status::Failed, Some(Code::RoleMissing));
    check(403, "IsDcrDceBindingValid: False", Status::Failed, Some(Code::RuleNotBound));
    check(404, "", Status::Failed, Some(Code::RuleNotFound));
    check(307, "", Status::Failed, Some(Code::Redirect));
    check(407, "", Status::Failed, Some(Code::ProxyAuthenticationRequired));
    check(413, "", Status::Failed, Some(Code::TooLarge));
    check(415, "", Status::Failed, Some(Code::MessageVersion));
    check(429, "", Status::Warning, Some(Code::Throttled));
    check(451, "", Status::Failed, Some(Code::Intermediary));
    check(503, "", Status::Failed, Some(Code::AzureUnavailable));
    check(101, "", Status::Failed, Some(Code::Intermediary));
}

#[test]
fn a_refusal_without_a_known_reason_is_judged_by_the_answer_to_no_token() {
    let refused = received(400, "InvalidPayload");
    let verdict = judge(&refused, "dce.example", None);
    let ProbeResult::Unclear(said) = verdict else { panic!("it is clear") };
    let check = |without: Option<u16>, expected: Status, code: Option<Code>| {
        let without = without.map(|status| received(status, ""));
        let found = compare_answers(without.as_ref(), &refused, &said);
        let (step, value) = noted(step::PROBE_WRITE, found);
        assert_eq!((step.status, step.code), (expected, code), "{without:?}");
        assert!(step.detail.contains("InvalidPayload"), "{step:?}");
        assert_eq!(value.as_ref(), Some(&refused));
    };
    check(Some(401), Status::Ok, None);
    check(Some(403), Status::Ok, None);
    for same_or_nothing in [Some(400), Some(503), None] {
        check(same_or_nothing, Status::Warning, Some(Code::ProbeInconclusive));
    }
}

#[test]
fn clocks_are_compared_by_the_minute() {
    let check = |date: &str, now: u64, expected: Status, detail: &str| {
        let fields = vec![("date".to_owned(), date.to_owned())];
        let received = Received { fields, ..Received::default() };
        let now = UNIX_EPOCH + Duration::from_secs(now);
        let (step, _) = noted(step::CLOCK, compare_clocks(&received, now));
        assert_eq!((step.status, step.detail.as_str()), (expected, detail));
    };
    let date = "Thu, 01 Jan 1970 01:00:00 GMT";
    check(date, 3600, Status::Ok, "as Azure's");
    check(date, 3601, Status::Ok, "as Azure's");
    check(date, 3590, Status::Ok, "10 s behind Azure's");
    check(date, 3660, Status::Ok, "60 s ahead of Azure's");
    check(date, 3661, Status::Warning, "61 s ahead of Azure's");
    check(date, 0, Status::Warning, "60 min behind Azure's");
    check("yesterday", 0, Status::Ok, "Azure's answer has no date to compare with");
}
