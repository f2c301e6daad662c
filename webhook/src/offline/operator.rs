//! Pods that prometheus-operator makes of its objects: as much of them as
//! decides about a sidecar.

use serde_json::{Map, Value, json};

/// The kinds whose pods run Prometheus.
const KINDS: [&str; 2] = ["Prometheus", "PrometheusAgent"];
/// What comes from the object as it is.
const FIELDS: [&str; 6] = [
    "initContainers",
    "volumes",
    "hostNetwork",
    "securityContext",
    "serviceAccountName",
    "imagePullSecrets",
];
/// The operator's own, for a server; in seconds.
const GRACE_SECONDS: u64 = 600;

/// The pod of `object`, if prometheus-operator makes one of it.
pub(crate) fn pod(object: &Value) -> Option<Value> {
    let text = |key| object.get(key).and_then(Value::as_str).unwrap_or_default();
    if !text("apiVersion").starts_with("monitoring.coreos.com/") || !KINDS.contains(&text("kind")) {
        return None;
    }
    let given = object.get("spec");
    let field = |name: &str| given?.get(name).cloned();
    let more = field("containers").and_then(|list| list.as_array().cloned()).unwrap_or_default();
    let prometheus = json!({"name": "prometheus", "image": "prometheus"});
    let mut spec: Map<String, Value> =
        FIELDS.iter().filter_map(|name| Some(((*name).to_owned(), field(name)?))).collect();
    let containers: Vec<Value> = std::iter::once(prometheus).chain(more).collect();
    spec.insert("containers".to_owned(), containers.into());
    let grace = field("terminationGracePeriodSeconds").unwrap_or_else(|| GRACE_SECONDS.into());
    spec.insert("terminationGracePeriodSeconds".to_owned(), grace);
    Some(json!({"metadata": field("podMetadata"), "spec": spec}))
}
