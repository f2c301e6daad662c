//! What an API server refuses because of the sidecar, in its own words: each is in
//! troubleshooting.md with the annotations that help, and they do help.

use std::fs;

use serde_json::{Value, json};
use tests::environment;

use super::{
    injected::sidecar,
    objects::{self, text},
    trial::{Trial, eventually},
};

/// A rule of a namespace that the sidecar breaks.
struct Case {
    namespace: &'static str,
    kind: &'static str,
    spec: Value,
    /// Annotations of the pod that is refused, without the prefix.
    breaks: &'static [(&'static str, &'static str)],
    /// What the API server says.
    message: &'static str,
    /// Annotations that help.
    helps: &'static [(&'static str, &'static str)],
}

fn limit_range(limits: &Value) -> Value {
    let mut container = json!({"type": "Container"});
    json_patch::merge(&mut container, limits);
    json!({"limits": [container]})
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<Case> {
    vec![
        Case {
            namespace: "refusals-cpu-min",
            kind: "LimitRange",
            spec: limit_range(&json!({"min": {"cpu": "50m"}})),
            breaks: &[],
            message: "minimum cpu usage per Container is",
            helps: &[("cpu-request", "50m")],
        },
        Case {
            namespace: "refusals-memory-min",
            kind: "LimitRange",
            spec: limit_range(&json!({"min": {"memory": "64Mi"}})),
            breaks: &[],
            message: "minimum memory usage per Container is",
            helps: &[("memory-request", "64Mi")],
        },
        Case {
            namespace: "refusals-memory-max",
            kind: "LimitRange",
            spec: limit_range(&json!({"max": {"memory": "100Mi"}})),
            breaks: &[],
            message: "maximum memory usage per Container is",
            helps: &[("memory-limit", "100Mi")],
        },
        Case {
            namespace: "refusals-memory-ratio",
            kind: "LimitRange",
            spec: limit_range(&json!({"maxLimitRequestRatio": {"memory": "4"}})),
            breaks: &[("memory-request", "16Mi"), ("memory-limit", "128Mi")],
            message: "memory max limit to request ratio per Container is",
            helps: &[("memory-request", "32Mi"), ("memory-limit", "128Mi")],
        },
        Case {
            namespace: "refusals-cpu-ratio",
            kind: "LimitRange",
            spec: limit_range(&json!({
                "maxLimitRequestRatio": {"cpu": "2"},
                "default": {"cpu": "100m"},
            })),
            breaks: &[],
            message: "cpu max limit to request ratio per Container is",
            helps: &[("cpu-request", "50m")],
        },
        Case {
            namespace: "refusals-cpu-no-limit",
            kind: "LimitRange",
            spec: limit_range(&json!({"maxLimitRequestRatio": {"cpu": "2"}})),
            breaks: &[],
            message: "cpu max limit to request ratio per Container is",
            helps: &[("cpu-request", "50m"), ("cpu-limit", "100m")],
        },
        Case {
            namespace: "refusals-cpu-max",
            kind: "LimitRange",
            spec: limit_range(&json!({"max": {"cpu": "160m"}})),
            breaks: &[("cpu-limit", "200m")],
            message: "maximum cpu usage per Container is",
            helps: &[("cpu-limit", "100m")],
        },
        Case {
            namespace: "refusals-pod-cpu-max",
            kind: "LimitRange",
            spec: limit_range(&json!({"type": "Pod", "max": {"cpu": "200m"}})),
            breaks: &[("cpu-limit", "100m")],
            message: "maximum cpu usage per Pod is",
            helps: &[("cpu-limit", "50m")],
        },
        Case {
            namespace: "refusals-pod-memory-max",
            kind: "LimitRange",
            spec: limit_range(&json!({"type": "Pod", "max": {"memory": "200Mi"}})),
            breaks: &[],
            message: "maximum memory usage per Pod is",
            helps: &[("memory-limit", "64Mi")],
        },
        Case {
            namespace: "refusals-pod-ratio",
            kind: "LimitRange",
            spec: limit_range(&json!({"type": "Pod", "maxLimitRequestRatio": {"memory": "2"}})),
            breaks: &[],
            message: "memory max limit to request ratio per Pod is",
            helps: &[("memory-request", "64Mi"), ("memory-limit", "64Mi")],
        },
        Case {
            namespace: "refusals-default-limit",
            kind: "LimitRange",
            spec: limit_range(&json!({"default": {"cpu": "5m"}})),
            breaks: &[],
            message: "must be less than or equal to cpu limit",
            helps: &[("cpu-limit", "100m")],
        },
        Case {
            namespace: "refusals-quota",
            kind: "ResourceQuota",
            spec: json!({"hard": {"limits.cpu": "8"}}),
            breaks: &[],
            message: "must specify limits.cpu for: prom-remotewrite",
            helps: &[("cpu-limit", "100m")],
        },
        Case {
            namespace: "refusals-quota-exceeded",
            kind: "ResourceQuota",
            spec: json!({"hard": {"limits.memory": "200Mi"}}),
            breaks: &[],
            message: "exceeded quota",
            helps: &[("memory-limit", "64Mi")],
        },
    ]
}

/// A pod whose own container keeps to all of these rules.
fn pod(namespace: &str, annotations: &[(&str, &str)]) -> Value {
    let ours = annotations.iter().chain(&[("inject", "true")]);
    let ours: serde_json::Map<_, _> =
        ours.map(|(name, value)| (format!("prom-remotewrite/{name}"), json!(value))).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "one", "namespace": namespace, "annotations": ours},
        "spec": {"containers": [{
            "name": "prometheus",
            "image": "prometheus",
            "resources": {
                "requests": {"cpu": "100m", "memory": "70Mi"},
                "limits": {"cpu": "150m", "memory": "100Mi"},
            },
        }]},
    })
}

fn page() -> String {
    let page = environment::crate_folder().join("../manifests/troubleshooting.md");
    fs::read_to_string(page).unwrap()
}

#[tokio::test]
async fn what_the_api_server_refuses_is_in_troubleshooting() {
    const TEST: &str = "what_the_api_server_refuses_is_in_troubleshooting";
    let cases = cases();
    let namespaces: Vec<&str> = cases.iter().map(|case| case.namespace).collect();
    let Some(trial) = Trial::new(TEST, "refusals", &namespaces, &json!({})).await else { return };
    let page = page();
    for case in cases {
        objects::namespace(&trial.client, case.namespace, "privileged").await;
        let rule = json!({
            "apiVersion": "v1",
            "kind": case.kind,
            "metadata": {"name": "rule", "namespace": case.namespace},
            "spec": case.spec,
        });
        objects::apply(&trial.client, &rule).await.unwrap();
        // The API server and the quota's controller hear of it a moment later.
        eventually(case.message, async || {
            let refused = pod(case.namespace, case.breaks);
            let error = objects::apply_dry(&trial.client, &refused).await.err()?.to_string();
            error.contains(case.message).then_some(())
        })
        .await;
        let helped = pod(case.namespace, case.helps);
        let made = objects::apply_dry(&trial.client, &helped).await;
        let made = made.unwrap_or_else(|error| panic!("{}: {error}", case.namespace));
        assert!(sidecar(&made).is_some(), "{}", case.namespace);
        let row = page.lines().find(|line| line.contains(&format!("`{}", case.message)));
        let row = row.unwrap_or_else(|| panic!("no row for {:?}", case.message));
        for (name, _) in case.helps {
            assert!(row.contains(&format!("`prom-remotewrite/{name}`")), "{name}: {row}");
        }
    }
}

/// What would be refused without what the webhook does about it.
#[tokio::test]
async fn pods_with_resources_of_their_own_are_taken_with_a_sidecar() {
    const TEST: &str = "pods_with_resources_of_their_own_are_taken_with_a_sidecar";
    let Some(trial) = Trial::new(TEST, "own-resources", &[FILLED_IN, RATIO], &json!({})).await
    else {
        return;
    };
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

/// Namespaces with a `LimitRange`.
const FILLED_IN: &str = "own-resources-filled-in";
const RATIO: &str = "own-resources-ratio";

/// Nothing is no part of any limit, so the pod as a whole must request more.
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
    assert!(page().contains(&format!("`{REFUSED}`")));
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
