//! What an API server refuses because of the sidecar, in its own words: each is in
//! troubleshooting.md with the annotations that help, and they do help.

use std::fs;

use serde_json::{Value, json};
use tests::machine::environment;

use super::{
    injected::sidecar,
    objects,
    trial::{Trial, eventually},
};
use crate::cluster::has;

/// A rule of a namespace that the sidecar breaks.
struct Case {
    namespace: &'static str,
    kind: &'static str,
    spec: Value,
    /// Annotations of the pod that is refused, without the prefix.
    breaks: &'static [(&'static str, &'static str)],
    /// The message of the API server.
    message: &'static str,
    /// Annotations that help.
    helps: &'static [(&'static str, &'static str)],
}

pub(super) fn limit_range(limits: &Value) -> Value {
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
            namespace: "refusals-pod-cpu-ratio",
            kind: "LimitRange",
            spec: limit_range(&json!({"type": "Pod", "maxLimitRequestRatio": {"cpu": "1.5"}})),
            breaks: &[("cpu-request", "10m"), ("cpu-limit", "100m")],
            message: "cpu max limit to request ratio per Pod is",
            helps: &[("cpu-request", "100m"), ("cpu-limit", "100m")],
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

/// No annotation helps: a default of the `LimitRange` does.
#[tokio::test]
async fn a_ratio_of_ephemeral_storage_needs_a_default() {
    const TEST: &str = "a_ratio_of_ephemeral_storage_needs_a_default";
    const NAMESPACE: &str = "refusals-storage";
    const MESSAGE: &str = "ephemeral-storage max limit to request ratio per Container is";
    let Some(trial) = Trial::new(TEST, "storage", &[NAMESPACE], &json!({})).await else { return };
    objects::namespace(&trial.client, NAMESPACE, "privileged").await;
    let rule = |limits: &Value| {
        json!({
            "apiVersion": "v1",
            "kind": "LimitRange",
            "metadata": {"name": "rule", "namespace": NAMESPACE},
            "spec": limit_range(limits),
        })
    };
    let asks = pod(NAMESPACE, &[]);
    let mut limits = json!({"maxLimitRequestRatio": {"ephemeral-storage": "2"}});
    objects::apply(&trial.client, &rule(&limits)).await.unwrap();
    eventually(MESSAGE, async || {
        let error = objects::apply_dry(&trial.client, &asks).await.err()?.to_string();
        error.contains(MESSAGE).then_some(())
    })
    .await;
    let section = section(MESSAGE);
    for key in ["default", "defaultRequest"] {
        assert!(section.contains(&format!("`{key}`")), "{section}");
        limits[key] = json!({"ephemeral-storage": "1Gi"});
    }
    objects::apply(&trial.client, &rule(&limits)).await.unwrap();
    eventually("the default helps", async || {
        let made = objects::apply_dry(&trial.client, &asks).await.ok()?;
        sidecar(&made).map(|_| ())
    })
    .await;
}

/// The same as a pod with resources of its own that others use up, which a `LimitRange`
/// demands a minimum of.
#[tokio::test]
async fn a_minimum_needs_room_in_the_pod_level_requests() {
    const TEST: &str = "a_minimum_needs_room_in_the_pod_level_requests";
    const NAMESPACE: &str = "refusals-room";
    let Some(trial) = Trial::new(TEST, "room", &[NAMESPACE], &json!({})).await else { return };
    if !has(trial.plane, 34, TEST, "resources of a pod by default") {
        return;
    }
    objects::namespace(&trial.client, NAMESPACE, "privileged").await;
    let rule = json!({
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "rule", "namespace": NAMESPACE},
        "spec": limit_range(&json!({"min": {"cpu": "50m"}})),
    });
    objects::apply(&trial.client, &rule).await.unwrap();
    let mut asks = pod(NAMESPACE, &[("cpu-request", "50m")]);
    asks["spec"]["resources"] = json!({"requests": {"cpu": "100m", "memory": "1Gi"}});
    eventually("the LimitRange is in force", async || {
        let error = objects::apply_dry(&trial.client, &asks).await.err()?.to_string();
        (error.contains("minimum cpu usage per Container is") && error.contains("request is 0"))
            .then_some(())
    })
    .await;
    for message in ["minimum cpu usage per Container is", "minimum memory usage per Container is"] {
        assert!(section(message).contains("`request is 0`"), "{message}");
    }
    asks["spec"]["resources"]["requests"]["cpu"] = json!("150m");
    objects::apply_dry(&trial.client, &asks).await.unwrap();
}

/// A pod whose own container keeps to all of these rules.
pub(super) fn pod(namespace: &str, annotations: &[(&str, &str)]) -> Value {
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

/// The section of troubleshooting.md whose heading quotes `message`.
pub(super) fn section(message: &str) -> String {
    let page = environment::crate_folder().join("../manifests/troubleshooting.md");
    let page = fs::read_to_string(page).unwrap();
    let mut sections = page.split("\n### ").map(|text| text.split("\n## ").next().unwrap());
    let heading = format!("`{message}");
    let found = sections.find(|text| text.lines().next().unwrap().contains(&heading));
    found.unwrap_or_else(|| panic!("no heading for {message:?}")).to_owned()
}

#[tokio::test]
async fn rejections_by_the_api_server_are_in_troubleshooting() {
    const TEST: &str = "rejections_by_the_api_server_are_in_troubleshooting";
    let cases = cases();
    let namespaces: Vec<&str> = cases.iter().map(|case| case.namespace).collect();
    let Some(trial) = Trial::new(TEST, "refusals", &namespaces, &json!({})).await else { return };
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
        let section = section(case.message);
        for (name, _) in case.helps {
            assert!(section.contains(&format!("`prom-remotewrite/{name}`")), "{name}: {section}");
        }
    }
}
