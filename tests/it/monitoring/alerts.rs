//! Prometheus' own tool judges the rules, and fires each of them.

use std::{collections::BTreeSet, fmt::Write, fs, time::Duration};

use serde_json::Value;
use tests::{
    machine::{environment, process::Program},
    tools::{self, PROMTOOL},
};

use super::{alerts, manifest, read, rules};

const PATIENCE: Duration = Duration::from_mins(1);
/// In `tests/data/alerts`, one for each group.
const CASES: [&str; 4] = ["certs.yaml", "sidecar.yaml", "surroundings.yaml", "webhook.yaml"];
/// Their runbooks, from `manifests` on.
const RUNBOOK: &str = "alerts.md";
const BEGIN: &str = "<!-- alerts: begin -->\n";
const END: &str = "<!-- alerts: end -->\n";

async fn promtool(arguments: &[&str]) {
    let file = tools::find(&PROMTOOL, "promtool").unwrap();
    Program::new("promtool", file).args(arguments.iter().copied()).run(PATIENCE).await.unwrap();
}

fn cases(name: &str) -> String {
    environment::crate_folder().join("data/alerts").join(name).display().to_string()
}

#[tokio::test]
async fn prometheus_takes_the_rules() {
    let file = manifest(rules::FILE).display().to_string();
    promtool(&["check", "rules", "--lint=all", "--lint-fatal", &file]).await;
}

#[tokio::test]
async fn alerts_fire_and_end() {
    for name in CASES {
        promtool(&["test", "rules", &cases(name)]).await;
    }
}

#[test]
fn each_alert_is_seen_firing_and_not_firing() {
    let mut firing = BTreeSet::new();
    let mut silent = BTreeSet::new();
    for name in CASES {
        let file: Value =
            serde_saphyr::from_str(&fs::read_to_string(cases(name)).unwrap()).unwrap();
        let tests = file["tests"].as_array().unwrap();
        for check in tests.iter().flat_map(|test| test["alert_rule_test"].as_array().unwrap()) {
            let fires = !check["exp_alerts"].as_array().unwrap().is_empty();
            let seen = if fires { &mut firing } else { &mut silent };
            seen.insert(check["alertname"].as_str().unwrap().to_owned());
        }
    }
    let all: BTreeSet<String> = alerts().into_iter().map(|alert| alert.name).collect();
    assert_eq!(firing, all);
    assert_eq!(silent, all);
}

#[test]
fn each_alert_says_what_it_is_about() {
    let page = read(RUNBOOK);
    let repository = env!("CARGO_PKG_REPOSITORY");
    for alert in alerts() {
        let name = &alert.name;
        for part in ["summary", "description"] {
            assert!(alert.annotation(part).ends_with('.'), "{name} has no sentence as {part}");
        }
        assert!(["critical", "warning", "info"].contains(&alert.severity.as_str()), "{name}");
        let link = format!("{repository}/blob/main/manifests/{RUNBOOK}#{}", name.to_lowercase());
        assert_eq!(alert.annotation("runbook_url"), link, "{name}");
        let section = page.split("\n## ").find_map(|part| part.strip_prefix(&format!("{name}\n")));
        let section = section.unwrap_or_else(|| panic!("{RUNBOOK} has no section {name}"));
        assert!(section.trim().len() > 100, "{name}: {section}");
    }
    let sections = page.lines().filter_map(|line| line.strip_prefix("## PromRemoteWrite"));
    assert_eq!(sections.count(), alerts().len(), "a section of an alert that is not there");
}

#[test]
fn the_table_of_alerts_is_what_the_rules_say() {
    let page = read(RUNBOOK);
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = format!("{before}{BEGIN}{}{END}{after}", table());
    if environment::variable("UPDATE_EXPECT").is_some() {
        fs::write(manifest(RUNBOOK), &expected).unwrap();
    }
    assert!(read(RUNBOOK) == expected, "{RUNBOOK} is stale; UPDATE_EXPECT=1 writes it anew");
}

fn table() -> String {
    let mut table =
        "| alert | severity | threshold | for | when |\n|---|---|---|---|---|\n".to_owned();
    for alert in alerts() {
        let link = format!("[{}](#{})", alert.name, alert.name.to_lowercase());
        let threshold = alert.threshold().unwrap_or_default();
        let pending = alert.pending.as_deref().unwrap_or_default();
        let (severity, summary) = (&alert.severity, alert.annotation("summary"));
        writeln!(table, "| {link} | {severity} | {threshold} | {pending} | {summary} |").unwrap();
    }
    table
}
