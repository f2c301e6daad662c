//! What of a hand-written container nothing takes the place of.

use contract::names::API_TOKEN_MOUNT_PATH;
use serde_json::Value;

use super::{
    amounts, auth_proxy,
    mounted_files::MountedFiles,
    new_profile::NewProfile,
    source::{Program, Source},
    variables,
};

/// Fields that the injected container has in its own way.
const OWN: [&str; 10] = [
    "name",
    "image",
    "imagePullPolicy",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "securityContext",
    "restartPolicy",
    "terminationMessagePath",
    "terminationMessagePolicy",
];

/// What is lost of `source`: the field, its value where it is short, and why. What
/// nobody thought of is lost, and so is named.
pub(super) fn of(
    source: &Source<'_>,
    files: &MountedFiles,
    port: u16,
    profile: &NewProfile,
) -> Vec<String> {
    let Source::Container { container, program, .. } = source else { return Vec::new() };
    let fields = container.as_object().into_iter().flatten();
    let mut lost = Vec::new();
    for (field, value) in fields.filter(|(field, value)| !is_own(field) && !is_nothing(value)) {
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        match field.as_str() {
            "env" => lost.extend(variables_of(container, items, *program)),
            "volumeMounts" => lost.extend(items.iter().filter_map(|mount| {
                let path = mount.get("mountPath")?.as_str()?;
                let mut made =
                    files.mounts.iter().map(String::as_str).chain([API_TOKEN_MOUNT_PATH]);
                let is_made = made.any(|made| made == path);
                (!is_made).then(|| format!("volumeMounts, {path}: no profile can mount it"))
            })),
            "ports" => lost.extend(items.iter().filter_map(|item| other_port(item, port))),
            "resources" => lost.extend(amounts::lost(value, profile)),
            _ => lost.push(format!("{field}: the injected container has no such field")),
        }
    }
    lost
}

fn is_own(field: &str) -> bool {
    OWN.contains(&field)
}

/// What Kubernetes treats as absent.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

fn variables_of(container: &Value, items: &[Value], program: Program) -> Vec<String> {
    let mut answered = variables::known();
    answered.extend(variables::referred(container));
    if program == Program::AuthProxy {
        answered.extend(auth_proxy::names().map(str::to_owned));
    }
    let lost = items.iter().filter_map(|variable| {
        let name = variable.get("name")?.as_str()?;
        let is_reference = variable.get("valueFrom").is_some_and(|from| !from.is_null());
        // A reference is not a setting that anybody has answered for.
        let why = match (is_reference, answered.contains(name)) {
            (true, _) => "no profile can name where its value is",
            (false, false) => "the sidecar has no such variable",
            (false, true) => return None,
        };
        Some(format!("env, {name}: {why}"))
    });
    lost.collect()
}

/// Another port, or one that is more than a port.
fn other_port(item: &Value, port: u16) -> Option<String> {
    let number = item.get("containerPort").and_then(Value::as_u64).unwrap_or_default();
    let fields = item.as_object().into_iter().flatten().map(|(field, _)| field.as_str());
    let mut more = fields.filter(|field| !["containerPort", "name", "protocol"].contains(field));
    match more.next() {
        _ if number != u64::from(port) => {
            Some(format!("ports, {number}: the sidecar listens on {port}"))
        }
        Some(field) => Some(format!("ports, {number}: the injected container's has no {field}")),
        None => None,
    }
}
