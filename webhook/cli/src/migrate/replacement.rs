//! What is to be done at one site, checked by doing it: the pod that comes out
//! is put through the webhook's own decision and patch.

use std::collections::BTreeMap;

use contract::{DESTINATION_VARIABLES, Key, Settings, annotations::PREFIX, names::env};
use json_patch::Patch;
use serde_json::{Value, json};
use webhook::{
    decide::{Decision, Injection, decide},
    pod::Pod,
    review,
};

use super::{
    Migrated, OrReasons, changes::changes, plan::Plan, profile::configuration, report,
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
    let mut names: Vec<&str> = Vec::new();
    for Plan { name, .. } in plans {
        names.extend((!names.contains(&name.as_str())).then_some(name.as_str()));
    }
    let profile = names.join(",");
    let changes = changes(site, document, plans, &profile)?;
    taken(site, plans)?;
    let mut after = document.clone();
    let failed = |error: &dyn ToString| vec![error.to_string()];
    for patch in &changes {
        json_patch::patch(&mut after, patch).map_err(|error| failed(&error))?;
    }
    let mut pod = site.pod(at(&after, &site.path).unwrap_or(&Value::Null), &profile);
    let injection = injection(plans, &mut pod)?;
    compare(plans, &injection)?;
    let mut lost = Vec::new();
    for plan in plans {
        lost.extend(plan.files.lost.iter().cloned());
        if plan.source.program != Program::Native {
            lost.extend(report::lost(plan));
        }
    }
    let mut notes = report::notes(site, plans, &profile);
    notes.extend(injection.warnings);
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
    let is_of = |plan: &Plan<'_>, path| plan.writes(site).any(|(own, _)| own == path);
    let mut others =
        site.writes().filter(|(path, _)| !plans.iter().any(|plan| is_of(plan, path.clone())));
    match others.find_map(|(_, entry)| plans.iter().find(|plan| plan.is_written_by(entry))) {
        None => Ok(()),
        Some(plan) => Err(vec![format!(
            "another entry has {} already, for a sidecar that is not described here: migrate that first, or write a profile for {} as a further destination by hand",
            plan.url,
            plan.source.name()
        )]),
    }
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

/// Variables of the whole sidecar that an entry of Prometheus has, too.
const OF_NETWORK: [&str; 3] = [env::HTTPS_PROXY, env::NO_PROXY, env::SSL_CERT_FILE];

/// Whether the sidecar has all that each source had.
///
/// # Errors
/// What it cannot have.
fn compare(plans: &[Plan<'_>], injection: &Injection) -> OrReasons<()> {
    let trust = injection.effective.trust.as_ref();
    let trust = trust.map(|it| json!({"name": it.name.as_str(), "key": it.key.as_str()}));
    let mut reasons = Vec::new();
    for (index, plan) in plans.iter().enumerate() {
        let mut views = injection.effective.destinations();
        let Some(view) = views.find(|view| view.remote_write_url() == plan.url) else {
            reasons.push(format!("its sidecar would not listen at {}: remove the annotation {PREFIX}{}, and migrate again", plan.url, Key::ListeningPort.annotation()));
            continue;
        };
        let mut keys = plan.files.keys.iter();
        let has_trust =
            keys.any(|(key, it)| *key == "trustConfigMap" && Some(it) == trust.as_ref());
        let mut others = changed(&plan.settings, view.settings);
        // The rest is the sidecar's, and an entry of Prometheus has nothing of the kind.
        let is_native = index > 0 && plan.source.program == Program::Native;
        let is_about_the_way =
            |name| DESTINATION_VARIABLES.contains(&name) || OF_NETWORK.contains(&name);
        others.retain(|name| match *name {
            name if is_native && !is_about_the_way(name) => false,
            env::LISTENING_PORT => index == 0,
            env::SSL_CERT_FILE => !has_trust,
            env::AZURE_KUBERNETES_CA_FILE => !plan.files.has_cluster_authority,
            _ => true,
        });
        let names = others.join(", ");
        reasons.extend((!names.is_empty()).then(|| match index {
            0 => format!("a profile cannot have its {names}"),
            _ => format!("a sidecar has one {names} for all its destinations, and {} has another than the first: make them equal, and migrate again", plan.source.name()),
        }));
    }
    if reasons.is_empty() { Ok(()) } else { Err(reasons) }
}

/// The variables that would be others, apart from paths and the kind of container,
/// which the webhook chooses, and from the time to stop, which follows from the
/// pod's too.
fn changed(before: &Settings, after: &Settings) -> Vec<&'static str> {
    let files = [env::AZURE_CLIENT_CERTIFICATE_PATH, env::AZURE_FEDERATED_TOKEN_FILE];
    let rest = [env::NATIVE_SIDECAR, env::SHUTDOWN_TIMEOUT];
    let ours = |name: &str| files.contains(&name) || rest.contains(&name);
    let of = |settings: &Settings| settings.to_env().into_iter().collect::<BTreeMap<_, _>>();
    let (before, after) = (of(before), of(after));
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    names.copied().filter(|name| !ours(name) && before.get(name) != after.get(name)).collect()
}
