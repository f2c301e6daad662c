//! Pods with resources of their own (`spec.resources`), and Guaranteed ones, on a real
//! API server, also next to a `LimitRange`.

use serde_json::{Value, json};

use super::{
    injected::sidecar,
    objects::{self, text},
    refusals::{limit_range, pod, section},
    trial::{Trial, eventually},
};
use crate::cluster::has;

/// Namespaces with a `LimitRange`.
const FILLED_IN: &str = "own-resources-filled-in";
const RATIO: &str = "own-resources-ratio";

/// What would be refused without what the webhook does about it.
#[tokio::test]
async fn pods_with_resources_of_their_own_are_taken_with_a_sidecar() {
    const TEST: &str = "pods_with_resources_of_their_own_are_taken_with_a_sidecar";
    let Some(trial) = Trial::new(TEST, "own-resources", &[FILLED_IN, RATIO], &json!({})).await
    else {
        return;
    };
    if !has(trial.plane, 34, TEST, "resources of a pod by default") {
        return;
    }
    let asks = |spec: Value| {
        let mut pod = trial.pod("one", &[("inject", "true")]);
        json_patch::merge(&mut pod, &json!({"spec": spec}));
        pod
    };
    let usage = |cpu: &str| {
        let mut pod = trial.pod("one", &[]);
        let container = pod["spec"]["containers"][0].take();
        let mut container = container;
        container["resources"] = json!({"requests": {"cpu": cpu, "memory": "2Gi"}});
        container
    };
    for (cpu, own) in [
        (
            "500m",
            json!({"requests": {"cpu": "500m", "memory": "2Gi"}, "limits": {"cpu": "1", "memory": "2Gi"}}),
        ),
        ("400m", json!({"requests": {"cpu": "500m", "memory": "3Gi"}})),
        ("400m", json!({"limits": {"cpu": "500m", "memory": "3Gi"}})),
    ] {
        let pod = asks(json!({"resources": own, "containers": [usage(cpu)]}));
        let made = objects::apply_dry(&trial.client, &pod).await;
        let made = made.unwrap_or_else(|error| panic!("{own}: {error}"));
        assert!(sidecar(&made).is_some());
        assert_eq!(made["spec"]["resources"]["limits"], own["limits"], "the field was dropped");
    }
    a_limit_stays_the_request(&trial).await;
    used_up_beside_a_limit_range(&trial).await;
    used_up_beside_a_ratio(&trial).await;
    let equal = json!({"limits": {"cpu": "1", "memory": "1Gi"}});
    let mut guaranteed = asks(json!({}));
    for list in ["containers", "initContainers"] {
        for container in guaranteed["spec"][list].as_array_mut().unwrap() {
            container["resources"] = equal.clone();
        }
    }
    let made = objects::apply_dry(&trial.client, &guaranteed).await.unwrap();
    assert_eq!(text(&made, "/status/qosClass"), "Guaranteed");
}

async fn a_limit_stays_the_request(trial: &Trial) {
    for (own, prometheus) in [
        (json!({"limits": {"cpu": "2", "memory": "2Gi"}}), json!({})),
        (json!({"limits": {"cpu": "2"}}), json!({})),
        (
            json!({"limits": {"cpu": "2", "memory": "2Gi"}, "requests": {"memory": "1Gi"}}),
            json!({}),
        ),
        (json!({"limits": {"cpu": "2", "memory": "2Gi"}}), json!({"requests": {"cpu": "100m"}})),
        (json!({"limits": {"cpu": "2", "memory": "2Gi"}}), json!({"requests": {"cpu": "0"}})),
        (json!({"limits": {"cpu": "2", "memory": "2Gi"}}), json!({"limits": {"memory": "1Gi"}})),
    ] {
        stays_as_it_is(trial, &own, &prometheus).await;
    }
}

/// With a sidecar, a pod requests what it does without one, and has the same class of service.
async fn stays_as_it_is(trial: &Trial, own: &Value, prometheus: &Value) {
    let made = async |inject: &str| {
        let mut pod = trial.pod("one", &[("inject", inject)]);
        let container = json!({"name": "prometheus", "image": "prom/prometheus"});
        pod["spec"]["containers"] = json!([container]);
        pod["spec"]["containers"][0]["resources"] = prometheus.clone();
        pod["spec"]["containers"][0]["securityContext"] = json!({
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
        });
        pod["spec"].as_object_mut().unwrap().remove("initContainers");
        pod["spec"]["resources"] = own.clone();
        let made = objects::apply_dry(&trial.client, &pod).await;
        made.unwrap_or_else(|error| panic!("{own} {prometheus}: {error}"))
    };
    let (without, with) = (made("false").await, made("true").await);
    assert!(sidecar(&without).is_none() && sidecar(&with).is_some());
    let of = |pod: &Value| {
        let own = &pod["spec"]["resources"]["requests"];
        // A resource that the pod has nothing of is the sidecar's.
        let amounts = ["cpu", "memory"].map(|name| {
            without["spec"]["resources"]["requests"].get(name).map(|_| own[name].clone())
        });
        (amounts, pod["status"]["qosClass"].clone())
    };
    assert_eq!(of(&with), of(&without), "{own} {prometheus}");
}

/// Nothing is not a part of any limit, so the pod as a whole must request more.
async fn used_up_beside_a_ratio(trial: &Trial) {
    const REFUSED: &str = "no request is specified or request is 0";
    objects::namespace(&trial.client, RATIO, "privileged").await;
    let rule = json!({
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "rule", "namespace": RATIO},
        "spec": limit_range(&json!({"maxLimitRequestRatio": {"memory": "4"}})),
    });
    objects::apply(&trial.client, &rule).await.unwrap();
    let mut asks = pod(RATIO, &[]);
    asks["spec"]["resources"] = asks["spec"]["containers"][0]["resources"].clone();
    eventually("the LimitRange is in force", async || {
        let error = objects::apply_dry(&trial.client, &asks).await.err()?.to_string();
        error.contains(REFUSED).then_some(())
    })
    .await;
    section(REFUSED);
    asks["spec"]["resources"]["requests"] = json!({"cpu": "110m", "memory": "102Mi"});
    asks["spec"]["resources"]["limits"]["memory"] = json!("200Mi");
    let made = objects::apply_dry(&trial.client, &asks).await;
    let made = made.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(sidecar(&made).unwrap().1["resources"]["requests"]["memory"], "32Mi");
}

/// A request that is left out would be filled in, and then be too much.
async fn used_up_beside_a_limit_range(trial: &Trial) {
    objects::namespace(&trial.client, FILLED_IN, "privileged").await;
    let filled_in = json!({"cpu": "100m", "memory": "70Mi"});
    let rule = json!({
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "rule", "namespace": FILLED_IN},
        "spec": limit_range(&json!({"defaultRequest": filled_in})),
    });
    objects::apply(&trial.client, &rule).await.unwrap();
    let mut asks = pod(FILLED_IN, &[]);
    let all = asks["spec"]["containers"][0]["resources"].clone();
    asks["spec"]["resources"] = all.clone();
    let mut with_another = pod(FILLED_IN, &[("inject", "false")]);
    with_another["metadata"]["annotations"] = json!({});
    with_another["spec"]["resources"] = all;
    with_another["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "x", "image": "x"}));
    eventually("the LimitRange is in force", async || {
        let error = objects::apply_dry(&trial.client, &with_another).await.err()?.to_string();
        error.contains("aggregate container requests").then_some(())
    })
    .await;
    let made = objects::apply_dry(&trial.client, &asks).await;
    let made = made.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(sidecar(&made).unwrap().1["resources"]["requests"]["cpu"], "0");
}
