//! The pod that the webhook makes of the result, and whether its sidecar is set
//! as the one before.

use contract::{Identity, Settings, names};
use serde_json::{Value, json};
use webhook::{
    VERSION,
    config::{CHARTS_IMAGE, Config},
    decide::{Decision, Injection, decide},
    effective::Effective,
    pod::Pod,
    review,
};

use super::new_profile::NewProfile;

/// The client and the tenant that azure-workload-identity's webhook knows and a
/// file may not.
pub(super) const SOMEBODY: &str = "00000000-0000-0000-0000-000000000000";
/// The token that it provides.
pub(super) const TOKEN: &str = "/var/run/secrets/azure/tokens/azure-identity-token";

/// A configuration with this one profile, as the chart would render it.
///
/// # Errors
/// What no profile can be: one sentence each.
pub(super) fn config(name: &str, profile: &NewProfile) -> Result<Config, Vec<String>> {
    let name = Value::from(name);
    let lines = profile.usable(4);
    let text = format!("image: {CHARTS_IMAGE}:{VERSION}\nprofiles:\n  {name}:\n{lines}");
    Config::parse(&text).map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
}

/// What the webhook makes of `pod`, which it gets as `reviewed`.
///
/// # Errors
/// Why it would make nothing of it.
pub(super) fn injected(
    config: &Config,
    pod: &Value,
    reviewed: &Value,
) -> Result<(Box<Injection>, Value), Vec<String>> {
    let decision = decide(config, Pod::new(reviewed));
    let patch = review::patch_for(&decision, &mut reviewed.clone());
    let injection = match decision {
        Decision::Inject(injection) => injection,
        Decision::Deny(denial) => return Err(vec![denial.message]),
        Decision::Repair(_) => {
            return Err(vec!["the webhook has been here".to_owned()]);
        }
        Decision::Skip(skip) => {
            return Err(vec![format!("the webhook would skip it: {}", skip.reason)]);
        }
    };
    let mut patched = pod.clone();
    let patch = patch.map_err(|error| vec![error.to_string()])?.unwrap_or_default();
    json_patch::patch(&mut patched, &patch).map_err(|error| vec![error.to_string()])?;
    Ok((injection, patched))
}

/// What azure-workload-identity's webhook will have written when ours is asked:
/// it is asked first, and only for pods with its label.
pub(super) fn with_azures_webhook(pod: &Value) -> Value {
    use names::env::{AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE, AZURE_TENANT_ID};
    let mut pod = pod.clone();
    let containers = pod.pointer_mut("/spec/containers").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten().take(1) {
        let Some(container) = container.as_object_mut() else { continue };
        let environment = container.entry("env").or_insert_with(|| json!([]));
        if let Some(environment) = environment.as_array_mut() {
            let variables = [
                (AZURE_CLIENT_ID, SOMEBODY),
                (AZURE_TENANT_ID, SOMEBODY),
                (AZURE_FEDERATED_TOKEN_FILE, TOKEN),
            ];
            for (name, value) in variables {
                environment.push(json!({"name": name, "value": value}));
            }
        }
    }
    pod
}

/// The variables that would be others, apart from paths and the kind of container,
/// which the webhook chooses, and from the time to stop, which follows from the
/// pod's.
pub(super) fn changed_settings(before: &Settings, after: &Effective) -> Vec<String> {
    let alike = |settings: &Settings| {
        let mut settings = settings.clone();
        match &mut settings.identity {
            Identity::AadApplication { certificate, .. } => certificate.path = "/".into(),
            Identity::WorkloadIdentity { token_file, .. } => *token_file = "/".into(),
            Identity::UserAssigned { .. } | Identity::SystemAssigned => {}
        }
        if after.trust.is_some() {
            settings.trusted_roots_file = None;
        }
        settings.native_sidecar = false;
        let shorter = settings.limits.shutdown_timeout.min(after.settings.limits.shutdown_timeout);
        settings.limits.shutdown_timeout = shorter;
        settings.to_env()
    };
    let (before, after) = (alike(before), alike(&after.settings));
    let lost = before.iter().filter(|pair| !after.contains(pair));
    let new = after.iter().filter(|(name, _)| !before.iter().any(|(other, _)| other == name));
    lost.chain(new).map(|(name, _)| (*name).to_owned()).collect()
}
