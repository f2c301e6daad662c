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
    series: String,
    newest: String,
    cluster: String,
}

/// Shows some series of the first role's workspace.
pub(crate) fn show(screen: &Screen, stage: &Stage) {
    let [role, _] = stage.scene.roles();
    let rows = rows(stage, &role.rule);
    let widths = rows.iter().fold((6, 6), |(series, newest), row| {
        (series.max(row.series.chars().count()), newest.max(row.newest.chars().count()))
    });
    let line = |series: &str, newest: &str, cluster: &str| {
        format!("    {series:<0$}  {newest:>1$}  {cluster}", widths.0, widths.1)
    };
    screen.step("Stored", &format!("as {} behind {}", role.name, role.rule));
    screen.heading(&line("series", "newest", "cluster"));
    for row in rows {
        screen.plain(&line(&row.series, &row.newest, &row.cluster));
    }
}

fn rows(stage: &Stage, rule: &str) -> Vec<Row> {
    let none: &[&str] = &[];
    let ups = JOBS.iter().map(|job| ("up", *job, none));
    let wanted: Vec<_> = ups.chain(SERIES).collect();
    stage.scene.azure.workspace(rule, |workspace| {
        let mut rows = Vec::new();
        for (metric, job, besides) in wanted {
            let labels = [("__name__", metric), ("job", job), ("cluster", CLUSTER)];
            for (labels, series) in workspace.find(&labels) {
                // Most of what is counted has never happened.
                let Some(sample) = series.newest().filter(|one| one.value != 0.0) else { continue };
                rows.push(Row {
                    series: name(labels, besides),
                    newest: sample.value.to_string(),
                    cluster: labels.get("cluster").cloned().unwrap_or_default(),
                });
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
