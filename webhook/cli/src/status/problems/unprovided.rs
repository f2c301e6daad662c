//! Pods that ask for a sidecar and have none or are not there at all, and pods with one
//! that their author wrote.

use contract::annotations;
use serde_json::Value;
use webhook::{
    decide::{Decision, decide},
    pod::Pod,
};

use super::{Problem, ProblemKind, kind_of_denial};
use crate::{
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
    let next = "correct what it names; its controller then retries";
    Some(Problem::new(ProblemKind::Denied, workload.subject, message, next))
}

fn hand_written(found: &FoundPod, container: &str) -> Problem {
    let asks = found.pod().annotation(annotations::INJECT).is_some();
    let annotated = if asks { ", so its prom-remotewrite/ annotations have no effect" } else { "" };
    Problem::new(
        ProblemKind::HandWritten,
        found.subject(),
        format!("container {container:?} is a sidecar that was written by hand{annotated}"),
        "replace it with the annotation: `kubectl prom-remotewrite migrate -f FILE`, where FILE is the manifest of the pod",
    )
}

/// What to do where the webhook is not asked.
const ELSEWHERE: &str = "create it in a namespace and with labels that the webhook selects (webhook.excludedNamespaces, webhook.namespaceSelector, webhook.objectSelector), or remove the annotation";

fn without(cluster: &FoundCluster, found: &FoundPod) -> Option<Problem> {
    let pod = found.pod();
    let asks = annotations::parse_inject(pod.annotation(annotations::INJECT).unwrap_or_default());
    if asks.is_ok_and(|inject| !inject.asks) {
        return ignored(cluster, found);
    }
    let unselected = cluster.unselected(found.namespace(), Some(&found.labels()));
    let by_policy = unselected.is_some() && cluster.parameters(pod).is_some();
    let decision = cluster.file().map(|file| decide(&file.config, pod)).filter(|_| !by_policy);
    let (kind, why, next) = match (unselected.filter(|_| !by_policy), decision) {
        (Some(why), _) => (ProblemKind::NoSidecar, why, ELSEWHERE.to_owned()),
        (None, Some(Decision::Deny(denial))) => {
            let kind = kind_of_denial(cluster.file()?, pod, ProblemKind::NoSidecar);
            let why = format!("today it would be denied: {}", denial.message);
            (kind, why, format!("correct its annotations; then {}", again(found)))
        }
        (None, Some(Decision::Skip(skip))) => {
            (ProblemKind::NoSidecar, skip.reason.to_string(), ELSEWHERE.to_owned())
        }
        _ => {
            let (why, first) = match cluster.asked_since().filter(|_| !by_policy) {
                Some(since) if found.created() < since => ("it is older than the webhook", ""),
                Some(_) => {
                    let why = "it was created while no webhook answered, or the webhook did not select it or its namespace then";
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
    let message = format!("it is annotated for a sidecar and has none: {why}");
    Some(Problem::new(kind, found.subject(), message, next))
}

/// How a pod is made anew.
fn again(found: &FoundPod) -> String {
    let command = format!("`kubectl delete pod -n {} {}`", found.namespace(), found.name());
    match found.pod().owner() {
        Some(_) => format!("{command}: its controller creates another"),
        None => format!("{command}, and create it again: no controller does"),
    }
}

/// Annotations of ours in a pod that does not ask.
fn ignored(cluster: &FoundCluster, found: &FoundPod) -> Option<Problem> {
    if found.pod().annotation(annotations::INJECT).is_some() {
        return None;
    }
    let warnings = decide(&cluster.file()?.config, found.pod()).warnings().join("; ");
    (!warnings.is_empty()).then(|| {
        let next = "correct the annotations in the pod template, or remove them";
        Problem::new(ProblemKind::IgnoredAnnotations, found.subject(), warnings, next)
    })
}
