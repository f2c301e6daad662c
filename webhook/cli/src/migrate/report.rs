//! What a person is told about a site: what of a hand-written container nothing takes
//! the place of (what nobody thought of is lost, and so is named), and notes.

use contract::{
    annotations::{DEFAULT_PROFILE, INJECT, PROFILE},
    names::{
        API_TOKEN_MOUNT_PATH,
        env::{AZURE_CLIENT_ID, AZURE_KUBERNETES_TOKEN_PROXY, AZURE_TENANT_ID},
    },
};
use serde_json::Value;

use super::{auth_proxy, placeholder, plan::Plan, source::Program, variables};
use crate::{
    identity_webhook::LABEL,
    workloads::{self, sites::Site},
};

/// Fields that the injected container has in its own way.
const OWN: &str = "name image resources imagePullPolicy livenessProbe readinessProbe startupProbe securityContext restartPolicy terminationMessagePath terminationMessagePolicy";

/// What is lost of a plan's source: the field, and why.
pub(super) fn lost(plan: &Plan<'_>) -> Vec<String> {
    let source = plan.source;
    let fields = source.value.as_object().into_iter().flatten();
    let mut lost = Vec::new();
    for (field, value) in fields.filter(|(field, _)| !OWN.split(' ').any(|own| own == *field)) {
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        match field.as_str() {
            "env" => {
                let is_theirs = |name: &str| {
                    source.program == Program::AuthProxy
                        && auth_proxy::NAMES.iter().any(|(theirs, _)| *theirs == name)
                };
                let is_answered = |name: &str| variables::is_known(name) || is_theirs(name);
                lost.extend(variables::lost(&source.value, is_answered));
            }
            "volumeMounts" => lost.extend(items.iter().filter_map(|mount| {
                let path = mount.get("mountPath")?.as_str()?;
                let is_made = plan.files.mounts.iter().any(|made| made == path);
                (!is_made && path != API_TOKEN_MOUNT_PATH)
                    .then(|| format!("volumeMounts, {path}: no profile can mount it"))
            })),
            "ports" => lost.extend(items.iter().filter_map(|item| other_port(item, plan))),
            _ if is_nothing(value) => {}
            _ => lost.push(format!("{field}: the injected container has no such field")),
        }
    }
    lost
}

/// What Kubernetes and Prometheus treat as absent.
pub(super) fn is_nothing(value: &Value) -> bool {
    ["null", "false", "{}", "[]", "\"\""].contains(&value.to_string().as_str())
}

/// Another port, or one that is more than a port.
fn other_port(item: &Value, plan: &Plan<'_>) -> Option<String> {
    let port = plan.settings.listening_port.get();
    let number = &item["containerPort"];
    if *number != port {
        return Some(format!("ports, {number}: the sidecar listens on {port}"));
    }
    let mut fields = item.as_object().into_iter().flatten().map(|(field, _)| field.as_str());
    let more = fields.find(|field| !["containerPort", "name", "protocol"].contains(field))?;
    Some(format!("ports, {number}: the injected container's has no {more}"))
}

/// About a site whose sources get `plans`, with these `profiles`.
pub(super) fn notes(site: &Site<'_>, plans: &[Plan<'_>], profiles: &str) -> Vec<String> {
    let mut notes = Vec::new();
    for (index, plan) in plans.iter().enumerate() {
        let url = &plan.url;
        let mut before = plans.iter().take(index);
        if plan.writes(site).next().is_some() && before.any(|other| other.url == *url) {
            notes.push(format!("two entries of remoteWrite have the URL {url} now: delete one, unless they differ in something else, because Prometheus does not start with two equal ones"));
        }
        notes.extend(unwritten(site, plan, plans));
    }
    if site.form.annotations.is_empty() {
        let annotations = annotations(profiles);
        notes.push(format!(
            "the pod of this Prometheus is not in this object: annotate it with {annotations}"
        ));
    }
    notes.extend(site.object.and_then(workloads::made_by));
    if let Some(further) =
        plans.iter().skip(1).find(|it| it.source.value.get("resources").is_some())
    {
        notes.push(format!(
            "resources are those of the first: those of {} are not added to them",
            further.source.name()
        ));
    }
    let key = |name: &&str| match *name {
        AZURE_CLIENT_ID => "clientId",
        AZURE_TENANT_ID => "tenantId",
        AZURE_KUBERNETES_TOKEN_PROXY => "tokenProxy",
        _ => "tokenProxySniName",
    };
    for plan in plans {
        let missing: Vec<&str> = plan.elsewhere.iter().map(key).collect();
        if !missing.is_empty() {
            notes.push(format!("{} is not in this file: keep the label {LABEL}, so that azure-workload-identity's webhook provides it, or write it into the profile", missing.join(" or ")));
        }
        let open = plan.profile.placeholders();
        if !open.is_empty() {
            notes.push(format!("fill in the profile's {}", open.join(", ")));
        }
    }
    notes
}

/// What has to write to the sidecar, where this object does not say so.
fn unwritten(site: &Site<'_>, plan: &Plan<'_>, plans: &[Plan<'_>]) -> Option<String> {
    let (port, url) = (plan.settings.listening_port, &plan.url);
    let now = format!(" (now http://localhost:{port})");
    let now = if plan.is_moved() { now.as_str() } else { "" };
    if site.form.is_pod {
        return Some(format!("the remote-write URL{now} is not in this object: set it to {url}"));
    }
    let mut same = plans.iter().filter(|other| other.url == *url);
    if same.any(|plan| plan.writes(site).next().is_some()) {
        return None;
    }
    let mut urls = site.writes().filter_map(|(_, entry)| entry.get("url").and_then(Value::as_str));
    if urls.any(placeholder::is_in) {
        return Some(format!(
            "some URLs of remoteWrite are filled in later: let one of them be {url}"
        ));
    }
    Some(format!("nothing here writes to the sidecar: add {url} to remoteWrite"))
}

/// What the pod has to be annotated with.
pub(super) fn annotations(profile: &str) -> String {
    let inject = format!("{INJECT}: \"true\"");
    if profile == DEFAULT_PROFILE { inject } else { format!("{inject} and {PROFILE}: {profile}") }
}
