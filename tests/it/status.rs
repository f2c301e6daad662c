//! `kubectl prom-remotewrite status` and `check`, on a real API server with one broken
//! thing of each kind, next to a sidecar that is well.

mod broken;
mod pod_network;
mod policies;
mod rights;
mod trust;

use std::{path::Path, time::Duration};

use k8s_openapi::api::core::v1::Event;
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use tests::{
    kubernetes::{
        control_plane::{ControlPlane, say_skipped},
        kubelet::Prepared,
    },
    machine::{ports, process::Program},
    product::{
        binaries::{self, CLI},
        sidecar::Sidecar,
        webhook::{IssuedCertificate, Webhook},
    },
    scene::{Role, Scene},
};
use tokio::time::sleep;

use self::{
    broken::{before_the_webhook, others, refused, workloads},
    pod_network::PodNetwork,
    policies::by_policies,
    rights::rights,
    trust::trusted,
};
use crate::{
    chart::{
        foreign,
        helm::Helm,
        objects::{self, text},
        trial::{self, eventually},
    },
    sidecar::{HEADERS, few},
};

const TEST: &str = "every_broken_thing_is_found";
const MONITORING: &str = "monitoring";
/// No pod is created there.
const FULL: &str = "full";
const RELEASE: (&str, &str) = ("prom-remotewrite", "prom-remotewrite-webhook");
/// For a command that asks a loopback API server some dozens of things.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is broken: the kind of problem, and what it is found at.
const BROKEN: &[(&str, &str)] = &[
    ("webhook", "MutatingWebhookConfiguration prom-remotewrite"),
    ("webhook", "Deployment prom-remotewrite-webhook/prom-remotewrite-webhook"),
    ("webhook", "Service prom-remotewrite-webhook/prom-remotewrite-webhook"),
    ("unused-profile", "profile application"),
    ("hand-written", "Pod monitoring/auth-proxy"),
    ("no-sidecar", "Pod monitoring/away"),
    ("hand-written", "Pod monitoring/by-hand"),
    ("no-sidecar", "Pod monitoring/older"),
    ("unknown-profile", "Pod monitoring/unknown"),
    ("ignored-annotations", "Pod monitoring/without-inject"),
    ("denied", "StatefulSet full/refused"),
    ("remote-write", "Deployment monitoring/without-operator"),
    ("denied", "StatefulSet monitoring/denied"),
    ("ignored-annotations", "StatefulSet monitoring/misplaced"),
    ("ignored-annotations", "Prometheus monitoring/misplaced"),
    ("remote-write", "Prometheus monitoring/no-sidecar"),
    ("remote-write", "Prometheus monitoring/nothing"),
    ("remote-write", "Prometheus monitoring/wrong-port"),
];

#[tokio::test]
async fn every_broken_thing_is_found() {
    let Some(helm) = Helm::find(TEST) else { return };
    let kinds = ["prometheuses.monitoring.coreos.com"];
    let Some(definitions) = foreign::definitions(TEST, &kinds) else { return };
    let plane = match ControlPlane::own().await.unwrap() {
        Ok(plane) => plane,
        Err(reason) => return say_skipped(TEST, &reason),
    };
    let helm = helm.rendering_for(&plane);
    let client = plane.client().await.unwrap();
    for name in [MONITORING, FULL, RELEASE.1] {
        objects::namespace(&client, name, "privileged").await;
    }
    let scene = Scene::new().await.unwrap();
    let (_sidecar, doctor) = well(&client, &scene).await;
    let network = PodNetwork::start(&plane, doctor.program.clone().arg("check")).await;
    for pod in before_the_webhook() {
        objects::create(&client, &pod).await.unwrap();
    }
    others(&client).await;
    // Times of creation are whole seconds.
    sleep(Duration::from_millis(1100)).await;
    install(&client, &helm, &scene).await;
    sleep(Duration::from_millis(1100)).await;
    let role = &scene.identity;
    objects::create(&client, &pod("away", &asking(role))).await.unwrap();
    for object in definitions {
        objects::apply(&client, &object).await.unwrap();
    }
    for object in refused(role).into_iter().chain(workloads(role)) {
        // A definition is in use a moment after it was written.
        eventually(text(&object, "/metadata/name"), async || {
            objects::create(&client, &object).await.ok()
        })
        .await;
    }
    eventually("a pod is refused", async || {
        let events: Api<Event> = Api::namespaced(client.clone(), FULL);
        events.list(&ListParams::default()).await.unwrap().items.pop()
    })
    .await;
    let (code, overview) = status(&network.kubeconfig, &[]).await;
    assert_eq!(code, 1);
    found_all(&overview);
    one_line(&overview);
    parts(&network.kubeconfig).await;
    rights(&plane, &network, &client).await;
    checked(&network.kubeconfig, &scene).await;
    trusted(&network.kubeconfig, &client, &scene).await;
    without_configuration(&network.kubeconfig, &client).await;
    // Older ones have no MutatingAdmissionPolicy v1.
    if plane.is_since(36) {
        by_policies(&network.kubeconfig, &client, &scene).await;
    }
}

/// All of [`BROKEN`], and nothing else.
fn found_all(overview: &Value) {
    let found: Vec<(&str, &str)> = overview["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| (text(problem, "/kind"), text(problem, "/object")))
        .collect();
    let all = format!("{:#}", overview["problems"]);
    for broken in BROKEN {
        assert_eq!(found.iter().filter(|one| *one == broken).count(), 1, "{broken:?}\n{all}");
    }
    assert_eq!(found.len(), BROKEN.len(), "{all}");
}

/// What a real sidecar said of itself.
fn one_line(overview: &Value) {
    let lines = overview["sidecars"].as_array().unwrap();
    let [line] = lines.as_slice() else { panic!("{lines:#?}") };
    for (path, expected) in [
        ("/namespace", json!(MONITORING)),
        ("/pod", json!("prometheus-0")),
        ("/version", json!(env!("CARGO_PKG_VERSION"))),
        ("/settings", json!("current")),
        ("/profile", json!("managed-identity")),
        ("/ready", json!(true)),
        ("/refusedSamples", json!({})),
        ("/certificateExpiry", json!(null)),
    ] {
        assert_eq!(line.pointer(path), Some(&expected), "{path}: {line:#}");
    }
    assert!(line["lastSuccess"].is_string() && line["tokenExpiry"].is_string(), "{line:#}");
}

/// One namespace, other forms, no metrics.
async fn parts(kubeconfig: &Path) {
    let (code, part) = status(kubeconfig, &["--namespace", RELEASE.1]).await;
    assert_eq!((code, part["sidecars"].as_array().unwrap().len()), (1, 0));
    let kinds = part["problems"].as_array().unwrap().iter().map(|one| text(one, "/kind"));
    assert_eq!(kinds.collect::<Vec<_>>(), ["webhook"; 3]);
    let (_, blind) = status(kubeconfig, &["--no-metrics"]).await;
    assert_eq!(blind["sidecars"][0]["tokenExpiry"], json!(null));
    found_all(&blind);
    let (code, wide) = run(kubeconfig, &["status", "--output", "wide"]).await;
    assert_eq!(code, 1);
    assert!(wide.contains("\nmonitoring  prometheus-0  ") && wide.contains("\n  -> "), "{wide}");
    assert_eq!(run(kubeconfig, &["status", "--output", "yaml"]).await.0, 2);
}

/// `check` in the sidecar, before and after its identity loses its role.
async fn checked(kubeconfig: &Path, scene: &Scene) {
    let well = run(kubeconfig, &["check"]).await;
    assert_eq!(well, (0, "sidecars checked: 1; not ok: 0\n".to_owned()));
    scene.azure.change(|setup| setup.rules.iter_mut().for_each(|rule| rule.writers.clear()));
    let (code, report) = run(kubeconfig, &["check", "monitoring/prometheus-0", "nobody"]).await;
    assert_eq!(code, 1);
    assert!(report.starts_with("Pod monitoring/prometheus-0\n  ok  "), "{report}");
    assert!(report.contains("\n  failed   probe write"), "{report}");
    assert!(
        report.ends_with("Pod nobody\n  it does not exist\n\nsidecars checked: 2; not ok: 2\n"),
        "{report}"
    );
}

/// Marks a pod as running.
async fn runs(client: &Client, pod: &Value, more: &Value) {
    let mut status =
        json!({"phase": "Running", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}]});
    json_patch::merge(&mut status, more);
    let patch = Patch::Merge(json!({"status": status}));
    let pods = objects::api(client, pod);
    pods.patch_status(text(pod, "/metadata/name"), &PatchParams::default(), &patch).await.unwrap();
}

/// What the webhook would decide is not known then.
async fn without_configuration(kubeconfig: &Path, client: &Client) {
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
    });
    let configurations = objects::api(client, &configuration);
    configurations.delete(RELEASE.0, &DeleteParams::default()).await.unwrap();
    let (_, overview) = status(kubeconfig, &[]).await;
    let problems = overview["problems"].as_array().unwrap();
    assert_eq!(text(&problems[0], "/object"), "cluster", "{problems:#?}");
    assert_eq!(overview["sidecars"][0]["settings"], "unknown", "{overview:#}");
}

/// Its JSON output, and its exit status.
async fn status(kubeconfig: &Path, more: &[&str]) -> (i32, Value) {
    let (code, text) = run(kubeconfig, &[&["status", "--output", "json"], more].concat()).await;
    (code, serde_json::from_str(&text).unwrap())
}

async fn run(kubeconfig: &Path, arguments: &[&str]) -> (i32, String) {
    let program = Program::new(CLI, binaries::find(CLI).unwrap())
        .args(arguments.iter().copied())
        .env("KUBECONFIG", kubeconfig.display().to_string());
    let mut process = program.start().unwrap();
    let ended = process.wait(PATIENCE).await.unwrap();
    (ended.code().unwrap(), process.stdout())
}

fn asking(role: &Role) -> [(&'static str, &'static str); 2] {
    [("inject", "true"), ("profile", role.profile)]
}

fn pod(name: &str, annotations: &[(&str, &str)]) -> Value {
    trial::pod(MONITORING, name, annotations)
}

/// A pod that the webhook injected, with its sidecar at work: it has written once.
/// And the same container with another command, its doctor.
async fn well(client: &Client, scene: &Scene) -> (Sidecar, Prepared) {
    let certificate = IssuedCertificate::new("localhost").await.unwrap();
    let webhook = Webhook::start(certificate, &scene.configuration()).await.unwrap();
    let port = ports::free().unwrap().to_string();
    let annotations = [&asking(&scene.identity)[..], &[("listening-port", &port)]].concat();
    let admitted = webhook.create(&pod("prometheus-0", &annotations)).await.unwrap();
    let file = binaries::find(binaries::SIDECAR).unwrap();
    let mut sidecar = Sidecar::start(&scene.kubelet, &admitted.pod, &file).await.unwrap();
    sidecar.ready(PATIENCE).await.unwrap();
    let sender = tests::client::Client::plain();
    let written = sender.post(&sidecar.write_url(), &HEADERS, few(["up"])).await.unwrap();
    assert_eq!(written.status, 204);
    objects::create(client, &admitted.pod).await.unwrap();
    let ready = json!({
        "name": contract::names::CONTAINER, "image": "a", "imageID": "a",
        "ready": true, "restartCount": 0,
    });
    runs(client, &admitted.pod, &json!({"initContainerStatuses": [ready]})).await;
    let doctor = scene.kubelet.prepare(&admitted.pod, contract::names::CONTAINER, &file).unwrap();
    (sidecar, doctor)
}

/// The chart as it is, but that API servers ask no one: there is no network to a Service
/// here.
async fn install(client: &Client, helm: &Helm, scene: &Scene) {
    let mut config = scene.configuration();
    config.as_object_mut().unwrap().remove("image");
    let values = json!({
        "images": {"registry": "ghcr.io/example", "tag": "1.0.0"},
        "config": config,
        // There is no Service, so the webhook does not answer.
        "webhook": {"failurePolicy": "Ignore"},
    });
    let rendered = helm.template(RELEASE, &values, &[]).await.unwrap();
    let kinds = ["ConfigMap", "Deployment", "MutatingWebhookConfiguration"];
    for object in rendered.iter().filter(|object| kinds.contains(&text(object, "/kind"))) {
        objects::apply(client, object).await.unwrap();
    }
}
