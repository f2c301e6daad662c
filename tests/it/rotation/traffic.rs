//! Rotations under traffic: pods are created without pause, each passes the
//! real webhook, and none is refused.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use k8s_openapi::{ByteString, api::core::v1::Pod};
use kube::{Api, api::PostParams};
use serde_json::{Value, json};
use tests::{
    binaries,
    kubelet::{AtomicFolder, Files},
    process::{Process, Program},
};

use super::fixture::{Fixture, fixture};

const STARTS_WITHIN: Duration = Duration::from_secs(20);
/// The kubelet's sync here; a minute and more in a cluster.
const SYNC: Duration = Duration::from_secs(1);
/// More than a sync and the two seconds after which the webhook looks again.
const OVERLAP: Duration = Duration::from_secs(5);
const ARGUMENTS: [&str; 4] = ["--dns-name", "localhost", "--overlap", "5s"];

#[tokio::test]
async fn no_pod_is_refused_while_certificates_rotate() {
    let Some(fixture) = fixture("no_pod_is_refused").await else { return };
    fixture.rotate(&ARGUMENTS).await;
    let folder = tempfile::tempdir().unwrap();
    let volume = AtomicFolder::new(&folder.path().join("certificate")).unwrap();
    sync(&fixture, &volume).await;
    let (_webhook, port) = webhook(&volume, folder.path()).await;
    fixture.call_for_pods(&format!("https://localhost:{port}/mutate")).await;
    Fixture::until("the API server knows the webhook", async || {
        is_injected(&create(&fixture).await.ok()?).then_some(())
    })
    .await;

    let done = AtomicBool::new(false);
    let created = AtomicUsize::new(0);
    let traffic = async {
        while !done.load(Ordering::Relaxed) {
            let pod = create(&fixture).await.unwrap();
            assert!(is_injected(&pod), "{pod:#}");
            created.fetch_add(1, Ordering::Relaxed);
        }
    };
    let kubelet = async {
        while !done.load(Ordering::Relaxed) {
            tokio::time::sleep(SYNC).await;
            sync(&fixture, &volume).await;
        }
    };
    let rotations = async {
        rotate_in_every_way(&fixture).await;
        done.store(true, Ordering::Relaxed);
    };
    tokio::join!(traffic, kubelet, rotations);
    let created = created.into_inner();
    assert!(created > 200, "only {created} pods");
}

/// Each way ends with the old CA forgotten.
async fn rotate_in_every_way(fixture: &Fixture) {
    let forced = [&ARGUMENTS[..], &["--force"]].concat();
    for way in ["renewed", "deleted", "killed", "twice"] {
        let old = fixture.state().await.current.unwrap();
        match way {
            "deleted" => fixture.delete_secret().await,
            "killed" => {
                let process = fixture.program(&forced).start().unwrap();
                tokio::time::sleep(Duration::from_millis(250)).await;
                drop(process);
            }
            "twice" => {
                let other = fixture.program(&forced);
                let (_, other) = tokio::join!(fixture.rotate(&forced), other.run(STARTS_WITHIN));
                other.unwrap();
            }
            _ => {
                fixture.rotate(&forced).await;
            }
        }
        fixture.rotate(&ARGUMENTS).await;
        tokio::time::sleep(OVERLAP).await;
        fixture.rotate(&ARGUMENTS).await;
        let state = fixture.state().await;
        let new = state.current.unwrap();
        assert_eq!(state.bundle.pem(), new.texts().ca, "{way}");
        // Killed early enough, it had not begun.
        assert!(way == "killed" || new != old, "{way}");
    }
}

/// What the kubelet does with a mounted Secret; one that is gone stays mounted.
async fn sync(fixture: &Fixture, volume: &AtomicFolder) {
    let secret = fixture.secret().await;
    if let Some(data) = secret.get("data") {
        let data: BTreeMap<String, ByteString> = serde_json::from_value(data.clone()).unwrap();
        let files: Files = data.into_iter().map(|(name, bytes)| (name, bytes.0)).collect();
        volume.write(&files).unwrap();
    }
}

async fn webhook(volume: &AtomicFolder, folder: &Path) -> (Process, u16) {
    let rule = "dataCollectionRules/dcr-0123456789abcdef0123456789abcdef";
    let url = format!(
        "https://a-b1c2.westeurope-1.metrics.ingest.monitor.azure.com/{rule}/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24"
    );
    let config = json!({
        "image": "ghcr.io/example/prom-remotewrite:1.0.0",
        "profiles": {"default": {"ingestionUrl": url, "identityType": "systemAssigned"}},
    });
    let file = folder.join("config.yaml");
    fs::write(&file, config.to_string()).unwrap();
    let mut process = Program::new("the webhook", binaries::find(binaries::WEBHOOK).unwrap())
        .args(["serve", "--config", &file.display().to_string()])
        .args(["--cert-dir", &volume.path().display().to_string()])
        .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--shutdown-delay", "0s"])
        .start()
        .unwrap();
    let port = |line: &str| {
        let address = line.split_whitespace().find_map(|field| field.strip_prefix("address="))?;
        address.rsplit(':').next()?.parse().ok()
    };
    let port = process.line("it listened", STARTS_WITHIN, port).await.unwrap();
    (process, port)
}

/// Creates a pod that asks for a sidecar, as far as its admission goes.
async fn create(fixture: &Fixture) -> Result<Value, kube::Error> {
    let pod = json!({
        "metadata": {"generateName": "p-", "annotations": {"prom-remotewrite/inject": "true"}},
        "spec": {"containers": [{"name": "prometheus", "image": "prometheus"}]},
    });
    let pod: Pod = serde_json::from_value(pod).unwrap();
    let pods: Api<Pod> = Api::namespaced(fixture.client.clone(), &fixture.name);
    let params = PostParams { dry_run: true, field_manager: None };
    let pod = pods.create(&params, &pod).await?;
    Ok(serde_json::to_value(pod).unwrap())
}

fn is_injected(pod: &Value) -> bool {
    let spec = &pod["spec"];
    [&spec["initContainers"], &spec["containers"]]
        .into_iter()
        .filter_map(Value::as_array)
        .flatten()
        .any(|container| container["name"] == "prom-remotewrite")
}
