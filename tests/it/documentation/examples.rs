//! YAML and JSON of the READMEs are taken by what they are meant for.

use std::fs;

use cli::manifests;
use serde_json::{Value, json};
use tests::{
    machine::process::Program,
    tools::{self, PROMTOOL},
};
use webhook::{config::Config, decide::Decision};

use super::{markdown::Block, pages};
use crate::{
    chart::{
        helm::{self, Helm},
        objects::{self, of_kind, text},
    },
    cluster::control_plane,
};

const TEST: &str = "every_block_is_what_it_is_meant_for";
const PATIENCE: std::time::Duration = std::time::Duration::from_mins(1);

#[tokio::test]
async fn every_block_is_what_it_is_meant_for() {
    let (mut yaml, mut json) = (0, 0);
    for block in pages().into_iter().flat_map(|page| page.blocks) {
        match block.language.as_str() {
            "yaml" => {
                for document in documents(&block) {
                    check(&block, &document).await;
                }
                yaml += 1;
            }
            "json" => {
                let parsed = serde_json::from_str::<Value>(&block.text);
                assert!(parsed.is_ok(), "{}: {parsed:?}", block.place);
                json += 1;
            }
            "" | "text" | "sh" | "bash" | "console" => {}
            other => panic!("{}: nobody checks {other}", block.place),
        }
    }
    assert!(yaml >= 3 && json >= 1, "{yaml} {json}");
}

fn documents(block: &Block) -> Vec<Value> {
    let all: Result<Vec<Value>, _> = serde_saphyr::from_multiple(&block.text);
    all.unwrap_or_else(|error| panic!("{}: {error}", block.place))
}

/// By its first keys.
async fn check(block: &Block, document: &Value) {
    let place = &block.place;
    let has = |key: &str| document.get(key).is_some();
    if has("apiVersion") {
        object(place, document).await;
    } else if has("remote_write") || has("scrape_configs") {
        prometheus(place, document).await;
    } else if has("prometheus") {
        let spec = &document["prometheus"]["prometheusSpec"];
        pod(place, &json!({"metadata": spec["podMetadata"]}));
        assert!(spec.pointer("/remoteWrite/0/url").is_some(), "{place}");
    } else if has("metadata") {
        pod(place, document);
        if has("spec") {
            excerpt(place, document);
        }
    } else if are_values(document) {
        values(place, document).await;
    } else if has("image") {
        let parsed = Config::parse(&document.to_string());
        assert!(parsed.is_ok(), "{place}: {parsed:?}");
    } else {
        panic!("{place}: nobody knows what this is for: {document}");
    }
}

async fn object(origin: &str, document: &Value) {
    let Some(plane) = control_plane(TEST).await else { return };
    let client = plane.client().await.unwrap();
    let mut document = document.clone();
    document["metadata"]["namespace"] = json!("default");
    let applied = objects::apply_dry(&client, &document).await;
    assert!(applied.is_ok(), "{origin}: {applied:?}");
}

async fn prometheus(place: &str, document: &Value) {
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("prometheus.yml");
    fs::write(&file, document.to_string()).unwrap();
    let promtool = tools::find(&PROMTOOL, "promtool").unwrap();
    let program = Program::new("promtool", promtool);
    let file = file.display().to_string();
    let said = program.args(["check", "config", &file]).run(PATIENCE).await;
    assert!(said.is_ok(), "{place}: {said:?}");
}

/// A pod with these annotations gets its sidecar.
fn pod(place: &str, document: &Value) {
    let config = crate::examples::config("two-workspaces");
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": document["metadata"],
        "spec": {"containers": [{"name": "prometheus", "image": "prometheus"}]},
    });
    let outcomes = manifests::inject(&config.clone().into(), &pod.to_string()).unwrap().outcomes;
    let [outcome] = outcomes.as_slice() else { panic!("{place}: {outcomes:?}") };
    assert!(matches!(outcome.decision, Decision::Inject(_)), "{place}: {:?}", outcome.decision);
}

/// An excerpt of an injected pod: what it shows is what the webhook adds to the
/// pod's own container.
fn excerpt(place: &str, document: &Value) {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": document["metadata"],
        "spec": {"containers": document["spec"]["containers"]},
    });
    let config = crate::examples::config("workload-identity");
    let injected = manifests::inject(&config.into(), &pod.to_string()).unwrap().text;
    let injected: Value = serde_saphyr::from_str(&injected).unwrap();
    assert!(holds(&injected["spec"], &document["spec"]), "{place}: {injected}");
}

/// Whether `all` has everything that is in `shown`; entries of lists in any order.
fn holds(all: &Value, shown: &Value) -> bool {
    match (all, shown) {
        (Value::Object(all), Value::Object(shown)) => {
            shown.iter().all(|(key, value)| all.get(key).is_some_and(|own| holds(own, value)))
        }
        (Value::Array(all), Value::Array(shown)) => {
            shown.iter().all(|value| all.iter().any(|own| holds(own, value)))
        }
        (all, shown) => all == shown,
    }
}

/// What the pages show of kube-prometheus-stack's values is the file that they apply.
#[test]
fn values_of_kube_prometheus_stack_are_those_of_the_file() {
    let file = crate::examples::read("kube-prometheus-stack/profile.yaml");
    let file: Value = serde_saphyr::from_str(&file).unwrap();
    for name in ["README.md", "manifests/README.md"] {
        let page = pages().into_iter().find(|page| page.name == name).unwrap();
        let block = page.blocks.iter().find(|block| block.text.starts_with("prometheus:\n"));
        let shown: Value = serde_saphyr::from_str(&block.unwrap().text).unwrap();
        assert_eq!(shown, file, "{name}");
    }
}

/// Whether each of its keys is one of our chart's.
fn are_values(document: &Value) -> bool {
    let values = fs::read_to_string(helm::chart().join("values.yaml")).unwrap();
    let values: Value = serde_saphyr::from_str(&values).unwrap();
    document.as_object().is_some_and(|keys| keys.keys().all(|key| values.get(key).is_some()))
}

/// Values of our chart.
async fn values(place: &str, document: &Value) {
    let Some(helm) = Helm::find(TEST) else { return };
    let rendered = helm.template(("one", "two"), document, &[]).await;
    let rendered = rendered.unwrap_or_else(|failure| panic!("{place}: {failure}"));
    let config = text(of_kind(&rendered, "ConfigMap"), "/data/config.yaml");
    let parsed = Config::parse(config);
    assert!(parsed.is_ok(), "{place}: {parsed:?}");
}
