//! The dashboard, as it stands in the chart.

use std::collections::BTreeSet;

use serde_json::Value;

use super::read;

/// Panels that Grafana has without a plugin, and that 10, 11 and 12 share.
const TYPES: [&str; 4] = ["row", "stat", "table", "timeseries"];
/// What Grafana 10.0 wrote. Newer ones read it, older ones nothing newer.
const SCHEMA_VERSION: u64 = 38;
/// Grafana's names of the units that are used.
const UNITS: [&str; 8] = ["none", "short", "s", "bytes", "Bps", "cps", "reqps", "percentunit"];
/// A dashboard is so many columns wide.
const WIDTH: u64 = 24;

/// A query of a panel.
pub(super) struct Query {
    /// The panel's title, and which of its queries.
    pub(super) name: String,
    expr: String,
}

/// What is chosen in the dashboard's variables.
pub(super) struct Chosen {
    pub(super) cluster: &'static str,
    pub(super) namespace: &'static str,
    pub(super) pod: &'static str,
    pub(super) destination: &'static str,
}

/// "All" in each of them.
pub(super) const ALL: Chosen =
    Chosen { cluster: ".*", namespace: ".*", pod: ".*", destination: ".*" };

impl Query {
    /// What Grafana would send.
    pub(super) fn with(&self, chosen: &Chosen) -> String {
        // Longer than any run that it is asked about.
        let expr = self.expr.replace("$__rate_interval", "5m");
        let expr = expr.replace("$cluster", chosen.cluster).replace("$pod", chosen.pod);
        let expr = expr.replace("$namespace", chosen.namespace);
        let expr = expr.replace("$destination", chosen.destination);
        assert!(!expr.contains('$'), "{}: a variable that is not there: {expr}", self.name);
        expr
    }

    /// Whether the chosen destination makes a difference.
    pub(super) fn is_by_destination(&self) -> bool {
        self.expr.contains("$destination")
    }
}

fn dashboard() -> Value {
    serde_json::from_str(&read("chart/files/dashboard.json")).unwrap()
}

fn panels(dashboard: &Value) -> &[Value] {
    dashboard["panels"].as_array().unwrap()
}

fn targets(panel: &Value) -> &[Value] {
    panel["targets"].as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Every query of every panel.
pub(super) fn queries() -> Vec<Query> {
    let dashboard = dashboard();
    let query = |panel: &Value, target: &Value| Query {
        name: format!("{} {}", text(&panel["title"]), text(&target["refId"])),
        expr: text(&target["expr"]).to_owned(),
    };
    let all = panels(&dashboard).iter();
    all.flat_map(|panel| targets(panel).iter().map(move |target| query(panel, target))).collect()
}

#[test]
fn grafana_10_to_12_can_show_it() {
    let dashboard = dashboard();
    assert_eq!(dashboard["schemaVersion"], SCHEMA_VERSION);
    assert!(dashboard["id"].is_null(), "an id belongs to one Grafana");
    let page = format!("{}/blob/main/manifests/alerts.md", env!("CARGO_PKG_REPOSITORY"));
    assert_eq!(dashboard["links"][0]["url"], page);
    let mut ids = BTreeSet::new();
    for panel in panels(&dashboard) {
        let title = text(&panel["title"]);
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: two have its id");
        assert!(TYPES.contains(&text(&panel["type"])), "{title} takes a plugin");
        if panel["type"] == "row" {
            continue;
        }
        assert!(text(&panel["description"]).ends_with('.'), "{title} has no description");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        let overrides = panel["fieldConfig"]["overrides"].as_array().unwrap().iter();
        let properties = overrides.flat_map(|one| one["properties"].as_array().unwrap());
        let units = properties.filter(|property| property["id"] == "unit");
        let own = panel["fieldConfig"]["defaults"].get("unit").into_iter();
        for unit in units.map(|property| &property["value"]).chain(own) {
            assert!(UNITS.contains(&text(unit)), "{title}: {unit} is no unit of Grafana");
        }
        let letters: BTreeSet<&str> =
            targets(panel).iter().map(|one| text(&one["refId"])).collect();
        assert!(!letters.is_empty() && letters.len() == targets(panel).len(), "{title}");
    }
}

#[test]
fn no_panel_lies_on_another() {
    let dashboard = dashboard();
    let mut taken = BTreeSet::new();
    for panel in panels(&dashboard) {
        let place = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(place("x") + place("w") <= WIDTH, "{panel}");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{} lies on another", panel["title"]);
            }
        }
    }
}

#[test]
fn every_label_of_queries_has_a_variable() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<&str> = variables.iter().map(|one| text(&one["name"])).collect();
    assert_eq!(names, ["datasource", "cluster", "namespace", "pod", "destination"]);
    for variable in &variables[1..] {
        // "All" finds targets that lack the label, too.
        assert_eq!((&variable["allValue"], &variable["includeAll"]), (&".*".into(), &true.into()));
    }
    for query in queries() {
        let _complete = query.with(&ALL);
    }
}
