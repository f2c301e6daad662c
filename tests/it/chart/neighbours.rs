//! Other mutating webhooks, called before and after ours, as meshes and
//! policies have them.

mod neighbour;
mod resized;

use std::sync::atomic::Ordering;

use kube::api::DeleteParams;
use serde_json::{Value, json};

use self::neighbour::Neighbour;
use super::{
    injected::{self, sidecar},
    objects::{self, text},
    trial::{Trial, eventually},
};
use crate::cluster::has;

/// Waits until a pod has all of these containers.
async fn admitted(trial: &Trial, pod: &Value, containers: &[&str]) -> Value {
    eventually("all webhooks are asked", async || {
        let pod = objects::apply_dry(&trial.client, pod).await.unwrap();
        let all = pod["spec"]["containers"].as_array().unwrap();
        let has = |name: &&str| all.iter().any(|container| text(container, "/name") == *name);
        containers.iter().all(has).then_some(pod.clone())
    })
    .await
}

#[tokio::test]
async fn webhooks_before_and_after_ours_don_t_meet_it() {
    const TEST: &str = "webhooks_before_and_after_ours_don_t_meet_it";
    let Some(trial) = Trial::new(TEST, "neighbours", &[], &json!({})).await else { return };
    let neighbour = Neighbour::start().await;
    neighbour.register(&trial, "a-before-neighbours", "/container/before").await;
    neighbour.register(&trial, "z-after-neighbours", "/container/after").await;
    let pod = trial.pod("one", &[("inject", "true")]);
    let pod = admitted(&trial, &pod, &["before", "after"]).await;
    injected::check("user-assigned", &pod);
    let text = pod["spec"].to_string();
    assert_eq!(text.matches("\"name\":\"prom-remotewrite\"").count(), 1, "{text}");

    // As an ordinary container ours is among theirs.
    let pod = trial.pod("one", &[("inject", "true"), ("sidecar-mode", "container")]);
    let pod = admitted(&trial, &pod, &["before", "after", "prom-remotewrite"]).await;
    assert_eq!(pod["spec"]["containers"].as_array().unwrap().len(), 5, "{pod:#}");
    assert!(neighbour.calls.load(Ordering::Relaxed) > 2);
}

#[tokio::test]
async fn a_webhook_before_ours_may_ask_for_a_sidecar() {
    const TEST: &str = "a_webhook_before_ours_may_ask_for_a_sidecar";
    let Some(trial) = Trial::new(TEST, "opted-by-other", &[], &json!({})).await else { return };
    let neighbour = Neighbour::start().await;
    neighbour.register(&trial, "a-before-opted-by-other", "/annotation/inject").await;
    let pod = eventually("both webhooks are asked", async || {
        let pod = objects::apply_dry(&trial.client, &trial.pod("one", &[])).await.unwrap();
        sidecar(&pod).is_some().then_some(pod.clone())
    })
    .await;
    injected::check("user-assigned", &pod);
}

#[tokio::test]
async fn fields_removed_by_a_later_webhook_are_restored() {
    const TEST: &str = "fields_removed_by_a_later_webhook_are_restored";
    let Some(trial) = Trial::new(TEST, "repaired-container", &[], &json!({})).await else { return };
    let neighbour = Neighbour::start().await;
    for path in ["/strip/prom-remotewrite", "/remove/prom-remotewrite"] {
        let before = neighbour.calls.load(Ordering::Relaxed);
        // As meshes' webhooks: not called again.
        neighbour.register_with(&trial, "z-after-repaired", path, "Never").await;
        let pod = trial.pod("one", &[("inject", "true"), ("profile", "federated")]);
        let pod = eventually("the neighbour is asked", async || {
            let pod = objects::apply_dry(&trial.client, &pod).await.unwrap();
            (neighbour.calls.load(Ordering::Relaxed) > before).then_some(pod)
        })
        .await;
        injected::check("workload-identity", &pod);
        let count = pod["spec"].to_string().matches("\"name\":\"prom-remotewrite\"").count();
        assert_eq!(count, 1, "{path}: {pod:#}");
    }
}

/// The pod-level requests have room for one of them.
#[tokio::test]
async fn a_container_that_comes_later_has_the_sidecars_room() {
    const TEST: &str = "a_container_that_comes_later_has_the_sidecars_room";
    let Some(trial) = Trial::new(TEST, "later-room", &[], &json!({})).await else { return };
    if !has(trial.plane, 34, TEST, "resources of a pod by default") {
        return;
    }
    let mut asks = trial.pod("one", &[("inject", "true")]);
    let containers = asks["spec"]["containers"].as_array_mut().unwrap();
    containers.truncate(1);
    containers[0]["resources"] = json!({"requests": {"cpu": "500m", "memory": "1Gi"}});
    asks["spec"]["resources"] = json!({"requests": {"cpu": "1", "memory": "4Gi"}});
    let alone = objects::apply_dry(&trial.client, &asks).await.unwrap();
    assert_eq!(sidecar(&alone).unwrap().1["resources"]["requests"]["cpu"], "10m");
    let neighbour = Neighbour::start().await;
    neighbour.register(&trial, "z-after-later-room", "/container/after").await;
    let pod = admitted(&trial, &asks, &["after"]).await;
    let requests = json!({"cpu": "0", "memory": "32Mi"});
    assert_eq!(sidecar(&pod).unwrap().1["resources"]["requests"], requests);
}

#[tokio::test]
async fn a_sidecar_whose_annotation_is_removed_gets_it_again() {
    const TEST: &str = "a_sidecar_whose_annotation_is_removed_gets_it_again";
    let Some(trial) = Trial::new(TEST, "unmarked", &[], &json!({})).await else { return };
    let neighbour = Neighbour::start().await;
    neighbour.register_with(&trial, "z-after-unmarked", "/unmark/it", "Never").await;
    for mode in ["native", "container"] {
        let asks = trial.pod("one", &[("inject", "true"), ("sidecar-mode", mode)]);
        let before = neighbour.calls.load(Ordering::Relaxed);
        let pod = eventually("the neighbour is asked", async || {
            let pod = objects::apply_dry(&trial.client, &asks).await.unwrap();
            (neighbour.calls.load(Ordering::Relaxed) > before).then_some(pod)
        })
        .await;
        let annotation = text(&pod, "/metadata/annotations/prom-remotewrite~1injected");
        assert!(annotation.starts_with("version="), "{mode}: {pod:#}");
    }
}

/// Before and after ours; the pod's own resources go as well, which were taken into account.
#[tokio::test]
async fn a_webhook_with_old_types_leaves_the_sidecar_whole() {
    const TEST: &str = "a_webhook_with_old_types_leaves_the_sidecar_whole";
    let Some(trial) = Trial::new(TEST, "old-types", &[], &json!({})).await else { return };
    let neighbour = Neighbour::start().await;
    let mut asks = trial.pod("one", &[("inject", "true"), ("profile", "federated")]);
    let mut native = asks["spec"]["containers"][1].clone();
    native["name"] = json!("native");
    native["restartPolicy"] = json!("Always");
    asks["spec"]["initContainers"].as_array_mut().unwrap().push(native);
    // Older API servers do not know them either.
    let has_own_resources = trial.plane.is_since(34);
    for (name, policy) in [
        ("a-before-old-types", "Never"),
        ("a-before-old-types", "IfNeeded"),
        ("z-after-old-types", "Never"),
    ] {
        neighbour.register_with(&trial, name, "/old/types", policy).await;
        for requests in [json!({"cpu": "4", "memory": "8Gi"}), json!({"cpu": "1", "memory": "8Gi"})]
        {
            if has_own_resources {
                asks["spec"]["resources"] = json!({"requests": requests});
            }
            let pod = eventually("the neighbour is asked", async || {
                let pod = objects::apply_dry(&trial.client, &asks).await.unwrap();
                let init = pod["spec"]["initContainers"].as_array().unwrap();
                let other = init.iter().find(|one| one["name"] == "native").unwrap();
                other.get("restartPolicy").is_none().then_some(pod.clone())
            })
            .await;
            assert!(pod["spec"].get("resources").is_none(), "{name}, {policy}: {pod:#}");
            injected::check("workload-identity", &pod);
            let count = pod["spec"].to_string().matches("\"name\":\"prom-remotewrite\"").count();
            assert_eq!(count, 1, "{name}, {policy}: {pod:#}");
        }
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
        });
        let all = objects::api(&trial.client, &configuration);
        all.delete(name, &DeleteParams::default()).await.unwrap();
    }
}

#[tokio::test]
async fn a_webhook_that_always_comes_last_is_in_troubleshooting() {
    const TEST: &str = "a_webhook_that_always_comes_last_is_in_troubleshooting";
    const MESSAGE: &str = "may not be set for init containers without restartPolicy=Always";
    let Some(trial) = Trial::new(TEST, "stripped", &[], &json!({})).await else { return };
    let neighbour = Neighbour::start().await;
    neighbour.register(&trial, "z-after-stripped", "/strip/prom-remotewrite").await;
    let asks = trial.pod("one", &[("inject", "true")]);
    eventually("the API server refuses it", async || {
        let error = objects::apply_dry(&trial.client, &asks).await.err()?.to_string();
        error.contains(MESSAGE).then_some(())
    })
    .await;
    let section = super::refusals::section(MESSAGE);
    assert!(section.contains("`prom-remotewrite/sidecar-mode: container`"), "{section}");
    let container = [("inject", "true"), ("sidecar-mode", "container")];
    objects::apply_dry(&trial.client, &trial.pod("one", &container)).await.unwrap();
}
