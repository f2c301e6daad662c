//! From the first version's chart to this one with `--reuse-values`, and back, while
//! pods are created without a pause.
//!
//! With `--reuse-values` Helm gives this chart's templates the values of the old one:
//! none of the new keys is there.

use std::{path::PathBuf, time::Duration};

use kube::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{
    kubernetes::control_plane::ControlPlane,
    machine::{environment, process::Program},
    product::binaries,
};

use super::{
    creating::Creating,
    helm::{Helm, chart},
    injected::sidecar,
    objects::{self, of_kind, text},
    release::redirected,
    serving::Serving,
    trial::{self, eventually},
};

const NAME: &str = "first-version";
const PATIENCE: Duration = Duration::from_mins(1);

/// The chart as it was released, in a folder.
async fn first_version() -> (TempDir, PathBuf) {
    let archive = environment::crate_folder().join("data/charts/prom-remotewrite-0.1.0.tgz");
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["-xzf", &archive.display().to_string(), "-C"].map(str::to_owned);
    Program::new("tar", "tar")
        .args(arguments)
        .arg(folder.path().display().to_string())
        .run(PATIENCE)
        .await
        .unwrap();
    let chart = folder.path().join("prom-remotewrite");
    (folder, chart)
}

/// What a user of the first version may have set.
fn values(authority: &str) -> Value {
    let only = json!({"key": "kubernetes.io/metadata.name", "operator": "In", "values": [NAME]});
    let profile = json!({
        "ingestionUrl": "https://dce.example/x",
        "identityType": "systemAssigned",
    });
    json!({
        "fullnameOverride": NAME,
        "images": {"registry": "ghcr.io/example", "tag": "1.0.0"},
        "config": {"profiles": {"default": profile}},
        "webhook": {"namespaceSelector": [only], "podLabels": {"team": "metrics"}},
        "certificates": {
            "mode": "provided",
            "provided": {"secretName": "own", "caBundle": authority},
            "rotate": {"schedule": "0 4 * * *", "settle": "30s"},
        },
        "podDisruptionBudget": {"maxUnavailable": 1},
    })
}

async fn has_policy(client: &Client) -> bool {
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
    });
    objects::api(client, &policy).get_opt(NAME).await.unwrap().is_some()
}

/// What API servers trust for the webhook.
async fn bundle(client: &Client) -> String {
    let kind = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
    });
    let found = objects::api(client, &kind).get(NAME).await.unwrap();
    let found = serde_json::to_value(found).unwrap();
    text(&found, "/webhooks/0/clientConfig/caBundle").to_owned()
}

/// Runs certs to its end, as its Deployment runs it.
async fn rotate(plane: &ControlPlane, manifest: &[Value]) {
    let is_certs = |object: &&Value| {
        object["kind"] == "Deployment" && text(object, "/metadata/name").ends_with("-certs")
    };
    let certs = &manifest.iter().find(is_certs).unwrap()["spec"]["template"]["spec"];
    let account = text(certs, "/serviceAccountName");
    let arguments = certs["containers"][0]["args"].as_array().unwrap().iter();
    let arguments = arguments.map(|argument| argument.as_str().unwrap());
    Program::new("certs", binaries::find(binaries::CERTS).unwrap())
        .args(arguments.filter(|argument| *argument != "--watch"))
        .args(["--admin", "127.0.0.1:0"])
        .env("KUBECONFIG", plane.kubeconfig_of(NAME, account).await.unwrap().display().to_string())
        .run(PATIENCE)
        .await
        .unwrap();
}

#[tokio::test]
async fn with_reused_values_and_back_no_pod_is_refused() {
    const TEST: &str = "with_reused_values_and_back_no_pod_is_refused";
    let Some((helm, plane)) = Helm::with_control_plane(TEST).await else { return };
    let helm = helm.for_cluster(plane.kubeconfig());
    let client = plane.client().await.unwrap();
    objects::namespace(&client, NAME, "restricted").await;
    let (_archive, first) = first_version().await;

    let mut serving = Serving::new("image: x").await;
    let values = helm.values(&values(&serving.authority())).unwrap().display().to_string();
    let show = |folder: &TempDir| folder.path().display().to_string();
    let (old, new) = (redirected(&first, &serving.url()), redirected(&chart(), &serving.url()));
    let (old, new) = (show(&old), show(&new));
    let run = async |arguments: &[&str]| {
        let arguments = [arguments, &["--namespace", NAME]].concat();
        helm.run(&arguments).await.unwrap()
    };
    run(&["install", NAME, &old, "--values", &values]).await;
    let manifest = objects::documents(&run(&["get", "manifest", NAME]).await);
    let config = text(of_kind(&manifest, "ConfigMap"), "/data/config.yaml").to_owned();
    std::fs::write(serving.config(), &config).unwrap();
    serving.start().await;
    let asks = trial::pod(NAME, "one", &[("inject", "true")]);
    eventually("API servers trust the webhook", async || {
        let pod = objects::apply_dry(&client, &asks).await.ok()?;
        sidecar(&pod).map(|_| ())
    })
    .await;

    let asking = Creating::start(client.clone(), asks);
    let plain = Creating::start(client.clone(), trial::pod(NAME, "two", &[]));
    for round in [1, 2] {
        run(&["upgrade", NAME, &new, "--reuse-values"]).await;
        assert_eq!(has_policy(&client).await, plane.is_since(30), "round {round}");
        let manifest = objects::documents(&run(&["get", "manifest", NAME]).await);
        let webhooks = text(of_kind(&manifest, "ConfigMap"), "/data/config.yaml").to_owned();
        let parsed = |text: &str| webhook::config::Config::parse(text).unwrap();
        assert_eq!(parsed(&webhooks).profiles, parsed(&config).profiles);
        tokio::time::sleep(Duration::from_secs(2)).await;
        run(&["rollback", NAME]).await;
        assert!(!has_policy(&client).await, "round {round}");
    }
    run(&["upgrade", NAME, &new, "--reuse-values"]).await;
    if !helm.is_before_4() {
        // Helm 3 removes what it no longer renders, whoever else owns it.
        let trusted = bundle(&client).await;
        rotate(plane, &objects::documents(&run(&["get", "manifest", NAME]).await)).await;
        run(&["upgrade", NAME, &new, "--reuse-values", "--set", "certificates.mode=rotate"]).await;
        assert_eq!(bundle(&client).await, trusted);
    }
    let (asking, plain) = (asking.stop().await, plain.stop().await);
    assert!(asking.injected > 20 && asking.plain + asking.refused.len() == 0, "{asking:?}");
    assert!(plain.plain > 20 && plain.injected + plain.refused.len() == 0, "{plain:?}");
    run(&["uninstall", NAME]).await;
}
