//! Pods that prometheus-operator makes of its objects: as much of them as
//! decides about a sidecar.

use serde_json::{Map, Value, json};

/// The kinds whose pods write samples.
const KINDS: [&str; 3] = ["Prometheus", "PrometheusAgent", RULER];
/// That of rules which Thanos evaluates.
const RULER: &str = "ThanosRuler";
/// What is taken from the object unchanged.
const FIELDS: [&str; 6] = [
    "initContainers",
    "volumes",
    "hostNetwork",
    "securityContext",
    "serviceAccountName",
    "imagePullSecrets",
];
/// How long the pod has to stop.
pub(crate) const GRACE: &str = "terminationGracePeriodSeconds";
/// The operator's own, for a server; in seconds.
const GRACE_SECONDS: u64 = 600;
/// Prometheus' own web port.
const WEB_PORT: u16 = 9090;
/// Those of a ruler: gRPC and HTTP.
const RULER_PORTS: [u16; 2] = [10901, 10902];
/// That of the container that reloads its configuration.
const RELOADER_PORT: u16 = 8080;

/// The pod of `object`, if prometheus-operator makes one of it, as far as the
/// object says it.
pub(crate) fn pod(object: &Value) -> Option<Value> {
    let text = |key| object.get(key).and_then(Value::as_str).unwrap_or_default();
    if !text("apiVersion").starts_with("monitoring.coreos.com/") || !KINDS.contains(&text("kind")) {
        return None;
    }
    Some(pod_of_spec(object.get("spec").unwrap_or(&Value::Null)))
}

/// The same, where the object's `spec` stands by itself, as in values of a chart.
pub(crate) fn pod_of_spec(spec: &Value) -> Value {
    let field = |name: &str| spec.get(name).cloned();
    let more = field("containers").and_then(|list| list.as_array().cloned()).unwrap_or_default();
    let mut spec: Map<String, Value> =
        FIELDS.iter().filter_map(|name| Some(((*name).to_owned(), field(name)?))).collect();
    let own = json!({"name": "prometheus", "image": "prometheus"});
    let containers: Vec<Value> = std::iter::once(own).chain(more).collect();
    spec.insert("containers".to_owned(), containers.into());
    let grace = field(GRACE).unwrap_or_else(|| GRACE_SECONDS.into());
    spec.insert(GRACE.to_owned(), grace);
    json!({"metadata": field("podMetadata"), "spec": spec})
}

/// The same with what every such pod has besides: the ports of the operator's own
/// containers. With `listenLocal` none are declared, and declared ones are all that the
/// webhook sees. The operator's init container has exited when the sidecar needs its
/// port.
pub(super) fn whole_pod(object: &Value) -> Option<Value> {
    let mut pod = pod(object)?;
    let local = object.pointer("/spec/listenLocal").and_then(Value::as_bool) == Some(true);
    let containers = pod.pointer_mut("/spec/containers").and_then(Value::as_array_mut);
    if let Some(containers) = containers.filter(|_| !local) {
        if let Some(prometheus) = containers.first_mut().and_then(Value::as_object_mut) {
            let is_ruler = object.get("kind").is_some_and(|kind| kind == RULER);
            let ports = if is_ruler {
                let [grpc, http] = RULER_PORTS;
                json!([{"containerPort": grpc, "name": "grpc"}, {"containerPort": http, "name": "http"}])
            } else {
                json!([{"containerPort": WEB_PORT, "name": "web"}])
            };
            prometheus.insert("ports".to_owned(), ports);
        }
        containers.push(json!({
            "name": "config-reloader",
            "image": "prometheus-config-reloader",
            "ports": [{"containerPort": RELOADER_PORT, "name": "reloader-web"}],
        }));
    }
    Some(pod)
}
