//! The pods before and after, as they are compared.

use contract::annotations::{INJECT, PROFILE};
use serde_json::{Value, json};

use super::{
    auth_proxy,
    compare::{self, Row, Sidecars},
    files::Files,
    plan::Read,
    sites::{Form, Site},
    source::{Program, Source},
    variables,
};

/// The pod as it is; Prometheus' own block as if it were a container.
pub(super) fn pod_before(site: &Site<'_>, source: &Source<'_>, read: &Read, name: &str) -> Value {
    let mut pod = site.form.pod(site.node).unwrap_or_else(|| any_pod(name));
    if is_container(source) {
        return pod;
    }
    let variables = read.settings.to_env().into_iter();
    let variables: Vec<Value> =
        variables.map(|(name, value)| json!({"name": name, "value": value})).collect();
    let containers = pod.pointer_mut("/spec/containers").and_then(Value::as_array_mut);
    if let Some(containers) = containers {
        containers.push(json!({"name": NATIVE, "env": variables}));
    }
    pod
}

/// What Prometheus' own block is called among containers.
const NATIVE: &str = "azuread";

/// The pod together with what its Prometheus writes to.
pub(super) fn with_writes(mut pod: Value, form: Form, node: &Value) -> Value {
    for key in form.remote_write() {
        if let (Some(pod), Some(list)) = (pod.as_object_mut(), node.get(key)) {
            pod.insert((*key).to_owned(), list.clone());
        }
    }
    pod
}

const fn is_container(source: &Source<'_>) -> bool {
    matches!(source, Source::Container { .. })
}

/// Some Prometheus, where its pod is described elsewhere.
pub(super) fn any_pod(profile: &str) -> Value {
    json!({
        "metadata": {"annotations": {INJECT: "true", PROFILE: profile}},
        "spec": {"containers": [{"name": "prometheus"}]},
    })
}

/// Every field of both pods, with what it means.
pub(super) fn rows(
    site: &Site<'_>,
    source: &Source<'_>,
    files: &Files,
    before: &Value,
    after: &Value,
) -> Vec<Row> {
    let name = match source {
        Source::Container { container, .. } => {
            container.get("name").and_then(Value::as_str).unwrap_or_default()
        }
        Source::Native { .. } => NATIVE,
    };
    let mut answered: Vec<String> = variables::known().into_iter().collect();
    if let Source::Container { program: Program::AuthProxy, .. } = source {
        answered.extend(auth_proxy::names().map(str::to_owned));
    }
    if let Source::Container { container, .. } = source {
        // A reference is not a setting that anybody has answered for.
        answered.extend(variables::referred(container));
        answered.retain(|name| !is_reference(container, name));
    }
    let volumes: Vec<String> = files
        .replaced
        .iter()
        .filter_map(|place| site.items("volumes").get(*place)?.get("name")?.as_str())
        .map(str::to_owned)
        .collect();
    let mut mounts = files.mounts.clone();
    mounts.push(contract::names::API_TOKEN_MOUNT_PATH.to_owned());
    let sidecars =
        Sidecars { before: name, variables: &answered, mounts: &mounts, volumes: &volumes };
    compare::rows(before, after, &sidecars)
}

fn is_reference(container: &Value, name: &str) -> bool {
    let variables = container.get("env").and_then(Value::as_array).into_iter().flatten();
    variables
        .filter(|variable| variable.get("name").and_then(Value::as_str) == Some(name))
        .any(|variable| variable.get("valueFrom").is_some_and(|from| !from.is_null()))
}
