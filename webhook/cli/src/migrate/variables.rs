//! What a container's variables say, as far as it can be read from a file.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use contract::{IdentityType, Settings, names::env};
use serde_json::Value;

use super::placeholder;

/// Variables by name, as they are written.
pub(super) type Variables = BTreeMap<String, String>;

/// Every variable that the sidecar reads for some identity: its reader says so
/// itself.
pub(super) fn known() -> BTreeSet<String> {
    let asked = RefCell::new(BTreeSet::new());
    for kind in IdentityType::ALL {
        let _ = Settings::from_env(|name| {
            asked.borrow_mut().insert(name.to_owned());
            match name {
                env::IDENTITY_TYPE => Some(kind.name().to_owned()),
                // With these it reads on to its end; only with a proxy are the
                // proxy's exceptions read, and its CA.
                env::HTTPS_PROXY => Some("http://proxy.example".to_owned()),
                env::AZURE_KUBERNETES_TOKEN_PROXY => Some("https://proxy.example".to_owned()),
                env::MDM_CERT_PATH | env::AZURE_FEDERATED_TOKEN_FILE => Some("/file".to_owned()),
                _ => Some(placeholder::usable(name, "<>")).filter(|text| text != "<>"),
            }
        });
    }
    asked.into_inner()
}

/// The variables of `container`.
///
/// # Errors
/// What the sidecar would read and a file cannot tell: one sentence each.
pub(super) fn of_container(container: &Value) -> Result<Variables, Vec<String>> {
    let (mut variables, mut unreadable) = (Variables::new(), Vec::new());
    if container["envFrom"].as_array().is_some_and(|sources| !sources.is_empty()) {
        unreadable.push("envFrom gives it variables that are not in this file".to_owned());
    }
    let known = known();
    for (name, variable) in items(container) {
        // For logs alone: nothing goes elsewhere for want of it.
        let matters = known.contains(name) && name != env::CLUSTER;
        match literal(variable).map(|text| expanded(&text, &variables)) {
            Some(Ok(text)) => drop(variables.insert(name.to_owned(), text.trim().to_owned())),
            Some(Err(other)) if matters => unreadable.push(format!(
                "variable {name} refers to $({other}), which has no value in this file"
            )),
            None if matters => unreadable.push(format!(
                "variable {name} comes from a Secret, a ConfigMap or a field, which a profile cannot name"
            )),
            Some(Err(_)) | None => {}
        }
    }
    if unreadable.is_empty() { Ok(variables) } else { Err(unreadable) }
}

fn items(container: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let variables = container.get("env").and_then(Value::as_array).into_iter().flatten();
    variables.map(|item| (item.get("name").and_then(Value::as_str).unwrap_or_default(), item))
}

/// The variables of `container` that have no counterpart, and why: neither one of
/// `answered`, nor one that another refers to.
pub(super) fn lost(container: &Value, answered: &BTreeSet<String>) -> Vec<String> {
    let text = container["env"].to_string();
    let lost = items(container).filter_map(|(name, item)| {
        let is_answered = answered.contains(name) || text.contains(&format!("$({name})"));
        // A reference is not a setting that anybody has answered for.
        let why = match literal(item) {
            None => "no profile can name where its value is",
            Some(_) if !is_answered => "the sidecar has no such variable",
            Some(_) => return None,
        };
        Some(format!("env, {name}: {why}"))
    });
    lost.collect()
}

/// The value where it is written down. Numbers and booleans are texts that
/// somebody forgot to quote.
fn literal(variable: &Value) -> Option<String> {
    match &variable["value"] {
        Value::Null => variable["valueFrom"].is_null().then(String::new),
        Value::String(text) => Some(text.clone()),
        Value::Array(_) | Value::Object(_) => None,
        other => Some(other.to_string()),
    }
}

/// `$(NAME)` is replaced by the kubelet if an earlier variable has this name;
/// `$$` is one dollar.
///
/// # Errors
/// The name that has no value.
fn expanded(text: &str, earlier: &Variables) -> Result<String, String> {
    let text = text.replace("$$", "\u{0}");
    let text = earlier.iter().fold(text, |text, (name, value)| {
        text.replace(&format!("$({name})"), &value.replace('$', "\u{0}"))
    });
    match text.split_once("$(").and_then(|(_, rest)| rest.split_once(')')) {
        Some((name, _)) => Err(name.to_owned()),
        None => Ok(text.replace('\u{0}', "$")),
    }
}
