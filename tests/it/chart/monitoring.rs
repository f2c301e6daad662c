//! Alerts and dashboard, as a release has them.

use std::{fs, time::Duration};

use serde_json::{Map, Value, json};
use tests::{
    machine::process::Program,
    tools::{self, PROMTOOL},
};

use super::{
    helm::{Helm, chart},
    objects::{of_kind, text},
};
use crate::monitoring::alerts;

const RELEASE: (&str, &str) = ("one", "two");
const PATIENCE: Duration = Duration::from_mins(1);

/// The groups that a release with these values has.
async fn groups(helm: &Helm, mut rule: Value) -> Value {
    rule["enabled"] = json!(true);
    let rendered = helm.template(RELEASE, &json!({"prometheusRule": rule}), &[]).await.unwrap();
    of_kind(&rendered, "PrometheusRule")["spec"]["groups"].clone()
}

fn rules(groups: &Value) -> impl Iterator<Item = &Value> {
    let groups = groups.as_array().into_iter().flatten();
    groups.flat_map(|group| group["rules"].as_array().unwrap())
}

fn rule<'a>(groups: &'a Value, name: &str) -> &'a Value {
    rules(groups).find(|rule| rule["alert"] == name).unwrap()
}

#[tokio::test]
async fn a_release_has_the_alerts_of_the_file() {
    let Some(helm) = Helm::find("a_release_has_the_alerts_of_the_file") else { return };
    let file = fs::read_to_string(chart().join("files/alerts.yaml")).unwrap();
    let file: Value = serde_saphyr::from_str(&file).unwrap();
    assert_eq!(groups(&helm, json!({})).await, file["groups"]);
}

/// Its metrics of the last day would keep the alert firing after such a change.
#[tokio::test]
async fn a_release_without_certs_has_no_alert_that_it_is_down() {
    const TEST: &str = "a_release_without_certs_has_no_alert_that_it_is_down";
    let Some(helm) = Helm::find(TEST) else { return };
    let bundle = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    let provided = json!({"mode": "provided", "provided": {"secretName": "own"}});
    let trusted =
        json!({"mode": "provided", "provided": {"secretName": "own", "caBundle": bundle}});
    for (certificates, expected) in [
        (json!({"mode": "rotate"}), true),
        (json!({"mode": "certManager"}), true),
        (trusted, true),
        (provided, false),
    ] {
        let values = json!({"certificates": certificates, "prometheusRule": {"enabled": true}});
        let rendered = helm.template(RELEASE, &values, &[]).await.unwrap();
        let is_certs = |object: &Value| {
            object["kind"] == "Deployment" && text(object, "/metadata/name").ends_with("-certs")
        };
        assert_eq!(rendered.iter().any(is_certs), expected, "{values}");
        let groups = &of_kind(&rendered, "PrometheusRule")["spec"]["groups"];
        let down = rules(groups).any(|rule| rule["alert"] == "PromRemoteWriteCertsDown");
        assert_eq!(down, expected, "{values}");
        assert_eq!(rules(groups).count(), alerts().len() - usize::from(!expected));
    }
}

#[tokio::test]
async fn single_alerts_are_changed_by_values() {
    let Some(helm) = Helm::find("single_alerts_are_changed_by_values") else { return };
    let groups = groups(
        &helm,
        json!({
            "alertLabels": {"team": "observability", "severity": "none"},
            "runbook": "https://wiki.example/alerts?version=1",
            "alerts": {
                "PromRemoteWriteBehind": {"enabled": false},
                "PromRemoteWriteReceivesNothing": {"enabled": true, "for": "2h"},
                "PromRemoteWriteNotInjected": {"severity": "page"},
            },
        }),
    )
    .await;
    assert!(rules(&groups).all(|rule| rule["alert"] != "PromRemoteWriteBehind"));
    assert_eq!(rules(&groups).count(), alerts().len() - 1);
    let nothing = rule(&groups, "PromRemoteWriteReceivesNothing");
    assert_eq!(nothing["for"], "2h");
    let labels = json!({"severity": "warning", "team": "observability"});
    assert_eq!(nothing["labels"], labels, "an alert's own labels come first");
    assert_eq!(
        nothing["annotations"]["runbook_url"],
        "https://wiki.example/alerts?version=1#promremotewritereceivesnothing"
    );
    assert_eq!(rule(&groups, "PromRemoteWriteNotInjected")["labels"]["severity"], "page");
}

#[tokio::test]
async fn thresholds_replace_the_numbers_that_expressions_end_in() {
    const TEST: &str = "thresholds_replace_the_numbers_that_expressions_end_in";
    let Some(helm) = Helm::find(TEST) else { return };
    let with_threshold = || alerts().into_iter().filter(|alert| alert.threshold().is_some());
    let changes = with_threshold().map(|alert| (alert.name, json!({"threshold": 1_234_567.5})));
    let changes: Map<String, Value> = changes.collect();
    assert!(changes.len() > 15, "{changes:?}");
    let groups = groups(&helm, json!({"alerts": changes})).await;
    for alert in with_threshold() {
        let kept = alert.expr.strip_suffix(alert.threshold().unwrap()).unwrap();
        let expr = text(rule(&groups, &alert.name), "/expr");
        let number = expr.strip_prefix(kept).unwrap();
        assert!((number.parse::<f64>().unwrap() - 1_234_567.5).abs() < 1.0, "{expr}");
    }
    // Prometheus reads the number as it is written.
    let file = helm.values(&json!({"groups": groups})).unwrap().display().to_string();
    let promtool = tools::find(&PROMTOOL, "promtool").unwrap();
    Program::new("promtool", promtool).args(["check", "rules", &file]).run(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn alerts_look_for_the_webhook_by_its_name() {
    let Some(helm) = Helm::find("alerts_look_for_the_webhook_by_its_name") else { return };
    let rendered = helm.template(RELEASE, &json!({}), &[]).await.unwrap();
    let configuration = of_kind(&rendered, "MutatingWebhookConfiguration");
    let name = format!("{{name=\"{}\"", text(configuration, "/webhooks/0/name"));
    let unreachable =
        alerts().into_iter().find(|one| one.name == "PromRemoteWriteWebhookUnreachable");
    assert_eq!(unreachable.unwrap().expr.matches(&name).count(), 2);
    let kinds: Vec<&str> = rendered.iter().map(|object| text(object, "/kind")).collect();
    assert!(!kinds.contains(&"PrometheusRule"), "unasked: {kinds:?}");
}

/// What a `PodMonitor` selects is there, with a port of that name.
fn check_endpoint(rendered: &[Value], monitor: &Value) {
    let is_selected = |object: &&Value| {
        let labels = object["spec"]["template"]["metadata"]["labels"].as_object();
        let mut expected = monitor["spec"]["selector"]["matchLabels"].as_object().unwrap().iter();
        labels.is_some_and(|labels| expected.all(|(key, value)| labels.get(key) == Some(value)))
    };
    let selected: Vec<&Value> = rendered.iter().filter(is_selected).collect();
    let [deployment] = selected[..] else { panic!("{monitor:#}: {selected:#?}") };
    let port = &monitor["spec"]["podMetricsEndpoints"][0]["port"];
    let ports = &deployment["spec"]["template"]["spec"]["containers"][0]["ports"];
    let mut ports = ports.as_array().unwrap().iter();
    assert!(ports.any(|one| one["name"] == *port), "{monitor:#}");
}

#[tokio::test]
async fn each_program_that_runs_is_scraped() {
    let Some(helm) = Helm::find("each_program_that_runs_is_scraped") else { return };
    let provided = json!({"mode": "provided", "provided": {"secretName": "own"}});
    for (certificates, expected) in [
        (json!({"mode": "rotate"}), ["webhook", "certs"].as_slice()),
        (json!({"mode": "certManager"}), &["webhook", "certs"]),
        (provided, &["webhook"]),
    ] {
        let values = json!({"podMonitor": {"enabled": true}, "certificates": certificates});
        let rendered = helm.template(RELEASE, &values, &[]).await.unwrap();
        let monitors = rendered.iter().filter(|object| object["kind"] == "PodMonitor");
        let (programs, sidecars): (Vec<&Value>, Vec<&Value>) =
            monitors.partition(|one| one["spec"]["namespaceSelector"].is_null());
        for monitor in &programs {
            check_endpoint(&rendered, monitor);
        }
        let parts = programs
            .iter()
            .map(|monitor| text(monitor, "/metadata/labels/app.kubernetes.io~1component"));
        assert_eq!(parts.collect::<Vec<_>>(), expected);
        assert_eq!(sidecars.len(), 1);
    }
}

/// Two releases that share the namespaces share the sidecars.
#[tokio::test]
async fn two_releases_scrape_each_sidecar_once() {
    let Some(helm) = Helm::find("two_releases_scrape_each_sidecar_once") else { return };
    let mut scraping = Vec::new();
    for (release, operator) in [("one", "In"), ("other", "NotIn")] {
        let key = "kubernetes.io/metadata.name";
        let only = json!({"key": key, "operator": operator, "values": ["test", "a-team"]});
        let values = json!({
            "podMonitor": {"enabled": true},
            "webhook": {"namespaceSelector": [{"key": "x", "operator": "Exists"}, only]},
        });
        let rendered = helm.template((release, "two"), &values, &[]).await.unwrap();
        let is_it = |object: &&Value| text(object, "/metadata/name").ends_with("-sidecars");
        let endpoint = &rendered.iter().find(is_it).unwrap()["spec"]["podMetricsEndpoints"][0];
        let relabelings = endpoint["relabelings"].as_array().unwrap();
        let by_namespace = relabelings
            .iter()
            .filter(|one| one["sourceLabels"][0] == "__meta_kubernetes_namespace");
        let [rule] = by_namespace.collect::<Vec<_>>()[..] else { panic!("{endpoint:#}") };
        assert_eq!(rule["regex"], "test|a-team");
        scraping.push(text(rule, "/action").to_owned());
    }
    assert_eq!(scraping, ["keep", "drop"]);
}

#[tokio::test]
async fn the_dashboard_is_where_grafanas_companion_looks() {
    const TEST: &str = "the_dashboard_is_where_grafanas_companion_looks";
    let Some(helm) = Helm::find(TEST) else { return };
    let file = fs::read_to_string(chart().join("files/dashboard.json")).unwrap();
    let file: Value = serde_json::from_str(&file).unwrap();
    for (more, namespace, label) in [
        (json!({}), "two", "grafana_dashboard"),
        (json!({"namespace": "grafana", "labels": {"dashboards": "1"}}), "grafana", "dashboards"),
    ] {
        let mut values = more;
        values["enabled"] = json!(true);
        values["annotations"] = json!({"grafana_folder": "Azure"});
        let rendered = helm.template(RELEASE, &json!({"dashboard": values}), &[]).await.unwrap();
        let is_it = |object: &&Value| text(object, "/metadata/name").ends_with("-dashboard");
        let map = rendered.iter().find(is_it).unwrap();
        assert_eq!(map["metadata"]["namespace"], namespace);
        assert_eq!(map["metadata"]["labels"][label], "1");
        assert_eq!(map["metadata"]["annotations"]["grafana_folder"], "Azure");
        let data: Vec<_> = map["data"].as_object().unwrap().iter().collect();
        let [(name, text)] = data[..] else { panic!("{data:?}") };
        assert_eq!(name, "one-prom-remotewrite.json");
        let shown: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
        assert_eq!(shown, file);
    }
}
