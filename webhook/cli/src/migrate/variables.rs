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
                // proxy's exceptions read.
                env::HTTPS_PROXY => Some("http://proxy.example".to_owned()),
                env::MDM_CERT_PATH => Some("/certificate".to_owned()),
                env::AZURE_FEDERATED_TOKEN_FILE => Some("/token".to_owned()),
                env::INGESTION_URL | env::AZURE_CLIENT_ID | env::AZURE_TENANT_ID => {
                    Some(placeholder::usable(name, "<>"))
                }
                _ => None,
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
    let sources = container.get("envFrom").and_then(Value::as_array);
    if sources.is_some_and(|sources| !sources.is_empty()) {
        unreadable.push("envFrom gives it variables that are not in this file".to_owned());
    }
    let known = known();
    for variable in container.get("env").and_then(Value::as_array).into_iter().flatten() {
        let name = variable.get("name").and_then(Value::as_str).unwrap_or_default();
        // For logs alone: nothing goes elsewhere for want of it.
        let matters = known.contains(name) && name != env::CLUSTER;
        match literal(variable) {
            Some(text) => match expanded(&text, &variables) {
                Ok(text) => drop(variables.insert(name.to_owned(), text.trim().to_owned())),
                Err(other) if matters => unreadable.push(format!(
                    "variable {name} refers to $({other}), which has no value in this file"
                )),
                Err(_) => {}
            },
            None if matters => unreadable.push(format!(
                "variable {name} comes from a Secret, a ConfigMap or a field, which a profile cannot name"
            )),
            None => {}
        }
    }
    if unreadable.is_empty() { Ok(variables) } else { Err(unreadable) }
}

/// The names that other variables of `container` refer to.
pub(super) fn referred(container: &Value) -> BTreeSet<String> {
    let variables = container.get("env").and_then(Value::as_array).into_iter().flatten();
    let texts = variables.filter_map(literal);
    let names = |text: String| {
        let parts = text.split("$(").skip(1).filter_map(|part| part.split_once(')'));
        parts.map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
    };
    texts.flat_map(names).collect()
}

/// The value where it is written down. Numbers and booleans are texts that
/// somebody forgot to quote.
fn literal(variable: &Value) -> Option<String> {
    match variable.get("value") {
        None | Some(Value::Null) => {
            variable.get("valueFrom").is_none_or(Value::is_null).then(String::new)
        }
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(Value::Bool(flag)) => Some(flag.to_string()),
        Some(_) => None,
    }
}

/// `$(NAME)` is replaced by the kubelet if an earlier variable has this name;
/// `$$` is one dollar.
///
/// # Errors
/// The name that has no value.
fn expanded(text: &str, earlier: &Variables) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) =
            after.strip_prefix('(').and_then(|inner| inner.split_once(')'))
        {
            let given = earlier.get(name).ok_or_else(|| name.to_owned())?;
            out.push_str(given);
            rest = after;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    Ok(out)
}
