//! The chart's dashboard as a picture: its own panels, titles, units and queries, with what
//! the demo's Prometheus holds after two minutes in which Azure was down for a while.

mod drawing;
mod unit;

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;
use tests::{
    azure::{Fault, Service},
    failure::{Context, Outcome},
    machine::environment,
};
use tokio::time::sleep;

use super::{screen::Screen, stage::Stage};

/// What is drawn: the sections with these titles, not the table and what follows.
const SECTIONS: [&str; 3] = ["Overview", "Writes", "Latency"];
/// Seconds that are drawn, and between two points.
const SPAN: u32 = 120;
const STEP: u32 = 1;
/// Grafana takes four scrapes or more; the demo scrapes every second.
const RATE_INTERVAL: &str = "10s";
/// Seconds after the start in which Azure answers 503.
const OUTAGE: std::ops::Range<u64> = 50..65;

/// A panel, with what it shows.
#[derive(Debug)]
struct Panel {
    title: String,
    kind: String,
    unit: String,
    /// Columns and rows of the dashboard's grid: x, y, width, height.
    place: [u32; 4],
    series: Vec<Series>,
}

/// A name, and values by the point's number; what is missing has none.
type Series = (String, BTreeMap<u32, f64>);

/// Lets time pass, with faults in it, and draws the dashboard.
pub(crate) async fn draw(screen: &Screen, stage: &Stage, file: &Path) -> Outcome<()> {
    screen.step("Dashboard", "two minutes, in which Azure fails for a while, then a picture");
    let (start, faults) = (Instant::now(), stage.scene.azure.faults(Service::Ingestion));
    loop {
        let seconds = start.elapsed().as_secs();
        screen.progress(&format!("    {seconds} of {SPAN} s"));
        faults.clear();
        if OUTAGE.contains(&seconds) {
            faults.always(Fault::status(503));
        }
        if seconds >= u64::from(SPAN) {
            break;
        }
        sleep(Duration::from_millis(500)).await;
    }
    let prometheus = stage.prometheus.as_ref().context("ask Prometheus")?;
    let end = f64::from(u32::try_from(stage.scene.azure.clock().seconds()).unwrap_or(u32::MAX));
    let json = environment::crate_folder().join("../manifests/chart/files/dashboard.json");
    let json = fs::read(&json).context(format!("read {}", json.display()))?;
    let json: Value = serde_json::from_slice(&json).context("read the dashboard")?;
    let mut panels = Vec::new();
    for mut panel in chosen(&json) {
        for (expression, legend) in panel.1 {
            let times = (end - f64::from(SPAN), end);
            let answer = prometheus.query_range(&filled_in(&expression), times, STEP).await?;
            panel.0.series.extend(series(&answer, &legend, end));
        }
        panels.push(panel.0);
    }
    fs::write(file, drawing::draw(&panels, SPAN)).context(format!("write {}", file.display()))
}

/// The panels of the sections, moved together, and the queries of each with their legends.
fn chosen(dashboard: &Value) -> Vec<(Panel, Vec<(String, String)>)> {
    let (mut panels, mut drawn, mut top, mut bottom) = (Vec::new(), false, 0, 0);
    for panel in dashboard["panels"].as_array().into_iter().flatten() {
        let text = |path: &str| panel.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let cell = |name: &str| {
            let cell = panel.pointer(&format!("/gridPos/{name}")).and_then(Value::as_u64);
            cell.and_then(|cell| u32::try_from(cell).ok()).unwrap_or_default()
        };
        if text("/type") == "row" {
            drawn = SECTIONS.contains(&text("/title"));
            top = cell("y") - bottom.min(cell("y"));
        }
        if !drawn {
            continue;
        }
        bottom = bottom.max(cell("y") - top + cell("h"));
        let targets = panel["targets"].as_array().into_iter().flatten();
        let text_of =
            |target: &Value, key: &str| target[key].as_str().unwrap_or_default().to_owned();
        let queries = targets.map(|one| (text_of(one, "expr"), text_of(one, "legendFormat")));
        let shown = Panel {
            title: text("/title").to_owned(),
            kind: text("/type").to_owned(),
            unit: text("/fieldConfig/defaults/unit").to_owned(),
            place: [cell("x"), cell("y") - top, cell("w"), cell("h")],
            series: Vec::new(),
        };
        panels.push((shown, queries.collect()));
    }
    panels
}

/// A panel's expression for all clusters, namespaces, pods and destinations.
fn filled_in(expression: &str) -> String {
    let mut expression = expression.replace("$__rate_interval", RATE_INTERVAL);
    for variable in ["$cluster", "$namespace", "$pod", "$destination"] {
        expression = expression.replace(variable, ".*");
    }
    expression
}

/// What a query yielded, named as the legend says.
fn series(answer: &Value, legend: &str, end: f64) -> Vec<Series> {
    let results = answer.pointer("/result").and_then(Value::as_array);
    let of_one = |one: &Value| {
        let mut name = legend.to_owned();
        for (label, value) in one["metric"].as_object().into_iter().flatten() {
            name = name.replace(&format!("{{{{{label}}}}}"), value.as_str().unwrap_or_default());
        }
        // A label that a series lacks is empty.
        while let Some((before, (_, after))) =
            name.split_once("{{").and_then(|(before, rest)| Some((before, rest.split_once("}}")?)))
        {
            name = format!("{before}{after}");
        }
        let point = |point: &Value| {
            let time = point[0].as_f64()? - (end - f64::from(SPAN));
            let value: f64 = point[1].as_str()?.parse().ok()?;
            let number =
                (0..=SPAN).step_by(STEP as usize).find(|at| f64::from(*at) >= time - 0.5)?;
            value.is_finite().then_some((number, value))
        };
        let points = one["values"].as_array().into_iter().flatten().filter_map(point);
        (name.trim().to_owned(), points.collect())
    };
    results.into_iter().flatten().map(of_one).collect()
}
