//! A patch and a path in a few words.

use std::path::Path;

use json_patch::{AddOperation, Patch, PatchOperation};
use serde_json::Value;
use tests::machine::environment;

/// Relative to the checkout or to the home folder, if it lies in one of them.
pub(crate) fn path(file: &Path) -> String {
    let checkout = environment::crate_folder().parent();
    if let Some(rest) = checkout.and_then(|checkout| file.strip_prefix(checkout).ok()) {
        return rest.display().to_string();
    }
    let home = environment::variable("HOME");
    match home.and_then(|home| file.strip_prefix(home).ok()) {
        Some(rest) => format!("~/{}", rest.display()),
        None => file.display().to_string(),
    }
}

/// One line for each thing that is added.
pub(crate) fn patch(patch: &Patch) -> Vec<String> {
    patch.iter().map(operation).collect()
}

fn operation(operation: &PatchOperation) -> String {
    let PatchOperation::Add(AddOperation { path, value }) = operation else {
        return operation.to_string();
    };
    format!("add {path}: {}", thing(value))
}

fn thing(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(thing).collect::<Vec<_>>().join(", "),
        Value::Object(object) if object.contains_key("image") => container(value),
        Value::Object(object) if object.contains_key("name") => volume(value),
        other => other.to_string(),
    }
}

fn container(value: &Value) -> String {
    let text = |path| value.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let count = |path| value.pointer(path).and_then(Value::as_array).map_or(0, Vec::len);
    let native = if text("/restartPolicy") == "Always" { "native sidecar " } else { "container " };
    format!(
        "{native}{}, {} variables, {} mounts, port {}",
        text("/name"),
        count("/env"),
        count("/volumeMounts"),
        value.pointer("/ports/0/containerPort").unwrap_or(&Value::Null),
    )
}

fn volume(value: &Value) -> String {
    let text = |path| value.pointer(path).and_then(Value::as_str);
    let class = text("/csi/volumeAttributes/secretProviderClass");
    let source = class
        .map(|class| format!("CSI, {class}"))
        .or_else(|| text("/configMap/name").map(|name| format!("ConfigMap {name}")))
        .or_else(|| value.get("projected").map(|_| "projected token".to_owned()))
        .unwrap_or_else(|| "empty".to_owned());
    format!("volume {} ({source})", text("/name").unwrap_or_default())
}
