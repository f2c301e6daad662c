//! The policy that finds pods without a sidecar, on a real API server: it refuses
//! those that ask and have none, and no other.

use http::Request;
use kube::{
    Client,
    api::{DeleteParams, Patch, PatchParams},
    client::Body,
};
use serde_json::{Value, json};

use super::{
    helm::Helm,
    injected::sidecar,
    objects::{self, of_kind, text},
    trial::{Trial, eventually},
};
use crate::cluster::has;

const KIND: &str = "ValidatingAdmissionPolicy";
/// The message of the policy, and of nothing else.
const REFUSED: &str = "has no container prom-remotewrite";

/// Removes the webhook configuration, as an operator in need does.
async fn remove_configuration(trial: &Trial) {
    let configuration = of_kind(&trial.rendered, "MutatingWebhookConfiguration");
    let name = text(configuration, "/metadata/name");
    let all = objects::api(&trial.client, configuration);
    all.delete(name, &DeleteParams::default()).await.unwrap();
}

/// Waits until a pod that asks is refused by the policy.
async fn until_in_force(trial: &Trial) -> String {
    let pod = trial.pod("asks", &[("inject", "true")]);
    eventually("the policy refuses", async || {
        let error = objects::apply_dry(&trial.client, &pod).await.err()?.to_string();
        error.contains(REFUSED).then_some(error)
    })
    .await
}

#[tokio::test]
async fn a_pod_that_asks_and_has_no_sidecar_is_refused() {
    const TEST: &str = "a_pod_that_asks_and_has_no_sidecar_is_refused";
    let others = ["policy-excluded", "kube-system"];
    let webhook = json!({"excludedNamespaces": ["policy-excluded"]});
    let Some(trial) = Trial::new(TEST, "policy", &others, &webhook).await else { return };
    if !has(trial.plane, 30, TEST, KIND) {
        return;
    }
    objects::namespace(&trial.client, "policy-excluded", "privileged").await;
    let asks = trial.pod("asks", &[("inject", "true")]);
    let admitted = objects::apply_dry(&trial.client, &asks).await.unwrap();
    assert!(sidecar(&admitted).is_some(), "the webhook's own pods pass");
    for pod in by_hand(&trial) {
        let stays = objects::apply_dry(&trial.client, &pod).await;
        let stays = stays.unwrap_or_else(|error| panic!("{error}: {:#}", pod["spec"]));
        assert!(sidecar(&stays).is_none(), "the webhook leaves it as it is");
    }
    let before = objects::create(&trial.client, &trial.pod("before", &[])).await.unwrap();

    remove_configuration(&trial).await;
    let message = until_in_force(&trial).await;
    for part in ["prom-remotewrite/inject", "MutatingWebhookConfiguration policy", "helm upgrade"] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
    for yes in ["true", "True", " TRUE ", "yes", "on", "1", "y", "\"true\"", "'yes'", "enabled"] {
        let pod = trial.pod("asks", &[("inject", yes)]);
        let refused = objects::apply_dry(&trial.client, &pod).await.err();
        let refused = refused.unwrap_or_else(|| panic!("{yes:?} passes")).to_string();
        assert!(refused.contains(REFUSED), "{yes:?}: {refused}");
    }
    let mut half = trial.pod("asks", &[("inject", "true")]);
    half["spec"]["containers"][0]["env"] = json!([{"name": "INGESTION_URL", "value": "x"}]);
    let refused = objects::apply_dry(&trial.client, &half).await.unwrap_err().to_string();
    assert!(refused.contains(REFUSED), "one variable is no sidecar: {refused}");
    for pod in untouched(&trial).into_iter().chain(by_hand(&trial)) {
        let passed = objects::apply_dry(&trial.client, &pod).await;
        passed.unwrap_or_else(|error| panic!("{error}: {:#}", pod["metadata"]));
    }
    // What runs is never refused, whatever happens to it.
    let annotation = json!({"metadata": {"annotations": {"prom-remotewrite/inject": "true"}}});
    let pods = objects::api(&trial.client, &before);
    pods.patch("before", &PatchParams::default(), &Patch::Merge(annotation)).await.unwrap();
}

/// Pods that do not ask, that the webhook leaves alone, or that have a sidecar.
fn untouched(trial: &Trial) -> Vec<Value> {
    let asks = || trial.pod("asks", &[("inject", "true")]);
    let mut pods = vec![
        trial.pod("silent", &[]),
        trial.pod("declines", &[("inject", "false")]),
        trial.pod("declines", &[("inject", "off")]),
        trial.pod("other", &[("profile", "one")]),
    ];
    for kind in ["containers", "initContainers"] {
        let mut by_hand = asks();
        let mut container = by_hand["spec"]["containers"][0].clone();
        container["name"] = json!(contract::names::CONTAINER);
        container["ports"] = json!([]);
        if kind == "initContainers" {
            container["restartPolicy"] = json!("Always");
        }
        by_hand["spec"][kind].as_array_mut().unwrap().push(container);
        pods.push(by_hand);
    }
    for namespace in ["policy-excluded", "kube-system"] {
        let mut excluded = asks();
        excluded["metadata"]["namespace"] = json!(namespace);
        excluded["spec"]["serviceAccountName"] = json!("default");
        pods.push(excluded);
    }
    let mut mirror = asks();
    mirror["metadata"]["annotations"]["kubernetes.io/config.mirror"] = json!("hash");
    let container = json!({
        "name": "prometheus",
        "image": "prometheus",
        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
    });
    mirror["spec"] = json!({
        "nodeName": "node",
        "securityContext": mirror["spec"]["securityContext"],
        "containers": [container],
    });
    pods.push(mirror);
    pods
}

/// Pods that ask and bring a sidecar that is recognised under another name.
fn by_hand(trial: &Trial) -> Vec<Value> {
    let variables = json!([
        {"name": "IDENTITY_TYPE", "value": "userAssigned"},
        {"name": "INGESTION_URL", "value": "https://dce.example/x"},
    ]);
    let of_destinations = json!([
        {"name": "IDENTITY_TYPE_OPS", "value": "systemAssigned"},
        {"name": "INGESTION_URL_OPS", "value": "https://dce.example/x"},
    ]);
    let images = [
        ("registry.example/mirror:2", of_destinations),
        (
            "mcr.microsoft.com/azuremonitor/containerinsights/ciprod/prometheus-remote-write/images:1",
            json!([]),
        ),
        ("mcr.microsoft.com/azuremonitor/promdev/prom-remotewrite:1", json!([])),
        ("registry.example/mirror:1", variables),
    ];
    let mut pods = Vec::new();
    for (image, variables) in images {
        for kind in ["containers", "initContainers"] {
            let mut pod = trial.pod("asks", &[("inject", "true")]);
            let mut container = pod["spec"]["containers"][0].clone();
            container["name"] = json!("remote-write");
            container["image"] = json!(image);
            container["env"] = variables.clone();
            container["ports"] = json!([]);
            if kind == "initContainers" {
                container["restartPolicy"] = json!("Always");
            }
            pod["spec"][kind].as_array_mut().unwrap().push(container);
            pods.push(pod);
        }
    }
    pods
}

/// `Ignore` lets pods through when no webhook answers; the policy does not, unless
/// it is told to.
#[tokio::test]
async fn ignore_loses_no_samples_without_a_word() {
    const TEST: &str = "ignore_loses_no_samples_without_a_word";
    let webhook = json!({"failurePolicy": "Ignore"});
    let Some(mut trial) = Trial::new(TEST, "ignore", &[], &webhook).await else { return };
    if !has(trial.plane, 30, TEST, KIND) {
        return;
    }
    trial.serving.stop().await;
    until_in_force(&trial).await;
    trial.stateful_set("asks", &[("inject", "true")]).await;
    assert!(trial.failed_create("asks").await.contains(REFUSED));

    let mut binding = of_kind(&trial.rendered, "ValidatingAdmissionPolicyBinding").clone();
    assert_eq!(binding["spec"]["validationActions"], json!(["Deny"]));
    binding["spec"]["validationActions"] = rendered_actions("warn").await;
    objects::apply(&trial.client, &binding).await.unwrap();
    assert!(sidecar(&trial.wait_for("asks-0").await).is_none());
    let warnings = warnings(&trial.client, &trial.pod("one", &[("inject", "true")])).await;
    assert!(warnings.contains(REFUSED), "{warnings}");
    assert_eq!(self::warnings(&trial.client, &trial.pod("one", &[])).await, "");
}

async fn rendered_actions(action: &str) -> Value {
    let helm = Helm::find("rendered_actions").unwrap();
    let values = json!({"validatingAdmissionPolicy": {"action": action}});
    let rendered = helm.template(("one", "two"), &values, &[]).await.unwrap();
    of_kind(&rendered, "ValidatingAdmissionPolicyBinding")["spec"]["validationActions"].clone()
}

/// The API server's warnings about a pod that would be created.
async fn warnings(client: &Client, pod: &Value) -> String {
    let namespace = text(pod, "/metadata/namespace");
    let request = Request::post(format!("/api/v1/namespaces/{namespace}/pods?dryRun=All"))
        .header("content-type", "application/json")
        .body(Body::from(pod.to_string().into_bytes()))
        .unwrap();
    let response = client.send(request).await.unwrap();
    assert!(response.status().is_success(), "{response:?}");
    let all = response.headers().get_all("warning").into_iter();
    all.map(|warning| warning.to_str().unwrap()).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn the_policy_is_rendered_where_it_is_possible_and_enabled() {
    const TEST: &str = "the_policy_is_rendered_where_it_is_possible_and_enabled";
    let Some(helm) = Helm::find(TEST) else { return };
    let has = async |values: Value, version: &str| {
        let more = ["--kube-version", version];
        let rendered = helm.template(("one", "two"), &values, &more).await.unwrap();
        rendered.iter().any(|object| object["kind"] == "ValidatingAdmissionPolicy")
    };
    assert!(!has(json!({}), "1.29.15").await);
    assert!(has(json!({}), "1.30.0").await);
    assert!(has(json!({}), "v1.33.2-gke.100").await);
    let off = json!({"validatingAdmissionPolicy": {"action": "off"}});
    assert!(!has(off, "1.37.2").await);
}
