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

/// The variables of `container`.
///
/// # Errors
/// What the sidecar would read and a file cannot tell: one sentence each.
pub(super) fn of_container(container: &Value) -> Result<Variables, Vec<String>> {
    let (mut variables, mut unreadable) = (Variables::new(), Vec::new());
    if container["envFrom"].as_array().is_some_and(|sources| !sources.is_empty()) {
        unreadable.push("envFrom gives it variables that are not in this file".to_owned());
    }
    for (name, variable) in items(container) {
        // For logs alone: nothing goes elsewhere for want of it.
        let matters = is_known(name) && name != env::CLUSTER;
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

/// The variables of `container` that have no counterpart, and why: nothing answers for
/// them, and no other refers to them.
pub(super) fn lost(container: &Value, is_answered: impl Fn(&str) -> bool) -> Vec<String> {
    let text = container["env"].to_string();
    let lost = items(container).filter_map(|(name, item)| {
        let is_answered = is_answered(name) || text.contains(&format!("$({name})"));
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
