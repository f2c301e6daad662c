//! What is to be done at one site, checked by doing it: the pod that comes out
//! is put through the webhook's own decision and patch.

use std::collections::BTreeSet;

use contract::{DESTINATION_VARIABLES, Key, Settings, annotations::PREFIX, names::env};
use json_patch::Patch;
use serde_json::Value;
use webhook::{
    decide::{Decision, Injection, decide},
    pod::Pod,
    review,
};

use super::{
    Migrated, OrReasons, changes::changes, losses, new_profiles::configuration, plan::Plan,
    source::Program,
};
use crate::{identity_webhook, tree::at, workloads::sites::Site};

/// What to do with the sources of `plans` at `site` of `document`, added and then taken
/// out, and what comes of it.
///
/// # Errors
/// Why they have to stay as they are: one sentence each.
pub(super) fn replacement(
    site: &Site<'_>,
    document: &Value,
    plans: &[Plan<'_>],
) -> OrReasons<([Patch; 2], Migrated)> {
    let different = plans.iter().filter(|plan| plan.is_first);
    let names: Vec<&str> = different.map(|plan| plan.name.as_str()).collect();
    let profile = names.join(",");
    let changes = changes(site, document, plans, &profile)?;
    taken(site, plans)?;
    let mut after = document.clone();
    for patch in &changes {
        json_patch::patch(&mut after, patch).map_err(|error| vec![error.to_string()])?;
    }
    let mut pod = site.pod(at(&after, &site.path).unwrap_or(&Value::Null), &profile);
    let injection = injection(plans, &mut pod)?;
    compare(plans, &injection)?;
    let lost = plans.iter().flat_map(losses::lost).collect();
    let mut notes = losses::notes(site, plans, &profile);
    // The profile has the key, and no one writes the sidecar's variable.
    let warnings = injection.warnings.iter();
    notes.extend(warnings.map(|text| text.replace(env::CLOUD, "the profile's cloud")));
    let yaml = |pod| serde_saphyr::to_string(pod).unwrap_or_default();
    let pods = [site.pod(site.node, &profile), pod].each_ref().map(yaml);
    let sources: Vec<String> = plans.iter().map(|plan| plan.source.name()).collect();
    let source = sources.join(" and ");
    Ok((changes, Migrated { source, profile, notes, lost, pods }))
}

/// Whether Prometheus writes already where the sidecar of `plans` is to listen: what
/// is sent there now goes elsewhere.
///
/// # Errors
/// Where it does.
fn taken(site: &Site<'_>, plans: &[Plan<'_>]) -> OrReasons<()> {
    let own: Vec<_> = plans.iter().flat_map(|plan| plan.writes(site)).collect();
    let mut others = site.writes().filter(|entry| !own.contains(entry));
    let taken = others.find_map(|(_, entry)| plans.iter().find(|plan| plan.is_written_by(entry)));
    taken.map_or(Ok(()), |Plan { url, source, .. }| {
        let source = source.name();
        Err(vec![format!("another entry has {url} already, for a sidecar that is not described here: migrate that first, or write a profile for {source} as a further destination by hand")])
    })
}

/// What the webhook decides about `pod`, and does to it.
fn injection(plans: &[Plan<'_>], pod: &mut Value) -> OrReasons<Injection> {
    let failed = |error: &dyn ToString| vec![error.to_string()];
    let config = configuration(plans.iter().map(|plan| (plan.name.as_str(), &plan.profile)))?;
    let is_provided = plans.iter().any(|plan| !plan.elsewhere.is_empty());
    let mut reviewed = if is_provided { identity_webhook::provided(pod) } else { pod.clone() };
    let decision = decide(&config, Pod::new(&reviewed));
    let patch = review::patch_for(&decision, &mut reviewed).map_err(|error| failed(&error))?;
    json_patch::patch(pod, &patch.unwrap_or_default()).map_err(|error| failed(&error))?;
    match decision {
        Decision::Inject(injection) => Ok(*injection),
        Decision::Deny(denial) => Err(vec![denial.message]),
        Decision::Repair(_) => Err(vec!["the webhook has been here".to_owned()]),
        Decision::Skip(skip) => Err(vec![format!("the webhook would skip it: {}", skip.reason)]),
    }
}

/// Whether the sidecar has all that each source had.
///
/// # Errors
/// What it cannot have.
fn compare(plans: &[Plan<'_>], injection: &Injection) -> OrReasons<()> {
    let mut reasons = Vec::new();
    for (index, plan) in plans.iter().enumerate() {
        let mut views = injection.effective.destinations();
        let Some(view) = views.find(|view| view.remote_write_url() == plan.url) else {
            reasons.push(format!("its sidecar would not listen at {}: remove the annotation {PREFIX}{}, and migrate again", plan.url, Key::ListeningPort.annotation()));
            continue;
        };
        let first = plans.first().filter(|_| index > 0);
        let names = others(plan, view.settings, first).join(", ");
        reasons.extend((!names.is_empty()).then(|| match first {
            None => format!("a profile cannot have its {names}: where the sidecar can do without, remove it, and migrate again; roots can be in a ConfigMap, which trustConfigMap in the profile names"),
            Some(_) => format!("a sidecar has one {names} for all its destinations, and {} has another than the first: make them equal, and migrate again", plan.source.name()),
        }));
    }
    if reasons.is_empty() { Ok(()) } else { Err(reasons) }
}

/// The variables that are others `after` than `plan` says, whose source may be a further
/// one beside the `first`.
fn others(plan: &Plan<'_>, after: &Settings, first: Option<&Plan<'_>>) -> Vec<&'static str> {
    let trust = |plan: &Plan<'_>| {
        let mut keys = plan.files.keys.iter();
        keys.find(|(key, _)| *key == "trustConfigMap").cloned()
    };
    let has_trust =
        trust(plan).is_some_and(|it| first.is_none_or(|first| trust(first) == Some(it)));
    let is_prometheus = first.is_some() && plan.source.program == Program::Native;
    let of = |settings: &Settings| settings.to_env().into_iter().collect::<BTreeSet<_>>();
    let (before, after) = (of(&plan.settings), of(after));
    let names: BTreeSet<_> = before.symmetric_difference(&after).map(|(name, _)| *name).collect();
    let others = names.into_iter().filter(|name| match *name {
        // Paths and the kind of container are the webhook's to choose, and the time to stop
        // follows from the pod's too.
        env::AZURE_CLIENT_CERTIFICATE_PATH
        | env::AZURE_FEDERATED_TOKEN_FILE
        | env::NATIVE_SIDECAR
        | env::SHUTDOWN_TIMEOUT => false,
        env::LISTENING_PORT => first.is_none(),
        env::SSL_CERT_FILE => !has_trust,
        env::AZURE_KUBERNETES_CA_FILE => !plan.files.has_cluster_authority,
        env::HTTPS_PROXY | env::NO_PROXY => true,
        // The rest is the sidecar's, and an entry of Prometheus has nothing of the kind.
        name => !is_prometheus || DESTINATION_VARIABLES.contains(&name),
    });
    others.collect()
}
