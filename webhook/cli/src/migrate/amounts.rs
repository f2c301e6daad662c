//! What the hand-written container may use, as keys of a profile.

use contract::Quantity;
use serde_json::Value;
use webhook::config::Resources;

use super::new_profile::NewProfile;

/// The amounts that a profile can say. A request that is not written is the
/// limit, as Kubernetes has it; one above a limit that the configuration would
/// set is left out, since the pod would be denied.
pub(super) fn keys(container: &Value) -> Vec<(&'static str, String)> {
    let usual = Resources::default();
    let mut keys = Vec::new();
    let kinds = [
        ("cpu", "cpuRequest", "cpuLimit", &usual.cpu_limit),
        ("memory", "memoryRequest", "memoryLimit", &usual.memory_limit),
    ];
    for (name, request_key, limit_key, usual_limit) in kinds {
        let limit = amount(container, "limits", name);
        let request = amount(container, "requests", name).or_else(|| limit.clone());
        let bound = limit.as_ref().or(usual_limit.as_ref());
        let fits = |request: &Quantity| {
            bound.is_none_or(|bound| request.thousandths() <= bound.thousandths())
        };
        if let Some(request) = request.filter(fits) {
            keys.push((request_key, request.to_string()));
        }
        keys.extend(limit.map(|limit| (limit_key, limit.to_string())));
    }
    keys
}

fn amount(container: &Value, list: &str, name: &str) -> Option<Quantity> {
    let amount = container.get("resources")?.get(list)?.get(name)?;
    let text = amount.as_str().map_or_else(|| amount.to_string(), str::to_owned);
    text.parse().ok()
}

/// The amounts in `resources` that `profile` does not have.
pub(super) fn lost(resources: &Value, profile: &NewProfile) -> Vec<String> {
    let mut lost = Vec::new();
    for (list, suffix) in [("requests", "Request"), ("limits", "Limit")] {
        let amounts = resources.get(list).and_then(Value::as_object).into_iter().flatten();
        let missing = amounts.filter(|(name, _)| !profile.has(&format!("{name}{suffix}")));
        lost.extend(missing.map(|(name, amount)| {
            format!("resources.{list}.{name}: {amount}: no profile can say this amount")
        }));
    }
    lost
}
