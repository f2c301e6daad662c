//! Other mutating webhooks, called before and after ours, as meshes and
//! policies have them.

mod neighbour;

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use self::neighbour::Neighbour;
use super::{
    injected::{self, sidecar},
    objects::{self, text},
    trial::{Trial, eventually},
};

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
