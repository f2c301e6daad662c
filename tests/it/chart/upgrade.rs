//! From the first version's chart to this one with `--reuse-values`, and back, while
//! pods are created without a pause.
//!
//! With `--reuse-values` Helm gives this chart's templates the values of the old one:
//! none of the new keys is there.

use std::{path::PathBuf, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use kube::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::machine::{environment, process::Program};

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
fn values() -> Value {
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
            "provided": {"secretName": "own"},
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

/// Writes the CA bundle as another tool does, as there is no certs.
async fn trust(client: &Client, manifest: &[Value], serving: &Serving) {
    let bundle = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": NAME},
        "webhooks": [{
            "name": of_kind(manifest, "MutatingWebhookConfiguration")["webhooks"][0]["name"],
            "clientConfig": {"caBundle": BASE64_STANDARD.encode(serving.authority())},
        }],
    });
    objects::apply(client, &bundle).await.unwrap();
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
    let values = helm.values(&values()).unwrap().display().to_string();
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
    trust(&client, &manifest, &serving).await;
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
    let (asking, plain) = (asking.stop().await, plain.stop().await);
    assert!(asking.injected > 20 && asking.plain == 0, "{asking:?}");
    assert!(plain.plain > 20 && plain.injected == 0, "{plain:?}");
    assert!(asking.refused.is_empty() && plain.refused.is_empty(), "{asking:?} {plain:?}");
    run(&["uninstall", NAME]).await;
}
