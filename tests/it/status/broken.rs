//! Objects with one thing wrong each, and pods that have nothing to do with it.

use kube::Client;
use serde_json::{Value, json};
use tests::scene::Role;
use tokio::task::JoinSet;

use super::{FULL, MONITORING, asking, pod};
use crate::chart::objects;

/// More than two pages of 500, so that what is found lies on the last.
const OTHER_PODS: usize = 1050;

pub(super) fn before_the_webhook() -> Vec<Value> {
    let mut by_hand = pod("by-hand", &[]);
    let container = json!({
        "name": "azure",
        "image": "example.com/mirrored/writer:1",
        "env": [
            {"name": "INGESTION_URL", "value": "https://example.com"},
            {"name": "IDENTITY_TYPE", "value": "systemAssigned"},
        ],
    });
    by_hand["spec"]["containers"].as_array_mut().unwrap().push(container);
    let mut auth_proxy = pod("auth-proxy", &[]);
    let container = json!({
        "name": "azure",
        "image": "example.com/mirrored/aad-auth-proxy:1",
        "env": [
            {"name": "TARGET_HOST", "value": "https://example.com"},
            {"name": "IDENTITY_TYPE", "value": "systemAssigned"},
        ],
    });
    auth_proxy["spec"]["containers"].as_array_mut().unwrap().push(container);
    vec![
        by_hand,
        auth_proxy,
        pod("older", &[("inject", "true"), ("profile", "managed-identity")]),
        pod("unknown", &[("inject", "true"), ("profile", "manged-identity")]),
        pod("without-inject", &[("profile", "managed-identity")]),
        pod("opted-out", &[("inject", "false")]),
    ]
}

/// Pods that have nothing to do with it.
pub(super) async fn others(client: &Client) {
    let mut creating = JoinSet::new();
    for number in 0..OTHER_PODS {
        let client = client.clone();
        creating.spawn(async move {
            let pod = pod(&format!("another-{number}"), &[]);
            objects::create(&client, &pod).await.map(|_| ())
        });
        if creating.len() == 16 {
            creating.join_next().await.unwrap().unwrap().unwrap();
        }
    }
    creating.join_all().await.into_iter().for_each(Result::unwrap);
}

/// Pods of a `StatefulSet` in a namespace where none may be.
pub(super) fn refused(role: &Role) -> [Value; 2] {
    let mut refused = stateful_set("refused", &json!({}), &asking(role));
    refused["metadata"]["namespace"] = json!(FULL);
    refused["spec"]["replicas"] = json!(1);
    let quota = json!({
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none", "namespace": FULL},
        "spec": {"hard": {"pods": "0"}},
    });
    [quota, refused]
}

/// Without pods; with annotations of its own, and of the pods that it would have.
fn stateful_set(name: &str, own: &Value, of_pods: &[(&str, &str)]) -> Value {
    let pod = pod(name, of_pods);
    let labels = json!({"app": name});
    let annotations = &pod["metadata"]["annotations"];
    json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "namespace": MONITORING, "annotations": own},
        "spec": {
            "replicas": 0,
            "serviceName": name,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": pod["spec"],
            },
        },
    })
}

pub(super) fn workloads(role: &Role) -> Vec<Value> {
    let ours: Value = asking(role)
        .into_iter()
        .map(|(name, value)| (format!("{}{name}", contract::annotations::PREFIX), value.into()))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let prometheus = |name: &str, own: Value, of_pods: &Value, url: &str| {
        json!({
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "Prometheus",
            "metadata": {"name": name, "namespace": MONITORING, "annotations": own},
            "spec": {"podMetadata": {"annotations": of_pods}, "remoteWrite": [{"url": url}]},
        })
    };
    let right = "http://localhost:8081/api/v1/write";
    let elsewhere = "https://example.com/write";
    let without_operator = stateful_set("without-operator", &json!({}), &asking(role));
    let [config_map, without_operator] =
        with_file(without_operator, "http://localhost:8082/api/v1/write");
    vec![
        config_map,
        without_operator,
        stateful_set("misplaced", &ours, &[]),
        stateful_set(
            "denied",
            &json!({}),
            &[&asking(role)[..], &[("listening-port", "9090")]].concat(),
        ),
        prometheus("well", json!({}), &ours, right),
        prometheus("misplaced", ours.clone(), &json!({}), elsewhere),
        prometheus("no-sidecar", json!({}), &json!({}), right),
        prometheus("nothing", json!({}), &ours, elsewhere),
        prometheus("wrong-port", json!({}), &ours, "http://localhost:8082/api/v1/write"),
    ]
}

/// A workload as a Deployment of a Prometheus without the operator, and its
/// configuration.
fn with_file(mut workload: Value, url: &str) -> [Value; 2] {
    let (kind, name) = ("ConfigMap", workload["metadata"]["name"].clone());
    workload["kind"] = json!("Deployment");
    workload["spec"].as_object_mut().unwrap().remove("serviceName");
    let volume = json!({"name": "prometheus-yml", "configMap": {"name": name}});
    let volumes = workload["spec"]["template"]["spec"].as_object_mut().unwrap();
    let volumes = volumes.entry("volumes").or_insert_with(|| json!([]));
    volumes.as_array_mut().unwrap().push(volume);
    let file = format!("scrape_configs: []\nremote_write: [{{url: '{url}'}}]\n");
    let config_map = json!({
        "apiVersion": "v1", "kind": kind,
        "metadata": {"name": name, "namespace": MONITORING},
        "data": {"prometheus.yml": file},
    });
    [config_map, workload]
}
