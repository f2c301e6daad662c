//! Finding the series for which a batch is refused. Pure.
//!
//! Who looks guilty is kept apart: series that break a documented limit, that the
//! refusal names, whose samples are too old, or that were refused lately. What is
//! left is divided.

use std::{collections::HashSet, ops::Range, time::Duration};

use super::{Reason, message::Label};
use crate::upstream::Received;

/// A refused part is divided by four: that takes no more requests than halves do
/// (two levels of halves take as many), and half as many rounds, which is what
/// counts where Azure takes a second or two to answer.
pub(super) const FAN: usize = 4;
/// Where all parts are refused, they are too large to tell anything. Of fans from
/// 4 to 16, this one takes the fewest requests for 10 to 200 bad series of 2,000
/// and 5,000, spread or side by side.
pub(super) const WIDE_FAN: usize = 8;
/// Of suspects nearly all are refused one by one: few levels lead there.
pub(super) const SUSPECT_FAN: usize = 16;

/// The limits that Azure documents:
/// <https://learn.microsoft.com/azure/azure-monitor/metrics/prometheus-metrics-details>.
const MAX_LABELS: usize = 63;
const MAX_LABEL_NAME_CHARS: usize = 511;
const MAX_LABEL_VALUE_CHARS: usize = 1023;
const MAX_METRIC_NAME_CHARS: usize = 511;

/// Shorter words are no names of metrics that could be told apart.
const MIN_NAMED_BYTES: usize = 4;

/// Phrases by which a refusal says that samples are too old.
const AGE: [&str; 7] = [
    "too old",
    "olddata",
    "older than",
    "out of bounds",
    "invalidtimerange",
    "time range",
    "too far in the past",
];

/// The parts of a range that is refused.
pub(super) fn divided(range: &Range<usize>, fan: usize) -> impl Iterator<Item = Range<usize>> {
    let (start, length) = (range.start, range.len());
    let edge = move |part: usize| start + length * part / fan;
    (0..fan).map(move |part| edge(part)..edge(part + 1)).filter(|part| !part.is_empty())
}

/// Whether a refusal speaks of the samples' age.
pub(super) fn is_about_age(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body).to_lowercase();
    AGE.iter().any(|words| text.contains(words))
}

/// Why a single series is refused, by what the refusal says.
pub(super) fn reason(refusal: &Received) -> Reason {
    let text = String::from_utf8_lossy(&refusal.body).to_lowercase();
    let says = |words: &str| text.contains(words);
    match refusal.status {
        413 => Reason::TooLarge,
        _ if says("out of order") || says("outoforder") => Reason::OutOfOrder,
        _ if is_about_age(&refusal.body) => Reason::TooOld,
        _ if says("duplicate") => Reason::Duplicate,
        _ if says("label") => Reason::Label,
        _ => Reason::Other,
    }
}

/// The age that a refusal names: "older than 20 minutes".
pub(super) fn max_age(body: &[u8]) -> Option<Duration> {
    let text = String::from_utf8_lossy(body).to_lowercase();
    let (_, rest) = text.split_once("older than")?;
    let mut words = rest.split_whitespace();
    let number: u64 = words.next()?.parse().ok()?;
    let unit = match words.next()?.as_bytes() {
        [b's', ..] => 1,
        [b'm', b'i', ..] => 60,
        [b'h', ..] => 3600,
        _ => return None,
    };
    number.checked_mul(unit).map(Duration::from_secs)
}

/// The words of a refusal that may be a metric's name.
pub(super) fn named(refusal: &[u8]) -> HashSet<&[u8]> {
    let words = refusal.split(|byte| !(byte.is_ascii_alphanumeric() || b"_:".contains(byte)));
    words.filter(|word| word.len() >= MIN_NAMED_BYTES).collect()
}

/// The metric's name.
pub(super) fn metric<'a>(labels: &[Label<'a>]) -> Option<&'a [u8]> {
    labels.iter().find(|(name, _)| *name == b"__name__").map(|(_, value)| *value)
}

/// The documented limit that a series breaks.
pub(super) fn broken_limit(labels: &[Label<'_>]) -> Option<Reason> {
    let is_longer = |text: &[u8], than: usize| {
        text.len() > than && String::from_utf8_lossy(text).chars().nth(than).is_some()
    };
    if labels.iter().filter(|(name, _)| *name != b"__name__").count() > MAX_LABELS {
        return Some(Reason::TooManyLabels);
    }
    let mut names = Vec::with_capacity(labels.len());
    for (name, value) in labels {
        if *name == b"__name__" {
            if is_longer(value, MAX_METRIC_NAME_CHARS) {
                return Some(Reason::MetricNameTooLong);
            }
        } else if is_longer(name, MAX_LABEL_NAME_CHARS) {
            return Some(Reason::LabelNameTooLong);
        } else if is_longer(value, MAX_LABEL_VALUE_CHARS) {
            return Some(Reason::LabelValueTooLong);
        }
        names.push(name.to_ascii_lowercase());
    }
    // Azure compares names without case: labels that differ by case alone are
    // duplicates to it.
    names.sort_unstable();
    let before = names.len();
    names.dedup();
    (names.len() < before).then_some(Reason::DuplicateLabel)
}

/// How large that is in a series which a limit is about: a longest text in characters, or a
/// count.
pub(super) fn size(labels: &[Label<'_>], reason: Reason) -> usize {
    let chars = |text: &[u8]| String::from_utf8_lossy(text).chars().count();
    let others = || labels.iter().filter(|(name, _)| *name != b"__name__");
    match reason {
        Reason::TooManyLabels => others().count(),
        Reason::MetricNameTooLong => metric(labels).map_or(0, chars),
        Reason::LabelNameTooLong => others().map(|(name, _)| chars(name)).max().unwrap_or(0),
        Reason::LabelValueTooLong => others().map(|(_, value)| chars(value)).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_limits() {
        let long = "x".repeat(1024);
        let check = |labels: &[(&str, &str)], expected| {
            let labels: Vec<Label<'_>> =
                labels.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
            assert_eq!(broken_limit(&labels), expected);
            if let Some(limited) = expected.filter(|reason| *reason != Reason::DuplicateLabel) {
                assert!(
                    [64, 512, 1024].contains(&size(&labels, limited))
                        || size(&labels, limited) == long.len()
                );
            }
        };
        check(&[("__name__", "up"), ("a", "b")], None);
        check(&[("__name__", "up"), ("a", &long[..1023])], None);
        check(&[("__name__", "up"), ("a", &"ä".repeat(1023))], None);
        check(&[("__name__", "up"), ("a", &long)], Some(Reason::LabelValueTooLong));
        check(&[("__name__", "up"), (&long, "a")], Some(Reason::LabelNameTooLong));
        check(&[("__name__", &long)], Some(Reason::MetricNameTooLong));
        check(&[("__name__", "up"), ("Pod", "a"), ("pod", "b")], Some(Reason::DuplicateLabel));
        let many: Vec<String> = (0..64).map(|n| format!("l{n}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "v")).collect();
        check(&[&[("__name__", "up")], &many[..63]].concat(), None);
        check(&[&[("__name__", "up")], &many[..]].concat(), Some(Reason::TooManyLabels));
    }

    #[test]
    fn age_differs_from_all_else() {
        assert!(is_about_age(b"Sample is TOO OLD"));
        assert!(is_about_age(b"out of bounds"));
        assert!(!is_about_age(b"out of order sample"));
        assert!(!is_about_age(b"label value too long"));
        for (text, seconds) in [
            ("Samples are older than 20 minutes.", Some(1200)),
            ("older than 1 hour", Some(3600)),
            ("older than 30s", None),
            ("older than 99999999999999999999 minutes", None),
            ("too old", None),
        ] {
            assert_eq!(max_age(text.as_bytes()), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn names_in_a_refusal() {
        for refusal in [
            r#"{"message":"metric \"bad_one\" is invalid"}"#,
            "series bad_one{job=x} is refused",
            "'bad_one'",
        ] {
            assert!(named(refusal.as_bytes()).contains(&b"bad_one"[..]), "{refusal}");
        }
        assert!(named(b"a 'x' of it").is_empty());
    }

    #[test]
    fn parts_are_the_whole() {
        for length in 2..200 {
            for fan in [FAN, WIDE_FAN, SUSPECT_FAN] {
                let parts: Vec<_> = divided(&(7..7 + length), fan).collect();
                assert!(parts.len() > 1 && parts.iter().all(|part| part.len() < length));
                assert!(parts.into_iter().flatten().eq(7..7 + length));
            }
        }
    }
}
