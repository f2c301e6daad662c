//! Alerts and dashboard ask for metrics that exist, and the dashboard shows all
//! of ours.

use std::{collections::BTreeSet, fs};

use tests::{
    machine::environment,
    prometheus::{Options, Prometheus},
};

use super::{alerts, dashboard};

/// What others tell, and who. Prometheus' own are looked up in a real one.
const OTHERS: [(&str, &str); 8] = [
    ("apiserver_admission_webhook_fail_open_count", "API servers"),
    ("apiserver_admission_webhook_rejection_count", "API servers"),
    ("kube_pod_annotations", "kube-state-metrics"),
    ("kube_pod_container_info", "kube-state-metrics"),
    ("kube_pod_container_status_restarts_total", "kube-state-metrics"),
    ("kube_pod_init_container_info", "kube-state-metrics"),
    ("kube_pod_init_container_status_restarts_total", "kube-state-metrics"),
    ("kube_pod_status_phase", "kube-state-metrics"),
];
/// Ours that the dashboard leaves out, and why.
const NOT_SHOWN: [(&str, &str); 0] = [];

/// Whether it is exported by a program that is neither ours nor Prometheus.
pub(super) fn is_foreign(name: &str) -> bool {
    OTHERS.iter().any(|(known, _)| *known == name)
}

/// The first column of the table below `heading`, without labels. The programs'
/// own tests keep these tables equal to what they tell.
fn documented(readme: &str, heading: &str, prefix: &str) -> BTreeSet<String> {
    let file = environment::crate_folder().join("..").join(readme);
    let text = fs::read_to_string(file).unwrap();
    let (_, section) = text.split_once(heading).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let names = rows.filter_map(|row| row.split(['`', '{']).next());
    names.map(|name| format!("{prefix}{name}")).collect()
}

fn ours() -> BTreeSet<String> {
    let mut all = documented("sidecar/README.md", "\n## Metrics\n", "");
    all.extend(documented("webhook/README.md", "\n## Metrics\n", "prom_remotewrite_webhook_"));
    let probes = "\n## Probes and metrics\n";
    all.extend(documented("certs/README.md", probes, "prom_remotewrite_certs_"));
    assert!(all.len() > 25, "{all:?}");
    all
}

/// The metric that a series belongs to: a histogram has three.
fn family(series: &str) -> &str {
    let parts = ["_bucket", "_sum", "_count"].into_iter();
    parts.fold(series, |name, part| name.strip_suffix(part).unwrap_or(name))
}

async fn prometheus() -> Prometheus {
    // It exports metrics of a queue as soon as it has one, even without a listener.
    let nobody = "http://127.0.0.1:9/api/v1/write".to_owned();
    let remote_writes = vec![("nobody".to_owned(), nobody)];
    Prometheus::start(&Options { remote_writes, ..Options::default() }).await.unwrap()
}

#[tokio::test]
async fn every_query_asks_for_metrics_that_exist() {
    let prometheus = prometheus().await;
    let ours = ours();
    let known = |name: &str| ours.contains(family(name)) || is_foreign(name);
    let queries = dashboard::queries().into_iter();
    let queries = queries.map(|query| (query.name.clone(), query.with(&dashboard::ALL)));
    let expressions = alerts().into_iter().map(|alert| (alert.name, alert.expr));
    let mut of_prometheus = BTreeSet::new();
    for (who, expression) in queries.chain(expressions) {
        let names = prometheus.metrics_in(&expression).await.unwrap();
        assert!(!names.is_empty(), "{who} asks for no metric: {expression}");
        for name in names {
            if name.starts_with("prometheus_") {
                of_prometheus.insert(name);
            } else {
                assert!(known(&name), "{who} asks for {name:?}, which nobody tells");
            }
        }
    }
    for name in of_prometheus {
        let start = std::time::Instant::now();
        while prometheus.values(&name).await.unwrap().is_empty() {
            assert!(start.elapsed().as_secs() < 20, "Prometheus does not tell {name}");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test]
async fn the_dashboard_shows_every_metric() {
    let prometheus = prometheus().await;
    let mut shown = BTreeSet::new();
    for query in dashboard::queries() {
        let names = prometheus.metrics_in(&query.with(&dashboard::ALL)).await.unwrap();
        shown.extend(names.iter().map(|name| family(name).to_owned()));
    }
    let hidden: Vec<String> = ours().difference(&shown).cloned().collect();
    assert_eq!(hidden, NOT_SHOWN.map(|(name, _)| name.to_owned()));
}
