//! Containers whose resources others set: a Vertical Pod Autoscaler's webhook when a pod is
//! created, and its updater while the pod runs.

use std::{fs, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use tests::{
    machine::{folder, process::Program},
    product::binaries::{self, CLI},
};

use super::{
    super::{
        injected::{self, golden, sidecar},
        objects::{self, text},
        trial::{Trial, eventually},
    },
    neighbour::{Neighbour, recommended},
};

/// For a command that asks a loopback API server some dozens of things.
const PATIENCE: Duration = Duration::from_mins(1);

/// The golden pod of this name, whose sidecar has other resources.
fn golden_with(name: &str, resources: &Value) -> Value {
    let mut golden = golden(name);
    let (list, _) = sidecar(&golden).unwrap();
    let all = golden["spec"][list].as_array_mut().unwrap();
    let ours = all.iter_mut().find(|one| one["name"] == contract::names::CONTAINER).unwrap();
    ours["resources"] = resources.clone();
    golden
}

#[tokio::test]
async fn resources_that_others_set_stay() {
    const TEST: &str = "resources_that_others_set_stay";
    let Some(trial) = Trial::new(TEST, "resized", &[], &json!({})).await else { return };
    let neighbour = Neighbour::start().await;
    neighbour.register_with(&trial, "z-after-resized", "/resources/all", "Never").await;
    for (name, mode) in [("user-assigned", "native"), ("user-assigned-container", "container")] {
        let asks = trial.pod(mode, &[("inject", "true"), ("sidecar-mode", mode)]);
        eventually("the neighbour is asked", async || {
            let pod = objects::apply_dry(&trial.client, &asks).await.unwrap();
            (pod["spec"]["containers"][0]["resources"] == recommended()).then_some(())
        })
        .await;
        // It is called after ours, which is then asked again.
        let made = objects::create(&trial.client, &asks).await.unwrap();
        injected::check_against(name, &golden_with(name, &recommended()), &made);
        nothing_to_say(&trial, mode, &made).await;
        if trial.plane.is_since(33) {
            resized(&trial, name, mode).await;
        }
    }
}

/// The same of a pod that was resized in place.
async fn resized(trial: &Trial, golden: &str, name: &str) {
    let mut resources = recommended();
    resources["requests"]["memory"] = json!("400Mi");
    let (list, _) = sidecar(&trial.find(name).await.unwrap()).unwrap();
    let patch = json!({"spec": {list: [
        {"name": contract::names::CONTAINER, "resources": resources},
    ]}});
    let pods: Api<Pod> = Api::namespaced(trial.client.clone(), trial.namespace);
    let params = PatchParams::default();
    pods.patch_subresource("resize", name, &params, &Patch::Strategic(patch)).await.unwrap();
    let pod = trial.find(name).await.unwrap();
    injected::check_against(golden, &golden_with(golden, &resources), &pod);
    nothing_to_say(trial, name, &pod).await;
}

/// `status` has nothing against the pod, and `explain` nothing to add.
async fn nothing_to_say(trial: &Trial, name: &str, pod: &Value) {
    let folder = folder::temporary("resized").unwrap();
    let file = folder.path().join("pod.yaml");
    fs::write(&file, pod.to_string()).unwrap();
    let explained = Program::new(CLI, binaries::find(CLI).unwrap())
        .args(["explain", "--config", &trial.serving.config().display().to_string()])
        .args(["--filename", &file.display().to_string()])
        .run(PATIENCE)
        .await
        .unwrap();
    assert!(explained.contains("it has its sidecar already"), "{explained}");
    assert!(!explained.contains("warning"), "{explained}");

    let mut status = Program::new(CLI, binaries::find(CLI).unwrap())
        .args(["status", "--output", "json", "--no-metrics", "--namespace", trial.namespace])
        .env("KUBECONFIG", trial.plane.kubeconfig().display().to_string())
        .start()
        .unwrap();
    status.wait(PATIENCE).await.unwrap();
    let status: Value = serde_json::from_str(&status.stdout()).unwrap();
    let object = format!("Pod {}/{name}", trial.namespace);
    let problems = status["problems"].as_array().unwrap();
    assert!(problems.iter().all(|problem| text(problem, "/object") != object), "{status:#}");
    let mut sidecars = status["sidecars"].as_array().unwrap().iter();
    assert!(sidecars.any(|sidecar| sidecar["pod"] == name), "{status:#}");
}
