//! Workloads and Prometheus objects: annotations that reach no pod, pods that would
//! be denied, and a remote write that reaches no sidecar.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use webhook::{
    config::ConfigFile,
    decide::{Decision, Injection, SkipReason, decide},
    pod::Pod,
};

use super::{Problem, ProblemKind, unknown_profile};
use crate::{
    loopback,
    manifests::{self, unreached},
    status::facts::{FoundCluster, text},
    workloads::{OPERATORS, Workload, workloads},
};

pub(super) fn problems(cluster: &FoundCluster) -> Vec<Problem> {
    // A StatefulSet that a controller made is corrected where the controller reads.
    let is_own = |object: &Value, workload: &Workload<'_>| {
        workload.writes.is_some() || Pod::new(object).owner().is_none()
    };
    let objects = cluster.objects.iter().flat_map(|object| {
        workloads(object).into_iter().filter(move |workload| is_own(object, workload))
    });
    objects.flat_map(|workload| of(cluster.file(), &workload)).collect()
}

fn of(file: Option<&ConfigFile>, workload: &Workload<'_>) -> Vec<Problem> {
    let subject = workload.subject.clone();
    let misplaced = workload.hints.iter().filter(|hint| *hint != OPERATORS);
    let mut problems: Vec<Problem> = misplaced
        .map(|hint| split(ProblemKind::IgnoredAnnotations, subject.clone(), hint))
        .collect();
    let Some(file) = file else { return problems };
    let pod = Pod::new(&workload.pod);
    let decision =
        manifests::reviewed(file, workload.namespace.as_deref(), decide(&file.config, pod));
    match &decision {
        Decision::Deny(denial) => {
            let unknown = unknown_profile(file, pod).is_some();
            let kind = if unknown { ProblemKind::UnknownProfile } else { ProblemKind::Denied };
            let message = format!("its pods are denied: {}", denial.message);
            problems.push(Problem::new(
                kind,
                subject,
                message,
                "correct its annotations, or the profile in the chart's values",
            ));
        }
        Decision::Inject(injection) => {
            let unreached = unreached(workload, injection).into_iter();
            let problem = |hint: String| split(ProblemKind::RemoteWrite, subject.clone(), &hint);
            problems.extend(unreached.map(problem));
        }
        Decision::Skip(skip) if skip.reason == SkipReason::NotAskedFor => {
            problems.extend(nobody_listens(workload, pod));
        }
        Decision::Skip(_) | Decision::Repair(_) => {}
    }
    problems
}

/// A hint says what is wrong, and then what to do.
fn split(kind: ProblemKind, subject: String, hint: &str) -> Problem {
    let (message, next) = hint.split_once(": ").unwrap_or((hint, "correct it"));
    Problem::new(kind, subject, message, next)
}

/// A Prometheus that writes to a sidecar that it does not ask for. Containers of its
/// own may be what it writes to.
fn nobody_listens(workload: &Workload<'_>, pod: Pod<'_>) -> Option<Problem> {
    const OPERATORS_OWN: [&str; 2] = ["prometheus", "config-reloader"];
    if pod.containers().any(|container| !OPERATORS_OWN.contains(&container.name())) {
        return None;
    }
    let mut written = workload.writes.iter().flatten();
    let url = written.find(|url| loopback::parse(url).is_some())?;
    Some(Problem::new(
        ProblemKind::RemoteWrite,
        &workload.subject,
        format!("it writes to {url}, and its pods ask for no sidecar"),
        "add prom-remotewrite/inject: \"true\" to spec.podMetadata.annotations",
    ))
}

/// A Prometheus object in front of a workspace.
struct Writer<'a> {
    context: Option<&'a str>,
    subject: String,
    /// Whether the operator's own label tells it from the others of its cluster.
    is_labelled: bool,
}

/// Prometheus with the same external label `cluster` in front of the same ingestion
/// URL: by that label nobody can tell where a series comes from.
pub(super) fn same_labels(clusters: &[FoundCluster]) -> Vec<Problem> {
    let mut groups: BTreeMap<(String, &str), Vec<Writer<'_>>> = BTreeMap::new();
    for cluster in clusters {
        let Some(file) = cluster.file() else { continue };
        for object in &cluster.objects {
            let label = text(object, "/spec/externalLabels/cluster");
            for workload in workloads(object).into_iter().filter(|one| one.writes.is_some()) {
                let decision = decide(&file.config, Pod::new(&workload.pod));
                let Decision::Inject(injection) = decision else { continue };
                for url in urls(&injection) {
                    groups.entry((url, label)).or_default().push(Writer {
                        context: cluster.context.as_deref(),
                        subject: workload.subject.clone(),
                        is_labelled: is_labelled(object),
                    });
                }
            }
        }
    }
    groups.iter().filter_map(|((_, label), writers)| shared(label, writers)).collect()
}

/// Where its sidecar writes to: two destinations in front of one workspace are one.
fn urls(injection: &Injection) -> BTreeSet<String> {
    let destinations = injection.effective.destinations();
    destinations.map(|destination| destination.settings.ingestion_url.to_string()).collect()
}

/// Unless told otherwise, prometheus-operator adds a label with namespace and name.
fn is_labelled(object: &Value) -> bool {
    object.pointer("/spec/prometheusExternalLabelName").is_none_or(|name| name != "")
}

fn shared(label: &str, writers: &[Writer<'_>]) -> Option<Problem> {
    let [first, others @ ..] = writers else { return None };
    let is_one_cluster = others.iter().all(|other| other.context == first.context);
    // A single cluster needs no such label.
    if others.is_empty() || (is_one_cluster && label.is_empty()) {
        return None;
    }
    let name = |writer: &Writer<'_>| match writer.context {
        Some(context) => format!("{} of {context}", writer.subject),
        None => writer.subject.clone(),
    };
    let all: Vec<String> = others.iter().map(name).collect();
    let label = if label.is_empty() { "no".to_owned() } else { format!("the same ({label:?})") };
    let problem = Problem::new(
        ProblemKind::SameClusterLabel,
        name(first),
        format!(
            "it has {label} external label cluster, and so has {}, and all write to one workspace",
            all.join(", ")
        ),
        "set spec.externalLabels.cluster to another value, unless both are in one cluster",
    );
    let is_told_apart = is_one_cluster && writers.iter().all(|writer| writer.is_labelled);
    Some(if is_told_apart { problem.note() } else { problem })
}
