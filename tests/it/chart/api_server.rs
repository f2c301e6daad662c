//! The metrics of a real API server about a webhook that it cannot reach: the metrics
//! that an alert lives on.

use http::Request;
use kube::Client;
use serde_json::json;
use tests::machine::ports;

use super::{objects, trial::eventually};
use crate::{cluster::control_plane, monitoring::alerts};

/// As the chart has it.
const NAME: &str = "pods.inject.prom-remotewrite";

/// Has pods of a namespace sent to where no one listens.
async fn unreachable(client: &Client, namespace: &str, policy: &str) {
    objects::namespace(client, namespace, "privileged").await;
    let port = ports::free().unwrap();
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": namespace},
        "webhooks": [{
            "name": NAME,
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": policy,
            "timeoutSeconds": 1,
            "clientConfig": {"url": format!("https://localhost:{port}/mutate")},
            "rules": [{
                "operations": ["CREATE"],
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "resources": ["pods"],
            }],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        }],
    });
    objects::apply(client, &configuration).await.unwrap();
}

#[tokio::test]
async fn it_counts_what_the_alert_asks_for() {
    const TEST: &str = "it_counts_what_the_alert_asks_for";
    let Some(plane) = control_plane(TEST).await else { return };
    let client = plane.client().await.unwrap();
    for (namespace, policy, metric, labels) in [
        ("unreachable-fail", "Fail", "rejection_count", "error_type=\"calling_webhook_error\""),
        ("unreachable-ignore", "Ignore", "fail_open_count", ""),
    ] {
        unreachable(&client, namespace, policy).await;
        let metric = format!("apiserver_admission_webhook_{metric}");
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "one", "namespace": namespace},
            "spec": {"containers": [{"name": "one", "image": "one"}]},
        });
        eventually(&metric, async || {
            // Whether it may be created is not the matter.
            let _ = objects::apply_dry(&client, &pod).await;
            let request = Request::get("/metrics").body(Vec::new()).unwrap();
            let text = client.request_text(request).await.unwrap();
            let name = format!("name=\"{NAME}\"");
            let is_about = |line: &&str| {
                line.starts_with(&metric) && line.contains(&name) && line.contains(labels)
            };
            text.lines().find(is_about).map(str::to_owned)
        })
        .await;
        let asked = alerts().into_iter().find(|one| one.name.ends_with("WebhookUnreachable"));
        assert!(asked.unwrap().expr.contains(&metric));
    }
}
