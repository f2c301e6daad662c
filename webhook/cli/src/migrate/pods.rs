//! The pods before and after, as they are compared.

use contract::{
    annotations::{INJECT, PROFILE},
    names::env,
};
use serde_json::{Value, json};

use super::{
    auth_proxy,
    compare::{self, Difference, Row, Sidecars},
    mounted_files::MountedFiles,
    sites::{Form, Site},
    source::{Program, Source},
    variables::{self, Given, Variables},
};
use crate::workloads::operator;

/// The pod as it is.
pub(super) fn pod_before(site: &Site<'_>) -> Value {
    let unknown = || json!({"spec": {"containers": [{"name": PROMETHEUS}]}});
    site.form.pod(site.node).unwrap_or_else(unknown)
}

/// Some Prometheus, where its pod is described elsewhere: as it has to be.
pub(super) fn any_pod(profile: &str) -> Value {
    json!({
        "metadata": {"annotations": {INJECT: "true", PROFILE: profile}},
        "spec": {"containers": [{"name": PROMETHEUS}]},
    })
}

/// What Prometheus' own container is called, as prometheus-operator has it.
const PROMETHEUS: &str = "prometheus";

/// As much of the pod as is written, with what its Prometheus writes to: what
/// an operator adds would be nothing that people could find in their file.
pub(super) fn compared(mut pod: Value, form: Form, node: &Value) -> Value {
    if form == Form::Operator {
        without_operators(&mut pod, node);
    }
    for key in form.remote_write() {
        if let (Some(pod), Some(list)) = (pod.as_object_mut(), node.get(key)) {
            pod.insert((*key).to_owned(), list.clone());
        }
    }
    pod
}

fn without_operators(pod: &mut Value, node: &Value) {
    let theirs = operator::container();
    if let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) {
        if let Some(Value::Array(containers)) = spec.get_mut("containers") {
            let place = containers.iter().position(|container| *container == theirs);
            let _ = place.map(|place| containers.remove(place));
        }
        let is_empty = |list: &Value| list.as_array().is_some_and(Vec::is_empty);
        spec.retain(|name, value| match name.as_str() {
            "containers" => !is_empty(value),
            operator::GRACE => node.get(name).is_some(),
            _ => true,
        });
    }
    if let Some(pod) = pod.as_object_mut() {
        let nothing = [Value::Null, json!({})];
        pod.retain(|_, value| !nothing.contains(value));
    }
}

/// Every field of both pods, with what it means.
pub(super) fn rows(
    site: &Site<'_>,
    source: &Source<'_>,
    files: &MountedFiles,
    before: &Value,
    after: &Value,
) -> Vec<Row> {
    let name = match source {
        Source::Container { container, .. } => container.get("name").and_then(Value::as_str),
        Source::Native { .. } => None,
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

/// The rows with what people wrote and will see, where something stood in for
/// it: a placeholder, or what the file does not say.
pub(super) fn as_written(
    mut rows: Vec<Row>,
    given: &Variables,
    elsewhere: &[&str],
    files: &MountedFiles,
) -> Vec<Row> {
    for row in &mut rows {
        let field = row.path.rsplit('.').next().unwrap_or_default();
        let variable = row.path.strip_prefix("sidecar.env[");
        let variable = variable.and_then(|rest| rest.strip_suffix("].value"));
        let shown = match variable {
            Some(name) if elsewhere.contains(&name) => Some(ELSEWHERE.to_owned()),
            Some(name) => placeholder_of(name, given).map(|given| given.text.clone()),
            None => {
                let named =
                    files.named(field).filter(|given| Some(&given.value) == row.after.as_ref());
                named.map(|given| given.text.clone())
            }
        };
        if let (Some(shown), Some(after)) = (shown, &mut row.after) {
            *after = shown;
            if row.before == row.after {
                row.verdict = Difference::Same;
            }
        }
    }
    rows
}

/// What stands where a variable's value is not in the file.
const ELSEWHERE: &str = "what azure-workload-identity's webhook says";

/// What a variable was given as, under its own name or an older one.
fn placeholder_of<'a>(name: &str, given: &'a Variables) -> Option<&'a Given> {
    let older = match name {
        env::AZURE_CLIENT_CERTIFICATE_PATH => env::MDM_CERT_PATH,
        env::AZURE_AUTHORITY_HOST => env::AAD_HOST_ENDPOINT,
        _ => name,
    };
    given.get(name).or_else(|| given.get(older)).filter(|given| given.is_placeholder())
}

fn is_reference(container: &Value, name: &str) -> bool {
    let variables = container.get("env").and_then(Value::as_array).into_iter().flatten();
    variables
        .filter(|variable| variable.get("name").and_then(Value::as_str) == Some(name))
        .any(|variable| variable.get("valueFrom").is_some_and(|from| !from.is_null()))
}
