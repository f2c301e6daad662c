//! Whatever values say, a real API server accepts what is rendered, field by field, and
//! Pod Security takes its pods.

use std::fs;

use cli::manifests;
use kube::Client;
use serde_json::{Value, json};
use webhook::{config::Config, decide::Decision};

use super::{
    helm::{self, Helm},
    objects::{self, of_kind, text},
    values::{examples, value_sets},
};
use crate::cluster::control_plane;

#[tokio::test]
async fn every_object_is_accepted() {
    const TEST: &str = "every_object_is_accepted";
    let Some((helm, plane)) = Helm::with_control_plane(TEST).await else { return };
    let client = plane.client().await.unwrap();
    objects::namespace(&client, "acceptance", "restricted").await;
    // What is rendered for a newer one need not be known here.
    let versions = [(29, "1.29.0"), (30, "1.30.3"), (37, "1.37.2-gke.1")];
    let versions = versions.into_iter().filter(|(minor, _)| plane.is_since(*minor));
    for (name, values) in value_sets() {
        for (_, version) in versions.clone() {
            let more = ["--kube-version", version];
            let rendered = helm.template(("one", "acceptance"), &values, &more).await.unwrap();
            let config = text(of_kind(&rendered, "ConfigMap"), "/data/config.yaml");
            let config = Config::parse(config).unwrap_or_else(|all| panic!("{name}: {all:?}"));
            assert_eq!(config.native_sidecar, name != "everything");
            for object in &rendered {
                if let Some(pod) = pod(object) {
                    accept(&client, &pod, &name).await;
                }
                // The service account of the pod for `helm test` is not there.
                if !objects::is_hook(object) {
                    accept(&client, object, &name).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn the_plain_yaml_is_accepted() {
    let Some(plane) = control_plane("the_plain_yaml_is_accepted").await else { return };
    let client = plane.client().await.unwrap();
    let plain = objects::documents(include_str!("../../../manifests/install.yaml"));
    let namespace = of_kind(&plain, "Namespace");
    objects::apply(&client, namespace).await.unwrap();
    assert!(plain.len() > 12, "{}", plain.len());
    for object in &plain {
        if !plane.is_since(30) && text(object, "/kind").starts_with("ValidatingAdmissionPolicy") {
            // As the page says.
            objects::apply_dry(&client, object).await.unwrap_err();
            continue;
        }
        accept(&client, object, "install.yaml").await;
        let within = text(object, "/metadata/namespace");
        assert!(within.is_empty() || within == text(namespace, "/metadata/name"), "{object:#}");
    }
}

async fn accept(client: &Client, object: &Value, name: &str) {
    let applied = objects::apply_dry(client, object).await;
    applied.unwrap_or_else(|error| panic!("{name}: {error}\n{object:#}"));
}

/// Of a Deployment, Pod Security looks at pods only when they come: a pod of it.
fn pod(object: &Value) -> Option<Value> {
    let template = match text(object, "/kind") {
        "Deployment" => &object["spec"]["template"],
        "Pod" => object,
        _ => return None,
    };
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "one", "namespace": text(object, "/metadata/namespace")},
        "spec": template["spec"],
    });
    // The chart's own is not there in a dry run.
    pod["spec"]["serviceAccountName"] = json!("default");
    Some(pod)
}

#[tokio::test]
async fn with_an_example_one_annotation_is_enough() {
    let Some(helm) = Helm::find("with_an_example_one_annotation_is_enough") else { return };
    let asks = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "one", "annotations": {contract::annotations::INJECT: "true"}},
        "spec": {"containers": [{"name": "prometheus", "image": "prometheus"}]},
    });
    for (name, values) in examples() {
        let rendered = helm.template(("one", "two"), &values, &[]).await.unwrap();
        let config = text(of_kind(&rendered, "ConfigMap"), "/data/config.yaml");
        let config = Config::parse(config).unwrap();
        let outcomes = manifests::inject(&config.into(), &asks.to_string()).unwrap().outcomes;
        let Decision::Inject(injection) = &outcomes[0].decision else {
            panic!("{name}: {:?}", outcomes[0].decision)
        };
        assert_eq!(injection.warnings, Vec::<String>::new(), "{name}");
    }
}

#[tokio::test]
async fn an_older_cluster_is_rejected_with_its_version() {
    let Some(helm) = Helm::find("an_older_cluster_is_rejected_with_its_version") else { return };
    let older = ["--kube-version", "1.28.15"];
    let failure = helm.template(("one", "two"), &json!({}), &older).await.unwrap_err();
    assert!(failure.to_string().contains(">=1.29.0-0"), "{failure}");
}

#[tokio::test]
async fn the_charts_own_pods_stay_out_of_meshes() {
    let Some(helm) = Helm::find("the_charts_own_pods_stay_out_of_meshes") else { return };
    let rendered = helm.template(("one", "two"), &json!({}), &[]).await.unwrap();
    let mut pods = 0;
    for object in &rendered {
        let metadata = match text(object, "/kind") {
            "Deployment" => &object["spec"]["template"]["metadata"],
            "Pod" => &object["metadata"],
            _ => continue,
        };
        pods += 1;
        let labels = &metadata["labels"];
        assert_eq!(labels["sidecar.istio.io/inject"], "false", "{object:#}");
        assert_eq!(labels["istio.io/dataplane-mode"], "none");
        assert_eq!(metadata["annotations"]["linkerd.io/inject"], "disabled");
    }
    assert!(pods > 1, "{pods}");
}

#[tokio::test]
async fn with_the_nodes_network_a_rollout_needs_no_free_node() {
    const TEST: &str = "with_the_nodes_network_a_rollout_needs_no_free_node";
    let Some((helm, plane)) = Helm::with_control_plane(TEST).await else { return };
    let client = plane.client().await.unwrap();
    // `restricted` allows no pod the network of its node.
    objects::namespace(&client, "acceptance-host", "privileged").await;
    let values = json!({"webhook": {"hostNetwork": true}});
    let rendered = helm.template(("one", "acceptance-host"), &values, &[]).await.unwrap();
    let is_webhook = |object: &&Value| {
        object["kind"] == "Deployment" && text(object, "/metadata/name").ends_with("-webhook")
    };
    let webhook = rendered.iter().find(is_webhook).unwrap();
    accept(&client, webhook, "host network").await;
    let pod = pod(webhook).unwrap();
    accept(&client, &pod, "host network").await;
    assert_eq!(pod["spec"]["dnsPolicy"], "ClusterFirstWithHostNet");
    assert_eq!(webhook["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], 1);
}

/// Deployment Safeguards change what requests less than 100m CPU and 100Mi, or has no
/// limit.
#[tokio::test]
async fn the_values_for_aks_automatic_leave_nothing_to_change() {
    const TEST: &str = "the_values_for_aks_automatic_leave_nothing_to_change";
    let Some(helm) = Helm::find(TEST) else { return };
    let values = fs::read_to_string(helm::examples().join("aks-automatic.yaml")).unwrap();
    let values: Value = serde_saphyr::from_str(&values).unwrap();
    let rendered = helm.template(("one", "two"), &values, &[]).await.unwrap();
    let mut containers = 0;
    for pod in rendered.iter().filter_map(pod) {
        for container in pod["spec"]["containers"].as_array().unwrap() {
            let resources = &container["resources"];
            assert_eq!(resources["requests"], json!({"cpu": "100m", "memory": "100Mi"}));
            assert_eq!(resources["limits"].as_object().unwrap().len(), 2, "{container:#}");
            assert!(!text(container, "/image").ends_with(":latest"));
            containers += 1;
        }
    }
    assert!(containers > 1, "{containers}");
}

#[tokio::test]
async fn rendering_twice_gives_the_same() {
    let Some(helm) = Helm::find("rendering_twice_gives_the_same") else { return };
    let render = async || helm.template(("one", "two"), &json!({}), &[]).await;
    assert_eq!(render().await.unwrap(), render().await.unwrap());
}

#[tokio::test]
async fn names_are_those_that_the_programs_know() {
    let Some(helm) = Helm::find("names_are_those_that_the_programs_know") else { return };
    let render = async |release| helm.template((release, "n"), &json!({}), &[]).await.unwrap();
    let rendered = render("prom-remotewrite").await;
    let configuration = of_kind(&rendered, "MutatingWebhookConfiguration");
    assert_eq!(text(configuration, "/metadata/name"), "prom-remotewrite");
    assert_eq!(text(configuration, "/webhooks/0/name"), "pods.inject.prom-remotewrite");
    let expression = text(configuration, "/webhooks/0/matchConditions/0/expression");
    assert!(expression.contains(contract::annotations::PREFIX), "{expression}");
    let path = text(configuration, "/webhooks/0/clientConfig/service/path");
    assert_eq!(path, webhook::serve::routes::MUTATE_PATH);
    let label = certs::rotate::objects::LABEL.replace('/', "~1");
    let label = text(configuration, &format!("/metadata/labels/{label}"));
    assert_eq!(label, certs::rotate::objects::LABEL_VALUE);
    let is_certs = |object: &&Value| text(object, "/metadata/name").ends_with("-certs");
    assert_eq!(
        rendered.iter().filter(is_certs).count(),
        7,
        "the account, four of RBAC, one Deployment, one NetworkPolicy"
    );
    let webhook = |kind: &str| {
        let found = rendered.iter().find(|object| object["kind"] == kind && !is_certs(object));
        found.unwrap()
    };
    for kind in ["Deployment", "Service", "ConfigMap"] {
        let name = text(webhook(kind), "/metadata/name");
        assert_eq!(name, "prom-remotewrite-webhook", "{kind}");
    }
    // The longest of names still is one.
    for object in render(&"long".repeat(13)).await {
        assert!(text(&object, "/metadata/name").len() <= 63, "{object:#}");
    }
}
