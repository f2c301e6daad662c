//! The webhook through its front door: what goes in is a pod or a body, what
//! comes out is compared as a whole.

pub(crate) mod authority;
mod destinations;
mod endings;
mod golden;
mod properties;
mod protocol;
mod readme;
pub(crate) mod serving;

use serde_json::{Value, json};

use crate::{
    VERSION,
    config::Config,
    decide::{Decision, decide},
    pod::Pod,
    review,
};

pub(crate) const CONFIG: &str = include_str!("../testdata/config.yaml");

pub(crate) fn config() -> Config {
    Config::parse(CONFIG).unwrap()
}

/// A text in which the webhook and the chart's image are of version 1.0.0.
pub(crate) fn with_one_version(text: &str) -> String {
    text.replace(&format!("version={VERSION} "), "version=1.0.0 ")
        .replace(&format!("/prom-remotewrite:{VERSION}"), "/prom-remotewrite:1.0.0")
}

/// The pod that kube-prometheus-stack's `StatefulSet` creates, with our annotations.
pub(crate) fn prometheus(annotations: &[(&str, &str)]) -> Value {
    let text = include_str!("../testdata/kube-prometheus-stack-88.5.3-pod.json");
    let mut pod: Value = serde_json::from_str(text).unwrap();
    for (name, value) in annotations {
        pod["metadata"]["annotations"][format!("prom-remotewrite/{name}")] = json!(value);
    }
    pod
}

/// The smallest annotated pod, with other changes.
pub(crate) fn small(changes: &Value) -> Value {
    let mut pod = json!({
        "metadata": {"annotations": {"prom-remotewrite/inject": "true"}},
        "spec": {"containers": [{"name": "prometheus", "image": "prom/prometheus:v3.5.0"}]},
    });
    json_patch::merge(&mut pod, changes);
    pod
}

/// The decision about `pod`, and the pod as it is after it.
pub(crate) fn admit(config: &Config, pod: &Value) -> (Decision, Value) {
    let decision = decide(config, Pod::new(pod));
    let mut patched = pod.clone();
    if let Some(patch) = review::patch_for(&decision, &mut pod.clone()).unwrap() {
        json_patch::patch(&mut patched, &patch).unwrap();
    }
    (decision, patched)
}
