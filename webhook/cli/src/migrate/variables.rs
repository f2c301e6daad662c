//! What a container's variables say, as far as it can be read from a file.

use std::collections::BTreeMap;

use contract::names::env;
use serde_json::Value;

/// Variables by name, as they are written.
pub(super) type Variables = BTreeMap<String, String>;

/// Whether the sidecar reads a variable of this name.
pub(super) fn is_known(name: &str) -> bool {
    let in_lower_case = [env::HTTPS_PROXY, env::NO_PROXY].map(str::to_lowercase);
    env::ALL.iter().any(|known| known.name == name) || in_lower_case.contains(&name.to_owned())
}

/// Beginnings in templates: documentation, Helm, shells and Terraform, Azure `DevOps`, scripts.
const TEMPLATES: [&str; 5] = ["<", "{{", "${", "#{", "__"];

/// Whether something fills in a part of `text` before the file is used.
pub(super) fn is_template(text: &str) -> bool {
    TEMPLATES.iter().any(|start| text.contains(start))
}

/// What `text` is worked with as, under the name of a variable or a profile's key: itself,
/// or what stands in for a template.
pub(super) fn usable(name: &str, text: &str) -> String {
    let stand_in = match name {
        // Of no cloud, which follows from the host.
        env::INGESTION_URL | "ingestionUrl" => {
            "https://placeholder.example/dataCollectionRules/dcr-placeholder/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24"
        }
        "certificateName" | "certificateSecret" | "secretProviderClass" => "name-to-fill-in",
        env::AZURE_CLIENT_ID | "clientId" | env::AZURE_TENANT_ID | "tenantId" => {
            "00000000-0000-0000-0000-00000000000c"
        }
        _ => text,
    };
    if is_template(text) { stand_in.to_owned() } else { text.to_owned() }
}

/// Whether something can be made of the variables.
///
/// # Errors
/// Those that are filled in later, with the next step: a port, and words that are marked as
/// a template in no way that is known.
pub(super) fn filled_in(variables: &Variables) -> Result<(), Vec<String>> {
    let later = variables.iter().filter(|(name, text)| match name.as_str() {
        _ if text.is_empty() || usable(name, text) != **text => false,
        env::AZURE_CLIENT_ID | env::AZURE_TENANT_ID => {
            text.bytes().any(|byte| !byte.is_ascii_hexdigit() && byte != b'-')
        }
        env::LISTENING_PORT => text.bytes().all(|byte| !byte.is_ascii_digit()),
        env::INGESTION_URL => !text.contains("://"),
        _ => false,
    });
    let later = later.map(|(name, text)| format!("{name}={text:?} is filled in before this file is used, and the profile depends on it: migrate the file that results, or write the value here, and migrate again"));
    let later: Vec<String> = later.collect();
    if later.is_empty() { Ok(()) } else { Err(later) }
}

/// The variables of `container`.
///
/// # Errors
/// What the sidecar would read and a file cannot tell: one sentence each.
pub(super) fn of_container(container: &Value) -> Result<Variables, Vec<String>> {
    let (mut variables, mut unreadable) = (Variables::new(), Vec::new());
    if container["envFrom"].as_array().is_some_and(|sources| !sources.is_empty()) {
        unreadable.push("envFrom gives it variables that are not in this file: write them as env, and migrate again".to_owned());
    }
    for (name, value) in items(container) {
        match value {
            Some(text) => drop(variables.insert(name.to_owned(), text.trim().to_owned())),
            // For logs alone: nothing goes elsewhere for want of it.
            None if is_known(name) && name != env::CLUSTER => unreadable.push(format!(
                "variable {name} comes from a Secret, a ConfigMap, a field or another variable, which a profile cannot name: write its value here, and migrate again"
            )),
            None => {}
        }
    }
    if unreadable.is_empty() { Ok(variables) } else { Err(unreadable) }
}

/// The variables of `container` that have no counterpart, and why: nothing answers for
/// them.
pub(super) fn lost(container: &Value, is_answered: impl Fn(&str) -> bool) -> Vec<String> {
    let lost = items(container).filter_map(|(name, value)| {
        // A reference is not a setting that anybody has answered for.
        let why = match value {
            None => "no profile can name where its value is",
            Some(_) if !is_answered(name) => "the sidecar has no such variable",
            Some(_) => return None,
        };
        Some(format!("env, {name}: {why}"))
    });
    lost.collect()
}

/// The variables' names, and their values where they are written down. Numbers and
/// booleans are texts that somebody forgot to quote; `$(NAME)` is another variable, and
/// `$$` one dollar, to the kubelet.
fn items(container: &Value) -> impl Iterator<Item = (&str, Option<String>)> {
    let variables = container.get("env").and_then(Value::as_array).into_iter().flatten();
    variables.map(|item| {
        let text = match &item["value"] {
            Value::Null => item["valueFrom"].is_null().then(String::new),
            Value::String(text) => (!text.contains("$(")).then(|| text.replace("$$", "$")),
            Value::Array(_) | Value::Object(_) => None,
            other => Some(other.to_string()),
        };
        (item.get("name").and_then(Value::as_str).unwrap_or_default(), text)
    })
}
