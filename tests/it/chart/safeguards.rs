//! What AKS' Deployment Safeguards would say: of the chart, of the examples, and of pods
//! before and after the sidecar is injected.

use std::{collections::BTreeSet, fs};

use cli::manifests::{self, ReviewedPod};
use http::{HeaderValue, Request};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use webhook::{config::Config, decide::Decision};

use super::{
    helm::{self, Helm},
    objects::{self, documents, text},
    trial::{self, eventually},
};
use crate::cluster::has;

const NAMESPACE: &str = "safeguards";
const PODS: [&str; 5] = ["Pod", "Deployment", "StatefulSet", "DaemonSet", "Job"];

/// What the policies say of an object that would be created: the rule and the containers.
async fn warnings(client: &Client, object: &Value) -> Vec<String> {
    let mut object = object.clone();
    object["metadata"]["namespace"] = json!(NAMESPACE);
    let path = objects::api(client, &object).resource_url().to_owned();
    let request = Request::post(format!("{path}?dryRun=All"))
        .header("content-type", "application/json")
        .body(Body::from(object.to_string().into_bytes()))
        .unwrap();
    let response = client.send(request).await.unwrap();
    let all = response.headers().get_all("warning").iter();
    let rule = |warning: &HeaderValue| {
        let text = warning.to_str().unwrap().trim_end_matches('"').to_owned();
        text.split_once("binding 'safeguards': ").map(|(_, rule)| rule.to_owned())
    };
    let all: Vec<String> = all.filter_map(rule).collect();
    let status = response.status();
    assert!(status.is_success(), "{status}: {response:?}\n{object:#}");
    all
}

/// The same of everything in `objects` that makes pods, and of a pod of each.
async fn all_warnings(client: &Client, objects: &[Value]) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut pods = 0;
    for object in objects.iter().filter(|object| PODS.contains(&text(object, "/kind"))) {
        let mut object = object.clone();
        let template = object.pointer("/spec/template").is_some();
        let place = if template { "/spec/template/spec" } else { "/spec" };
        // The chart's own account is not there in a dry run.
        object.pointer_mut(place).unwrap()["serviceAccountName"] = json!("default");
        all.extend(warnings(client, &object).await);
        if template {
            let mut pod = object["spec"]["template"].clone();
            pod["apiVersion"] = json!("v1");
            pod["kind"] = json!("Pod");
            pod["metadata"]["name"] = json!("one");
            let claims = object["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten();
            for claim in claims {
                let name = &claim["metadata"]["name"];
                let volume = json!({"name": name, "persistentVolumeClaim": {"claimName": name}});
                pod["spec"]["volumes"].as_array_mut().unwrap().push(volume);
            }
            all.extend(warnings(client, &pod).await);
        }
        pods += 1;
    }
    assert!(pods > 0, "nothing that makes pods");
    all
}

/// What no policy of an API server can compare, or look at in a role.
fn check_others(objects: &[Value]) {
    let mut selectors = BTreeSet::new();
    for object in objects {
        match text(object, "/kind") {
            "Service" => {
                let selector = object["spec"]["selector"].to_string();
                assert!(selectors.insert(selector), "selected twice: {object:#}");
            }
            "Role" | "ClusterRole" => {
                for rule in object["rules"].as_array().unwrap() {
                    let resources = rule["resources"].as_array().unwrap();
                    let nodes = |resource: &Value| ["nodes", "*"].iter().any(|one| resource == one);
                    assert!(!resources.iter().any(nodes), "{object:#}");
                }
            }
            _ => {}
        }
    }
}

fn example(file: &str) -> String {
    fs::read_to_string(helm::examples().join(file)).unwrap()
}

/// Manifests as `inject` writes them.
fn injected(config: &Value, text: &str) -> Vec<Value> {
    let mut config = config.clone();
    config["image"] = json!("ghcr.io/example/prom-remotewrite:1.0.0");
    let config = Config::parse(&config.to_string()).unwrap();
    let injected = manifests::inject(&config.into(), text).unwrap();
    let is_injected = |one: &ReviewedPod| matches!(one.decision, Decision::Inject(_));
    assert!(!injected.outcomes.is_empty() && injected.outcomes.iter().all(is_injected));
    documents(&injected.text)
}

#[tokio::test]
async fn deployment_safeguards_warn_of_nothing_new() {
    const TEST: &str = "deployment_safeguards_warn_of_nothing_new";
    let Some((helm, plane)) = Helm::with_control_plane(TEST).await else { return };
    if !has(plane, 30, TEST, "ValidatingAdmissionPolicy") {
        return;
    }
    let client = plane.client().await.unwrap();
    // Pod Security's baseline is the rest of the safeguards.
    objects::namespace(&client, NAMESPACE, "restricted").await;
    for policy in documents(include_str!("../../data/safeguards.yaml")) {
        objects::apply(&client, &policy).await.unwrap();
    }
    in_force(&client).await;
    charts(&helm, &client).await;
    pods(&client).await;
}

/// Each rule finds what breaks it.
async fn in_force(client: &Client) {
    let mut stack = trial::pod(NAMESPACE, "one", &[]);
    stack["metadata"]["labels"] = json!({"kubernetes.azure.com/mine": "x"});
    stack["spec"]["containers"][0]["image"] = json!("registry:5000/prometheus");
    stack["spec"]["containers"][1]["image"] = json!("prometheus:latest");
    stack["spec"]["tolerations"] = json!([{"key": "CriticalAddonsOnly", "operator": "Exists"}]);
    stack["spec"]["affinity"].take();
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "one"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "one"}},
            "template": {"metadata": {"labels": {"app": "one"}}, "spec": stack["spec"]},
        },
    });
    let expected = ["image: prometheus config-reloader", "label", "taint"];
    let found = eventually("the policies are in force", async || {
        let found = warnings(client, &stack).await;
        (!found.is_empty()).then_some(found)
    })
    .await;
    for rule in expected {
        assert!(found.iter().any(|one| one == rule), "{rule}: {found:?}");
    }
    assert!(found.iter().any(|one| one.starts_with("probes: ")), "{found:?}");
    assert!(found.iter().any(|one| one.starts_with("resources: ")), "{found:?}");
    let found = warnings(client, &deployment).await;
    assert!(found.iter().any(|one| one == "spread"), "{found:?}");
}

async fn charts(helm: &Helm, client: &Client) {
    let automatic: Value = serde_saphyr::from_str(&example("aks-automatic.yaml")).unwrap();
    for (values, expected) in
        [(json!({}), &["resources: certs", "resources: webhook"][..]), (automatic, &[])]
    {
        let rendered = helm.template(("one", NAMESPACE), &values, &[]).await.unwrap();
        check_others(&rendered);
        let (hooks, objects): (Vec<_>, Vec<_>) = rendered.into_iter().partition(objects::is_hook);
        let found = all_warnings(client, &objects).await;
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected);
        // The pod of `helm test` comes to its end by itself.
        let mut found = all_warnings(client, &hooks).await;
        assert!(found.remove("probes: verify"), "{found:?}");
        assert_eq!(found.len(), expected.len() / 2, "{found:?}");
    }
    let plain = documents(include_str!("../../../manifests/install.yaml"));
    let found = all_warnings(client, &plain).await;
    let found: Vec<_> = found.iter().map(String::as_str).collect();
    assert_eq!(found, ["resources: certs", "resources: webhook"]);
    check_others(&plain);
}

async fn pods(client: &Client) {
    let config = trial::config();
    let example = example("statefulset.yaml");
    assert_eq!(all_warnings(client, &documents(&example)).await, BTreeSet::new());
    assert_eq!(all_warnings(client, &injected(&config, &example)).await, BTreeSet::new());

    // Of the pod itself there is something to say, and nothing more of it with a sidecar.
    let asks = |more: (&str, &str)| trial::pod("", "one", &[("inject", "true"), more]);
    let pod = asks(("log-level", "info"));
    let before = all_warnings(client, std::slice::from_ref(&pod)).await;
    assert_eq!(all_warnings(client, &injected(&config, &pod.to_string())).await, before);

    // Except as an ordinary container, unless the configuration says what they want.
    let pod = asks(("sidecar-mode", "container"));
    let found = all_warnings(client, &injected(&config, &pod.to_string())).await;
    let of_ours = found.difference(&before).filter(|one| one.contains("prom-remotewrite"));
    assert_eq!(of_ours.count(), 2, "{found:?}");
    let mut config = config;
    config["readinessProbe"] = json!("http");
    config["resources"] = json!({
        "requests": {"cpu": "100m", "memory": "100Mi"},
        "limits": {"cpu": "500m", "memory": "256Mi"},
    });
    assert_eq!(all_warnings(client, &injected(&config, &pod.to_string())).await, before);
}
