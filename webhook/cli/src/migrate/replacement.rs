//! What is to be done at one site, checked by doing it: the pod that comes out
//! is put through the webhook's own decision and patch.

use std::collections::BTreeMap;

use contract::{Quantity, Settings, names::env};
use json_patch::Patch;
use serde_json::Value;
use webhook::{
    config::Resources,
    decide::{Decision, decide},
    pod::Pod,
    review,
};

use super::{
    Migrated, OrReasons,
    changes::changes,
    files::{self, Files},
    placeholder,
    profile::{NewProfile, Profiles},
    report,
    source::{Program, Source},
};
use crate::{identity_webhook, tree::at, validate, workloads::sites::Site};

/// The settings of a source, and the profile that says them.
pub(super) struct Plan {
    pub(super) settings: Settings,
    pub(super) profile: NewProfile,
    /// The profile's name.
    pub(super) name: String,
    pub(super) files: Files,
    /// Variables that azure-workload-identity's webhook provides.
    pub(super) elsewhere: Vec<&'static str>,
}

impl Plan {
    /// Where Prometheus writes to.
    pub(super) fn url(&self) -> String {
        format!("http://localhost:{}{}", self.settings.listening_port, contract::names::WRITE_PATH)
    }
}

/// The profile that says what `source` says at `site`.
///
/// # Errors
/// Why there is none: one sentence each.
pub(super) fn plan(site: &Site<'_>, source: &Source, profiles: &Profiles) -> OrReasons<Plan> {
    let mut given = source.variables(site)?;
    let label = site.label(identity_webhook::LABEL);
    let elsewhere = identity_webhook::add(&mut given, label, site.account);
    let open: Vec<String> =
        given.iter().filter_map(|(name, text)| placeholder::unusable(name, text)).collect();
    if !open.is_empty() {
        return Err(open);
    }
    let lookup = |name: &str| given.get(name).map(|text| placeholder::usable(name, text));
    let settings = Settings::from_env(lookup)
        .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let certificate = given.get(env::AZURE_CLIENT_CERTIFICATE_PATH);
    let certificate = certificate.or_else(|| given.get(env::MDM_CERT_PATH));
    let mut files = files::of(site, &source.value, &settings, certificate)?;
    let (amounts, lost) = amounts(&source.value);
    files.lost.extend(lost);
    let more = files.keys.iter().cloned().chain(amounts).collect();
    let profile = NewProfile::new(&settings, &given, &elsewhere, more);
    let name = profiles.name_of(&profile, site)?;
    Ok(Plan { settings, profile, name, files, elsewhere })
}

/// The amounts that a profile can say, as keys, and those that it cannot. A request
/// that is not written is the limit, as Kubernetes has it; one above a limit that the
/// configuration would set is lost, since the pod would be denied.
fn amounts(container: &Value) -> (Vec<(&'static str, Value)>, Vec<String>) {
    let usual = Resources::default();
    let kinds = [
        ("cpu", "cpuRequest", "cpuLimit", usual.cpu_limit),
        ("memory", "memoryRequest", "memoryLimit", usual.memory_limit),
    ];
    let (mut keys, mut lost) = (Vec::new(), Vec::new());
    for (name, request_key, limit_key, usual) in kinds {
        let amount = |list| -> Option<Quantity> {
            let value = at(container, &["resources", list, name])?;
            value.as_str().map_or_else(|| value.to_string(), str::to_owned).parse().ok()
        };
        let limit = amount("limits");
        let request = amount("requests").or_else(|| limit.clone());
        let bound = limit.clone().or(usual).map(|bound| bound.thousandths());
        let fits = |request: &Quantity| bound.is_none_or(|bound| request.thousandths() <= bound);
        let both = [(request_key, request.filter(fits)), (limit_key, limit)];
        let both = both.into_iter().filter_map(|(key, amount)| Some((key, amount?)));
        keys.extend(both.map(|(key, amount)| (key, amount.as_str().into())));
    }
    for (list, suffix) in [("requests", "Request"), ("limits", "Limit")] {
        let amounts =
            at(container, &["resources", list]).and_then(Value::as_object).into_iter().flatten();
        let said = |name: &str| keys.iter().any(|(key, _)| *key == format!("{name}{suffix}"));
        lost.extend(amounts.filter(|(name, _)| !said(name)).map(|(name, amount)| {
            format!("resources.{list}.{name}: {amount}: no profile can say this amount")
        }));
    }
    (keys, lost)
}

/// What to do with `source` at `site` of `document`, added and then taken out, and what
/// comes of it.
///
/// # Errors
/// Why it has to stay as it is: one sentence each.
pub(super) fn replacement(
    site: &Site<'_>,
    document: &Value,
    source: &Source,
    plan: &Plan,
) -> Result<([Patch; 2], Migrated), Vec<String>> {
    let changes = changes(site, source, plan)?;
    let mut after = document.clone();
    let failed = |error: &dyn ToString| vec![error.to_string()];
    for patch in &changes {
        json_patch::patch(&mut after, patch).map_err(|error| failed(&error))?;
    }
    let mut pod = site.pod(at(&after, &site.path).unwrap_or(&Value::Null), &plan.name);
    let config = plan.profile.config(&plan.name)?;
    // Of a placeholder's cloud nothing is known.
    if !plan.profile.placeholders().contains(&"ingestionUrl")
        && let Some((_, contradiction)) = validate::contradictions(&config).pop()
    {
        return Err(vec![contradiction]);
    }
    let mut reviewed =
        if plan.elsewhere.is_empty() { pod.clone() } else { identity_webhook::provided(&pod) };
    let decision = decide(&config, Pod::new(&reviewed));
    let patch = review::patch_for(&decision, &mut reviewed).map_err(|error| failed(&error))?;
    let injection = match decision {
        Decision::Inject(injection) => injection,
        Decision::Deny(denial) => return Err(vec![denial.message]),
        Decision::Repair(_) => return Err(vec!["the webhook has been here".to_owned()]),
        Decision::Skip(skip) => {
            return Err(vec![format!("the webhook would skip it: {}", skip.reason)]);
        }
    };
    json_patch::patch(&mut pod, &patch.unwrap_or_default()).map_err(|error| failed(&error))?;
    let has_trust = injection.effective.trust.is_some();
    let others = changed(&plan.settings, &injection.effective.settings, has_trust);
    if !others.is_empty() {
        return Err(vec![format!("no profile can say what it has as {}", others.join(", "))]);
    }
    let mut lost = plan.files.lost.clone();
    if source.program != Program::Native {
        lost.extend(report::lost(source, plan));
    }
    let mut notes = report::notes(site, source, plan);
    notes.extend(injection.warnings);
    let yaml = |pod| plan.profile.as_written(&serde_saphyr::to_string(pod).unwrap_or_default());
    let pods = [site.pod(site.node, &plan.name), pod].each_ref().map(yaml);
    let (source, profile) = (source.name(), plan.name.clone());
    Ok((changes, Migrated { source, profile, notes, lost, pods }))
}

/// The variables that would be others, apart from paths and the kind of container,
/// which the webhook chooses, and from the time to stop, which follows from the
/// pod's too.
fn changed(before: &Settings, after: &Settings, has_trust: bool) -> Vec<&'static str> {
    let files = [env::AZURE_CLIENT_CERTIFICATE_PATH, env::AZURE_FEDERATED_TOKEN_FILE];
    let rest = [env::NATIVE_SIDECAR, env::SHUTDOWN_TIMEOUT];
    let is_roots = |name: &str| has_trust && name == env::SSL_CERT_FILE;
    let ours = |name: &str| files.contains(&name) || rest.contains(&name) || is_roots(name);
    let of = |settings: &Settings| settings.to_env().into_iter().collect::<BTreeMap<_, _>>();
    let (before, after) = (of(before), of(after));
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    names.copied().filter(|name| !ours(name) && before.get(name) != after.get(name)).collect()
}
