//! The metrics, from the text that Prometheus would scrape.

use crate::metrics::{Codes, Fetch, Metrics, Reason};

use super::code;

pub(super) fn table() -> String {
    let metrics = Metrics::new("1.0.0", "userAssigned", "aks-1");
    // Labels are seen only where something was counted.
    drop(metrics.requests.get_or_create(&Codes { upstream: "204".into(), answered: 204 }));
    drop(metrics.token_fetches.get_or_create(&Fetch { reason: "start", result: "ok" }));
    for family in [&metrics.failures, &metrics.refused, &metrics.refused_samples] {
        drop(family.get_or_create(&Reason { reason: "reason" }));
    }
    let text = metrics.text().unwrap();
    let rows = text.lines().filter_map(|line| {
        let (name, help) = line.strip_prefix("# HELP ")?.split_once(' ')?;
        let kind = format!("# TYPE {name} ");
        let kind = text.lines().find_map(|line| line.strip_prefix(kind.as_str())).unwrap();
        Some([code(name), kind.to_owned(), labels(&text, name), help.to_owned()])
    });
    super::table(["metric", "type", "labels", "meaning"], rows)
}

fn labels(text: &str, name: &str) -> String {
    let series = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
    let labels = series.and_then(|series| series.split_once('}')).map_or("", |(labels, _)| labels);
    let names = labels.split(',').filter_map(|label| label.split_once('='));
    names.map(|(name, _)| code(name)).collect::<Vec<_>>().join(", ")
}
