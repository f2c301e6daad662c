//! Pods that ask for a sidecar and have none, and pods with one that their author wrote.

use contract::annotations;
use webhook::{
    decide::{Decision, decide},
    pod::Pod,
};

use super::{Problem, ProblemKind, kind_of_denial};
use crate::status::facts::{FoundCluster, FoundPod, Standing, labels};

/// All of them; `first` is what to do before a pod is recreated.
pub(super) fn problems(cluster: &FoundCluster, first: &str) -> Vec<Problem> {
    let problem = |found: &FoundPod| match found.standing() {
        Standing::Injected(_) => None,
        Standing::HandWritten(name) => Some(hand_written(found, name)),
        Standing::Without => {
            let asks = found.pod().annotation(annotations::INJECT).unwrap_or_default();
            match annotations::parse_inject(asks) {
                Ok(inject) if !inject.asks => ignored(cluster, found),
                _ => Some(without(cluster, found, first)),
            }
        }
    };
    cluster.pods.iter().filter_map(problem).collect()
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

fn without(cluster: &FoundCluster, found: &FoundPod, first: &str) -> Problem {
    let pod = found.pod();
    let mut kind = ProblemKind::NoSidecar;
    let policy = cluster.policy(pod);
    let unselected_by = policy.and_then(|policy| cluster.unselected_by(policy, found));
    let is_by_policy = policy.is_some() && unselected_by.is_none();
    let unselected = match cluster.webhooks.as_slice() {
        [] => unselected_by,
        _ => cluster.unselected(found.namespace(), Some(labels(&found.raw))),
    };
    let is_unknown = cluster.hides_injectors && cluster.webhooks.is_empty() && policy.is_none();
    let (why, next) = match (unselected, denial(cluster, pod)) {
        _ if is_unknown => {
            let why = "why is not known, as webhooks or policies could not be read";
            (why.to_owned(), "make these readable, and look again".to_owned())
        }
        (Some(why), _) if !is_by_policy => {
            let next = "create it in a namespace and with labels that are selected (webhook.excludedNamespaces, webhook.namespaceSelector, webhook.objectSelector), or remove the annotation";
            (why, next.to_owned())
        }
        (None, Some((of_denial, reason))) => {
            kind = of_denial;
            let why = format!("today it would be denied: {reason}");
            (why, format!("{first}correct its annotations; then {}", again(found)))
        }
        (unselected, _) => {
            let asked_since = cluster.asked_since().filter(|_| unselected.is_none());
            let (why, then) = missed(cluster, found, asked_since);
            (why.to_owned(), format!("{first}{then}{}", again(found)))
        }
    };
    let message = format!("it is annotated for a sidecar and has none: {why}");
    Problem::new(kind, found.subject(), message, next)
}

/// Why a pod would be denied today, as far as that is known: what `inject` is to say is known
/// without a configuration.
fn denial(cluster: &FoundCluster, pod: Pod<'_>) -> Option<(ProblemKind, String)> {
    let kind = ProblemKind::NoSidecar;
    if let Some(file) = cluster.file() {
        return match decide(&file.config, pod) {
            Decision::Deny(denial) => Some((kind_of_denial(file, pod, kind), denial.message)),
            Decision::Inject(_) | Decision::Skip(_) | Decision::Repair(_) => None,
        };
    }
    if cluster.webhooks.is_empty() && !cluster.has_policies() {
        return None;
    }
    let asks = pod.annotation(annotations::INJECT).unwrap_or_default();
    let error = annotations::parse_inject(asks).err()?.at(annotations::INJECT, asks);
    Some((kind, error.to_string()))
}

/// Why a pod has no sidecar that it would get today, and what to do before it is
/// recreated, where the webhook is `asked_since` then.
fn missed(
    cluster: &FoundCluster,
    found: &FoundPod,
    asked_since: Option<i64>,
) -> (&'static str, &'static str) {
    match asked_since {
        Some(since) if found.created() < since => ("it is older than the webhook", ""),
        Some(_) => (
            "it was created while no webhook answered, or the webhook did not select it or its namespace then",
            "",
        ),
        None if cluster.policy(found.pod()).is_some() => {
            ("it is older than the policy of its profile, or was annotated later", "")
        }
        None if cluster.has_policies() => (
            "no policy injects its profile, or its binding or ConfigMap is missing",
            "apply all objects of `kubectl prom-remotewrite policy`; then ",
        ),
        None => ("there is no webhook", ""),
    }
}

/// How a pod is recreated.
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
