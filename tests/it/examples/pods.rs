//! Pods of the examples, through the webhook's own decision.

use cli::manifests::{self, Injected, explain::explain};
use contract::names::env;
use serde_json::{Map, Value, json};
use tests::{
    machine::{environment, process::Program},
    tools::{self, PROMTOOL},
};
use webhook::{config::Config, decide::Decision};

use super::{config, list, read};
use crate::chart::{
    injected::sidecar,
    objects::{self, of_kind, text},
};

/// The pod that a kube-prometheus-stack once made, with these annotations.
pub(crate) fn annotated(more: &[(&str, Value)]) -> Value {
    let file = environment::crate_folder().join("data/kube-prometheus-stack-88.5.3-pod.json");
    let mut pod: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut annotations =
        Map::from_iter([(contract::annotations::INJECT.to_owned(), json!("true"))]);
    annotations.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    pod["metadata"]["annotations"] = annotations.into();
    pod
}

/// What happens to one pod, which must get its sidecar without a warning.
fn inject(what: &str, config: &Config, text: &str) -> Injected {
    let injected = manifests::inject(&config.clone().into(), text).unwrap();
    let [outcome] = injected.outcomes.as_slice() else { panic!("{what}: {:?}", injected.outcomes) };
    let Decision::Inject(injection) = &outcome.decision else {
        panic!("{what}: {:?}", outcome.decision)
    };
    assert_eq!(injection.warnings, Vec::<String>::new(), "{what}");
    assert_eq!(outcome.hints, Vec::<String>::new(), "{what}");
    injected
}

/// A variable of the sidecar in a pod's or a template's `spec`.
fn variable(holder: &Value, name: &str) -> String {
    let (_, container) = sidecar(holder).unwrap();
    let all = container["env"].as_array().unwrap();
    let found = all.iter().find(|variable| text(variable, "/name") == name);
    found.map(|variable| text(variable, "/value").to_owned()).unwrap_or_default()
}

#[test]
fn pods_of_kube_prometheus_stack_get_the_identity_that_the_file_names() {
    for (file, profile, identity) in [
        ("application", None, "aadApplication"),
        ("profile", Some("user-assigned"), "userAssigned"),
        ("relabelling", Some("user-assigned"), "userAssigned"),
        ("tuned", Some("user-assigned"), "userAssigned"),
        ("two-workspaces", Some("two-workspaces"), "userAssigned"),
        ("system-assigned", None, "systemAssigned"),
        ("user-assigned", None, "userAssigned"),
        ("workload-identity", None, "workloadIdentity"),
    ] {
        let bare = || Config::parse(r#"{"image": "x"}"#).unwrap();
        let config = profile.map_or_else(bare, config);
        let file = format!("kube-prometheus-stack/{file}.yaml");
        assert!(list("kube-prometheus-stack").contains(&file), "{file}");
        let values: Value = serde_saphyr::from_str(&read(&file)).unwrap();
        let spec = &values["prometheus"]["prometheusSpec"];
        let annotations = spec["podMetadata"]["annotations"].as_object().unwrap();
        let annotations: Vec<(&str, Value)> =
            annotations.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let pod = annotated(&annotations);
        let injected = inject(&file, &config, &pod.to_string());
        let pod: Value = serde_saphyr::from_str(&injected.text).unwrap();
        assert_eq!(variable(&pod, env::IDENTITY_TYPE), identity, "{file}");
        writes_to_the_sidecar(spec, &pod);
        assert_eq!(text(spec, "/externalLabels/cluster"), "aks-1", "{file}");
    }
    assert_eq!(list("kube-prometheus-stack").len(), 8);
}

/// Two queues with opposite relabelling, and a destination for each.
#[test]
fn each_workspace_of_a_pod_has_a_queue() {
    const FILE: &str = "kube-prometheus-stack/two-workspaces.yaml";
    let values: Value = serde_saphyr::from_str(&read(FILE)).unwrap();
    let spec = &values["prometheus"]["prometheusSpec"];
    let object = json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "Prometheus",
        "metadata": {"name": "main"},
        "spec": spec,
    });
    let explained = explain(&config("two-workspaces").into(), &object.to_string()).unwrap();
    let urls = explained[0].destinations.iter().map(|one| one.remote_write_url.as_str());
    let queues = spec["remoteWrite"].as_array().unwrap();
    let written: Vec<&str> = queues.iter().map(|queue| text(queue, "/url")).collect();
    assert_eq!(urls.collect::<Vec<_>>(), written);
    assert_eq!(explained[0].outcome.hints.len(), 1, "{:?}", explained[0].outcome.hints);
    let rules: Vec<&Value> = queues.iter().map(|queue| &queue["writeRelabelConfigs"][0]).collect();
    let [drop, keep] = rules.as_slice() else { panic!("{rules:?}") };
    assert_eq!((text(drop, "/action"), text(keep, "/action")), ("drop", "keep"));
    for same in ["sourceLabels", "regex"] {
        assert_eq!(drop[same], keep[same]);
    }
}

/// Prometheus' remote write goes where the sidecar listens.
fn writes_to_the_sidecar(spec: &Value, pod: &Value) {
    let port = variable(pod, env::LISTENING_PORT);
    let port =
        if port.is_empty() { contract::names::DEFAULT_LISTENING_PORT.to_string() } else { port };
    let expected = format!("http://localhost:{port}{}", contract::names::WRITE_PATH);
    assert_eq!(text(spec, "/remoteWrite/0/url"), expected);
}

#[test]
fn an_object_of_the_operator_gets_a_sidecar() {
    let explained = explain(&config("workload-identity").into(), &read("prometheus.yaml")).unwrap();
    assert_eq!(explained.len(), 1);
    let outcome = &explained[0].outcome;
    assert!(matches!(outcome.decision, Decision::Inject(_)), "{:?}", outcome.decision);
    assert_eq!(outcome.hints.len(), 1, "{:?}", outcome.hints);
    assert!(outcome.hints[0].starts_with("prometheus-operator creates its pods"));
    let object = objects::documents(&read("prometheus.yaml")).remove(0);
    assert_eq!(text(&object["spec"], "/remoteWrite/0/url"), "http://localhost:8081/api/v1/write");
}

#[tokio::test]
async fn the_plain_stateful_set_gets_a_sidecar_and_its_configuration_is_one() {
    let example = read("statefulset.yaml");
    let injected = inject("statefulset.yaml", &config("user-assigned"), &example);
    let patched = objects::documents(&injected.text);
    let template = &of_kind(&patched, "StatefulSet")["spec"]["template"];
    assert_eq!(variable(template, env::IDENTITY_TYPE), "userAssigned");
    // 120 s of grace leave the sidecar its usual time.
    assert_eq!(variable(template, env::SHUTDOWN_TIMEOUT), "");

    let example = objects::documents(&example);
    let configuration = text(of_kind(&example, "ConfigMap"), "/data/prometheus.yml");
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("prometheus.yml");
    std::fs::write(&file, configuration).unwrap();
    let promtool = tools::find(&PROMTOOL, "promtool").unwrap();
    let said = Program::new("promtool", promtool)
        .args(["check", "config", &file.display().to_string()])
        .run(std::time::Duration::from_mins(1))
        .await
        .unwrap();
    assert!(said.contains("SUCCESS"), "{said}");
}
