//! The metrics, from the text that Prometheus would scrape.

use crate::metrics::Exposition;

use super::code;

pub(super) fn table() -> String {
    let exposition = Exposition::new("1.0.0", "userAssigned", "aks-1");
    let metrics = exposition.destination("tenants");
    // Labels are seen only where something was counted.
    metrics.fetched("start", "ok");
    metrics.failed("connect");
    let text = exposition.text().unwrap();
    let rows = text.lines().filter_map(|line| {
        let (name, help) = line.strip_prefix("# HELP ")?.split_once(' ')?;
        let kind = format!("# TYPE {name} ");
        let kind = text.lines().find_map(|line| line.strip_prefix(kind.as_str())).unwrap();
        Some([code(name), kind.to_owned(), labels(&text, name), help.to_owned()])
    });
    super::table(["metric", "type", "labels", "meaning"], rows)
}

fn labels(text: &str, name: &str) -> String {
    // A histogram's own are those of its count.
    let of = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
    let series = of(name).or_else(|| of(&format!("{name}_count")));
    let labels = series.and_then(|series| series.split_once('}')).map_or("", |(labels, _)| labels);
    let names = labels.split(',').filter_map(|label| label.split_once('='));
    names.map(|(name, _)| code(name)).collect::<Vec<_>>().join(", ")
}
