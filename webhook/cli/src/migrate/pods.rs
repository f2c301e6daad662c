//! The pods before and after, as they are compared.

use contract::annotations::{INJECT, PROFILE};
use serde_json::{Value, json};

use super::sites::{Form, Site};

/// The pod as it is.
pub(super) fn before(site: &Site<'_>) -> Value {
    let unknown = || json!({"spec": {"containers": [{"name": PROMETHEUS}]}});
    site.form.pod(site.node).unwrap_or_else(unknown)
}

/// Some Prometheus, where its pod is described elsewhere: as it has to be.
pub(super) fn any(profile: &str) -> Value {
    json!({
        "metadata": {"annotations": {INJECT: "true", PROFILE: profile}},
        "spec": {"containers": [{"name": PROMETHEUS}]},
    })
}

/// What Prometheus' own container is called, as prometheus-operator has it.
const PROMETHEUS: &str = "prometheus";

/// The pod with what its Prometheus writes to.
pub(super) fn with_writes(mut pod: Value, form: Form, node: &Value) -> Value {
    for key in form.remote_write() {
        if let (Some(pod), Some(list)) = (pod.as_object_mut(), node.get(key)) {
            pod.insert((*key).to_owned(), list.clone());
        }
    }
    pod
}
