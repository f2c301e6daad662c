//! Pods that ask for a sidecar and have none or are not there at all, and pods with one
//! that their author wrote.

use contract::annotations;
use serde_json::Value;
use webhook::{
    decide::{Decision, Skip, SkipReason, decide},
    pod::Pod,
};

use super::{Problem, ProblemKind, kind_of_denial};
use crate::{
    manifests,
    status::facts::{FoundCluster, FoundPod, Standing},
    workloads::workloads,
};

pub(super) fn problems(cluster: &FoundCluster) -> Vec<Problem> {
    let pods = cluster.pods.iter().filter_map(|found| match found.standing() {
        Standing::Injected(_) => None,
        Standing::HandWritten(name) => Some(hand_written(found, name)),
        Standing::Without => without(cluster, found),
    });
    pods.chain(cluster.objects.iter().filter_map(|object| not_created(cluster, object))).collect()
}

/// A workload whose pods are not there, for a reason that is not theirs: the webhook
/// does not answer or is not trusted, a quota, Pod Security.
fn not_created(cluster: &FoundCluster, object: &Value) -> Option<Problem> {
    let count = |path| object.pointer(path).and_then(Value::as_u64);
    let wanted = count("/spec/replicas").or_else(|| count("/status/desiredNumberScheduled"))?;
    let created = count("/status/replicas").or_else(|| count("/status/currentNumberScheduled"));
    let created = created.unwrap_or(0);
    let workload = workloads(object).into_iter().next()?;
    let pod = Pod::new(&workload.pod);
    let asks = annotations::parse_inject(pod.annotation(annotations::INJECT)?).ok()?.asks;
    let decision = cluster.file().map(|file| decide(&file.config, pod));
    if created >= wanted || !asks || matches!(decision, Some(Decision::Deny(_))) {
        return None;
    }
    let (_, why) = cluster.refusals.iter().rev().find(|(who, _)| *who == workload.subject)?;
    let message = format!("{created} of {wanted} pods are created: {why}");
    let next = "correct what it names; its controller then tries again by itself";
    Some(Problem::new(ProblemKind::Denied, workload.subject, message, next))
}

fn hand_written(found: &FoundPod, container: &str) -> Problem {
    let asks = found.pod().annotation(annotations::INJECT).is_some();
    let annotated = if asks { ", so its prom-remotewrite/ annotations have no effect" } else { "" };
    Problem::new(
        ProblemKind::HandWritten,
        found.subject(),
        format!("container {container:?} is a sidecar that was written by hand{annotated}"),
        "take it out with `kubectl prom-remotewrite migrate -f FILE`, where FILE is what the pod is made of",
    )
}

fn without(cluster: &FoundCluster, found: &FoundPod) -> Option<Problem> {
    let pod = found.pod();
    let asks = annotations::parse_inject(pod.annotation(annotations::INJECT).unwrap_or_default());
    if asks.is_ok_and(|inject| !inject.asks) {
        return ignored(cluster, found);
    }
    let decision = cluster
        .file()
        .map(|file| manifests::reviewed(file, Some(found.namespace()), decide(&file.config, pod)));
    let is_excluded = matches!(
        &decision,
        Some(Decision::Skip(skip)) if skip.reason == SkipReason::ExcludedNamespace
    );
    let by_policy = is_excluded && cluster.parameters(pod).is_some();
    let (kind, why, next) = match decision {
        Some(Decision::Deny(denial)) => {
            let kind = kind_of_denial(cluster.file()?, pod, ProblemKind::NoSidecar);
            let why = format!("today it would be denied: {}", denial.message);
            (kind, why, format!("correct its annotations; then {}", again(found)))
        }
        Some(Decision::Skip(Skip { reason, .. })) if !by_policy => {
            let next = "run it where the webhook is asked (webhook.excludedNamespaces, webhook.namespaceSelector), or remove the annotation";
            (ProblemKind::NoSidecar, reason.to_string(), next.to_owned())
        }
        _ => {
            let (why, first) = match cluster.asked_since().filter(|_| !by_policy) {
                Some(since) if found.created() < since => ("it is older than the webhook", ""),
                Some(_) => {
                    let why = "it was created while the webhook was away, or annotated later, or a selector of the webhook does not match its labels or those of its namespace";
                    (why, "")
                }
                None if cluster.parameters(pod).is_some() => {
                    ("it is older than the policy of its profile, or was annotated later", "")
                }
                None if !cluster.policies.is_empty() => {
                    ("no policy injects its profile", "name a profile that has one; then ")
                }
                None => ("there is no webhook", "`helm upgrade --install`; then "),
            };
            (ProblemKind::NoSidecar, why.to_owned(), format!("{first}{}", again(found)))
        }
    };
    let message = format!("it asks for a sidecar and has none: {why}");
    Some(Problem::new(kind, found.subject(), message, next))
}

/// How a pod is made anew.
fn again(found: &FoundPod) -> String {
    let command = format!("`kubectl delete pod -n {} {}`", found.namespace(), found.name());
    match found.pod().owner() {
        Some(_) => format!("{command}: its controller creates another"),
        None => format!("{command}, and create it anew: no controller does"),
    }
}

/// Annotations of ours in a pod that does not ask.
fn ignored(cluster: &FoundCluster, found: &FoundPod) -> Option<Problem> {
    if found.pod().annotation(annotations::INJECT).is_some() {
        return None;
    }
    let warnings = decide(&cluster.file()?.config, found.pod()).warnings().join("; ");
    (!warnings.is_empty()).then(|| {
        let next = "correct the annotations where the pod is made, or remove them";
        Problem::new(ProblemKind::IgnoredAnnotations, found.subject(), warnings, next)
    })
}
