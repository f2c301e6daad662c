//! The README names what there is, and nothing else.

use std::collections::BTreeSet;

use contract::Key;

use crate::metrics::Metrics;

const README: &str = include_str!("../../README.md");

/// The words in backticks in the first column of the table below `heading`.
fn first_column(heading: &str) -> BTreeSet<&str> {
    let (_, section) = README.split_once(heading).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

#[test]
fn every_annotation_is_documented() {
    let keys: BTreeSet<&str> = Key::ALL.iter().map(|key| key.annotation()).collect();
    assert_eq!(first_column("## Annotations"), keys);
}

#[test]
fn every_metric_is_documented() {
    let metrics = Metrics::default();
    metrics.refused(400);
    metrics.reviewed("skip", "opted_out", std::time::Duration::ZERO);
    metrics.certificate_reloaded(true);
    metrics.config_reloaded(true);
    let text = metrics.encode();
    let names: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("prom_remotewrite_webhook_"))
        .filter_map(|line| line.split(['{', ' ']).next())
        .map(|name| name.trim_end_matches("_bucket"))
        .filter(|name| !name.ends_with("_sum") && !name.ends_with("_count"))
        .collect();
    let documented: BTreeSet<&str> = first_column("## Metrics")
        .into_iter()
        .filter_map(|name| name.split('{').next())
        .filter(|name| *name != "taken" && *name != "refused")
        .collect();
    assert_eq!(documented, names);
}
