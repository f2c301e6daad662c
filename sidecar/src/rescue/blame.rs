//! Which series are to blame for a refusal. Pure.
//!
//! The limits are those that Azure documents:
//! <https://learn.microsoft.com/azure/azure-monitor/metrics/prometheus-metrics-details>.

use super::batch::{Batch, Series};
use crate::upstream::Received;

const MAX_LABELS: usize = 63;
const MAX_LABEL_NAME_CHARS: usize = 511;
const MAX_LABEL_VALUE_CHARS: usize = 1023;
const MAX_METRIC_NAME_CHARS: usize = 511;

/// Words by which a refusal says that the samples are too old: after an outage
/// that hits every batch whole, and no part of it can be saved.
const AGE: [&str; 6] =
    ["too old", "olddata", "older than", "out of bounds", "invalidtimerange", "time range"];

/// Whether the samples' age is the reason.
pub(super) fn is_age(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body).to_lowercase();
    AGE.iter().any(|words| text.contains(words))
}

/// The series of a batch that was refused, sorted by whether they look guilty.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Blame {
    /// Those to be sent; the last of them are those that the refusal names.
    pub(super) order: Vec<usize>,
    /// How many are named. It is metrics that are named, and a metric may have
    /// many series of which one is bad, so they are no more than suspects.
    pub(super) named: usize,
    /// Those that break a documented limit, with the limit.
    pub(super) broken: Vec<(usize, &'static str)>,
}

impl Blame {
    /// All of `count` series look alike.
    pub(super) fn nobody(count: usize) -> Self {
        Self { order: (0..count).collect(), named: 0, broken: Vec::new() }
    }
}

/// Who may be to blame for a refusal with these words. Never everybody: then the
/// reason is another one.
pub(super) fn blame(batch: &Batch<'_>, body: &[u8]) -> Blame {
    let text = String::from_utf8_lossy(body);
    let words: Vec<&str> = quoted(&text).filter(|words| words.len() >= MIN_NAMED_CHARS).collect();
    let mut found = Blame { order: Vec::new(), named: 0, broken: Vec::new() };
    let mut named = Vec::new();
    for index in 0..batch.len() {
        let series = batch.series(index);
        match series.as_ref().and_then(broken_limit) {
            Some(limit) => found.broken.push((index, limit)),
            None if series.is_some_and(|series| is_named(&series, &words)) => named.push(index),
            None => found.order.push(index),
        }
    }
    if found.order.is_empty() {
        return Blame::nobody(batch.len());
    }
    found.named = named.len();
    found.order.append(&mut named);
    found
}

/// A word for why a single series was refused, for metrics.
pub(super) fn reason(received: &Received) -> &'static str {
    let text = String::from_utf8_lossy(&received.body).to_lowercase();
    match received.status {
        413 => "too_large",
        _ if text.contains("out of order") || text.contains("outoforder") => "out_of_order",
        _ if text.contains("duplicate") => "duplicate",
        _ if text.contains("label") => "label",
        _ => "other",
    }
}

/// Shorter words in quotes are no names of metrics that could be told apart.
const MIN_NAMED_CHARS: usize = 4;

fn broken_limit(series: &Series<'_>) -> Option<&'static str> {
    let is_longer = |text: &str, than: usize| text.len() > than && text.chars().nth(than).is_some();
    if series.labels.len() > MAX_LABELS + 1 {
        return Some("too_many_labels");
    }
    let mut names: Vec<String> = Vec::with_capacity(series.labels.len());
    for (name, value) in &series.labels {
        if name == "__name__" {
            if is_longer(value, MAX_METRIC_NAME_CHARS) {
                return Some("metric_name_too_long");
            }
        } else if is_longer(name, MAX_LABEL_NAME_CHARS) {
            return Some("label_name_too_long");
        } else if is_longer(value, MAX_LABEL_VALUE_CHARS) {
            return Some("label_value_too_long");
        }
        names.push(name.to_lowercase());
    }
    // Azure compares names without case: labels that differ by case alone are
    // duplicates to it.
    names.sort_unstable();
    let before = names.len();
    names.dedup();
    (names.len() < before).then_some("duplicate_label")
}

fn is_named(series: &Series<'_>, words: &[&str]) -> bool {
    let metric = series.labels.iter().find(|(name, _)| name == "__name__");
    metric.is_some_and(|(_, value)| words.contains(&&**value))
}

/// What stands in quotes, single or double.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    ['"', '\''].into_iter().flat_map(|quote| text.split(quote).skip(1).step_by(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series<'a>(labels: &[(&'a str, &'a str)]) -> Series<'a> {
        let labels = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Series { labels, samples: 1 }
    }

    #[test]
    fn documented_limits() {
        let long = "x".repeat(1024);
        let check = |labels: &[(&str, &str)], expected| {
            assert_eq!(broken_limit(&series(labels)), expected);
        };
        check(&[("__name__", "up"), ("a", "b")], None);
        check(&[("__name__", "up"), ("a", &long[..1023])], None);
        check(&[("__name__", "up"), ("a", &long)], Some("label_value_too_long"));
        check(&[("__name__", "up"), (&long, "a")], Some("label_name_too_long"));
        check(&[("__name__", &long)], Some("metric_name_too_long"));
        check(&[("__name__", "up"), ("Pod", "a"), ("pod", "b")], Some("duplicate_label"));
        let many: Vec<String> = (0..64).map(|n| format!("l{n}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "v")).collect();
        check(&[&[("__name__", "up")], &many[..63]].concat(), None);
        check(&[&[("__name__", "up")], &many[..]].concat(), Some("too_many_labels"));
    }

    #[test]
    fn age_is_told_from_all_else() {
        assert!(is_age(b"Sample is TOO OLD"));
        assert!(is_age(b"out of bounds"));
        assert!(!is_age(b"out of order sample"));
        assert!(!is_age(b"label value too long"));
    }

    #[test]
    fn what_azure_names() {
        let found: Vec<&str> = quoted(r#"metric "bad_one" in 'x' is "#).collect();
        assert_eq!(found, ["bad_one", "x"]);
        assert!(is_named(&series(&[("__name__", "bad_one")]), &["bad_one"]));
        assert!(!is_named(&series(&[("__name__", "good")]), &["bad_one"]));
    }
}
