//! What a person is told about a site: what of a hand-written container nothing takes
//! the place of (what nobody thought of is lost, and so is named), and notes.

use contract::{
    annotations::{DEFAULT_PROFILE, INJECT, PROFILE},
    names::API_TOKEN_MOUNT_PATH,
};
use serde_json::Value;

use super::{auth_proxy, plan::Plan, source::Program, variables};
use crate::{
    identity_webhook::LABEL,
    workloads::{self, sites::Site},
};

/// Fields that the injected container has in its own way.
const OWN: &str = "name image resources imagePullPolicy livenessProbe readinessProbe startupProbe securityContext restartPolicy terminationMessagePath terminationMessagePolicy";

/// What is lost of a plan's source: the field, and why.
pub(super) fn lost(plan: &Plan<'_>) -> Vec<String> {
    let source = plan.source;
    let mut lost = plan.files.lost.clone();
    if source.program == Program::Native {
        return lost;
    }
    let fields = source.value.as_object().into_iter().flatten();
    for (field, value) in fields.filter(|(field, _)| !OWN.split(' ').any(|own| own == *field)) {
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        match field.as_str() {
            "env" => {
                let theirs = auth_proxy::NAMES.map(|(theirs, _)| theirs);
                let is_answered = |name: &str| variables::is_known(name) || theirs.contains(&name);
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
    let (port, number) = (plan.settings.listening_port.get(), &item["containerPort"]);
    let mut fields = item.as_object().into_iter().flatten().map(|(field, _)| field.as_str());
    let more = fields.find(|field| !["containerPort", "name", "protocol"].contains(field));
    let more = more.or((*number != port).then_some("such port"))?;
    Some(format!("ports, {number}: the injected container, with port {port}, has no {more}"))
}

/// About a site whose sources get `plans`, with these `profiles`.
pub(super) fn notes(site: &Site<'_>, plans: &[Plan<'_>], profiles: &str) -> Vec<String> {
    let mut notes = Vec::new();
    for plan in plans {
        let (port, url) = (plan.settings.listening_port, &plan.url);
        let same = plans.iter().filter(|other| other.url == *url);
        let written = same.filter(|other| other.writes(site).next().is_some()).count();
        match written {
            0 if site.form.is_pod => notes.push(format!(
                "the remote-write URL with port {port} is not in this object: set it to {url}"
            )),
            0 if plan.is_first => notes.push(format!("nothing here writes to the sidecar: add {url} to remoteWrite, unless an entry that is filled in later has it")),
            2.. if plan.is_first => notes.push(format!("{written} entries of remoteWrite have the URL {url} now: delete all but one, unless they differ in something else, because Prometheus does not start with equal ones")),
            _ => {}
        }
    }
    if site.form.annotations.is_empty() {
        let annotations = annotations(profiles);
        notes.push(format!(
            "the pod of this Prometheus is not in this object: annotate it with {annotations}"
        ));
    }
    notes.extend(site.object.and_then(workloads::made_by));
    if plans.iter().skip(1).any(|plan| plan.source.value.get("resources").is_some()) {
        notes.push("resources are those of the first: no others are added to them".to_owned());
    }
    for Plan { elsewhere, profile, .. } in plans {
        let open = profile.templates().join(", ");
        notes.extend((!open.is_empty()).then(|| format!("fill in the profile's {open}")));
        notes.extend((!elsewhere.is_empty()).then(|| format!("{} is not in this file: keep the label {LABEL}, so that azure-workload-identity's webhook provides it, or write it into the profile", elsewhere.join(" or "))));
    }
    notes
}

/// What the pod has to be annotated with.
pub(super) fn annotations(profile: &str) -> String {
    let inject = format!("{INJECT}: \"true\"");
    if profile == DEFAULT_PROFILE { inject } else { format!("{inject} and {PROFILE}: {profile}") }
}
