//! A small table of what is stored.

use tests::{azure::Labels, scene::CLUSTER};

use super::{
    screen::Screen,
    stage::{JOBS, Stage},
};

/// What a person recognises: a metric, and the labels that tell its series
/// apart besides the job.
const SERIES: [(&str, &str, &[&str]); 3] = [
    ("prometheus_tsdb_head_series", "prometheus", &[]),
    ("prom_remotewrite_webhook_reviews_total", "webhook", &["decision", "reason"]),
    ("prom_remotewrite_requests_total", "sidecar", &["destination", "upstream"]),
];

struct Row {
    newest: String,
    series: String,
}

/// Shows some series of the first role's workspace.
pub(crate) fn show(screen: &Screen, stage: &Stage) {
    let [role, _] = stage.scene.roles();
    let rows = rows(stage, &role.rule);
    let width = rows.iter().map(|row| row.newest.chars().count()).max().unwrap_or(0).max(6);
    screen.step("Stored", &format!("as {} behind {}", role.name, role.rule));
    screen.heading(&format!("    {:>width$}  series, each with cluster={CLUSTER:?}", "newest"));
    for Row { newest, series } in rows {
        screen.row(&format!("    {newest:>width$}  {series}"));
    }
}

fn rows(stage: &Stage, rule: &str) -> Vec<Row> {
    let none: &[&str] = &[];
    let ups = JOBS.iter().map(|job| ("up", *job, none));
    let expected: Vec<_> = ups.chain(SERIES).collect();
    stage.scene.azure.workspace(rule, |workspace| {
        let mut rows = Vec::new();
        for (metric, job, besides) in expected {
            let labels = [("__name__", metric), ("job", job), ("cluster", CLUSTER)];
            for (labels, series) in workspace.find(&labels) {
                // Most of what is counted has never happened.
                let Some(sample) = series.newest().filter(|one| one.value != 0.0) else { continue };
                rows.push(Row { newest: sample.value.to_string(), series: name(labels, besides) });
            }
        }
        rows
    })
}

/// `up{job="webhook"}`
fn name(labels: &Labels, besides: &[&str]) -> String {
    let metric = labels.get("__name__").map(String::as_str).unwrap_or_default();
    let shown = std::iter::once(&"job").chain(besides).filter_map(|label| {
        let value = labels.get(*label)?;
        Some(format!("{label}={value:?}"))
    });
    format!("{metric}{{{}}}", shown.collect::<Vec<_>>().join(","))
}
