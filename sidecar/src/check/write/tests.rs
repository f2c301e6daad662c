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

#[test]
fn every_answer_is_judged_and_its_date_kept() {
    let check = |status: u16, body: &str, expected: Status, words: &str| {
        let received = Received { status, body: body.into(), ..Received::default() };
        let (step, value) = noted(step::PROBE_WRITE, judge(received.clone(), "dce.example", None));
        assert_eq!(step.status, expected, "{status}");
        let text = format!("{} {}", step.detail, step.remedy.unwrap_or_default());
        assert!(text.contains(words), "{text}");
        assert_eq!(value, Some(received), "{status}");
    };
    check(204, "", Status::Ok, "reached and authorised");
    check(400, "no samples", Status::Ok, "authorised; Azure says \"no samples\"");
    check(401, "", Status::Failed, "does not accept the token");
    check(403, "", Status::Failed, "Monitoring Metrics Publisher");
    check(403, "IsDcrDceBindingValid: False", Status::Failed, "not bound to this");
    check(404, "", Status::Failed, "no such data collection rule");
    check(307, "", Status::Failed, "redirects");
    check(429, "", Status::Warning, "throttles");
    check(503, "", Status::Failed, "in trouble");
    check(101, "", Status::Failed, "something else than an ingestion endpoint");
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
