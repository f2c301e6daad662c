//! Workloads and Prometheus objects: annotations that reach no pod, pods that would
//! be denied, and a remote write that reaches no sidecar.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use webhook::{
    decide::{Decision, Injection, SkipReason, decide},
    pod::Pod,
};

use super::{Problem, ProblemKind, kind_of_denial};
use crate::{
    loopback, manifests,
    status::{
        facts::{FoundCluster, items, labels, text},
        plain,
    },
    workloads::{OPERATORS, Workload, workloads},
};

pub(super) fn problems(cluster: &FoundCluster) -> Vec<Problem> {
    let all = cluster
        .objects
        .iter()
        .flat_map(|object| workloads(object).into_iter().map(move |workload| (object, workload)));
    // A StatefulSet that a controller made is corrected where the controller reads.
    let own = all.filter(|(object, workload)| {
        workload.writes.is_some() || Pod::new(object).owner().is_none()
    });
    own.flat_map(|(object, workload)| {
        let written = written(object, &workload, &cluster.config_maps);
        of(cluster, &workload, written.as_ref())
    })
    .collect()
}

fn of(cluster: &FoundCluster, workload: &Workload<'_>, written: Option<&Written>) -> Vec<Problem> {
    let misplaced = workload.hints.iter().filter(|hint| *hint != OPERATORS);
    let mut problems: Vec<Problem> =
        misplaced.map(|hint| split(ProblemKind::IgnoredAnnotations, workload, hint)).collect();
    let Some(file) = cluster.file() else { return problems };
    let pod = Pod::new(&workload.pod);
    let namespace = workload.namespace.as_deref().unwrap_or_default();
    // An operator adds labels that its object does not name.
    let labels = workload.writes.is_none().then(|| labels(&workload.pod));
    let is_asked = cluster.unselected(namespace, labels.as_ref()).is_none();
    match &decide(&file.config, pod) {
        Decision::Deny(_) | Decision::Inject(_) if !is_asked => {}
        Decision::Deny(denial) => {
            let kind = kind_of_denial(file, pod, ProblemKind::Denied);
            let message = format!("its pods are denied: {}", denial.message);
            let next = "correct its annotations, or the profile in the chart's values";
            problems.push(Problem::new(kind, &workload.subject, message, next));
        }
        Decision::Inject(injection) => {
            let hints = written.map(|it| manifests::unreached(it.place, &it.urls, injection));
            let problem = |hint: String| split(ProblemKind::RemoteWrite, workload, &hint);
            problems.extend(hints.into_iter().flatten().map(problem));
        }
        Decision::Skip(skip) if skip.reason == SkipReason::NotAskedFor => {
            problems.extend(nobody_listens(workload, pod));
        }
        Decision::Skip(_) | Decision::Repair(_) => {}
    }
    problems
}

/// A hint says what is wrong, and then what to do.
fn split(kind: ProblemKind, workload: &Workload<'_>, hint: &str) -> Problem {
    let (message, next) = hint.split_once(": ").unwrap_or((hint, "correct it"));
    Problem::new(kind, &workload.subject, message, next)
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
        format!("it writes to {url}, and its pods are not annotated for a sidecar"),
        "add prom-remotewrite/inject: \"true\" to spec.podMetadata.annotations",
    ))
}

/// What a Prometheus writes, by its configuration.
struct Written {
    /// Where that is said.
    place: &'static str,
    urls: Vec<String>,
    /// Its external label `cluster`; empty without one.
    cluster: String,
    /// Whether another label tells it from the others of its cluster: unless told
    /// otherwise, prometheus-operator adds one with namespace and name.
    is_labelled: bool,
}

fn written(object: &Value, workload: &Workload<'_>, config_maps: &[Value]) -> Option<Written> {
    if let Some(urls) = &workload.writes {
        let name = object.pointer("/spec/prometheusExternalLabelName");
        return Some(Written {
            place: "spec.remoteWrite",
            urls: urls.clone(),
            cluster: text(object, "/spec/externalLabels/cluster").to_owned(),
            is_labelled: name.is_none_or(|name| name != ""),
        });
    }
    let file = plain::configuration(workload, config_maps)?;
    Some(Written {
        place: "remote_write of its ConfigMap",
        urls: items(&file, "/remote_write").map(|entry| text(entry, "/url").to_owned()).collect(),
        cluster: text(&file, "/global/external_labels/cluster").to_owned(),
        is_labelled: false,
    })
}

/// One of those in front of a workspace.
struct Writer<'a> {
    context: Option<&'a str>,
    subject: String,
    is_labelled: bool,
}

impl Writer<'_> {
    fn name(&self) -> String {
        let context = self.context.map(|context| format!(" of {context}"));
        format!("{}{}", self.subject, context.unwrap_or_default())
    }
}

/// Prometheus with the same external label `cluster` in front of the same ingestion
/// URL: by that label nobody can tell where a series comes from.
pub(in crate::status) fn same_labels(clusters: &[FoundCluster]) -> Vec<Problem> {
    let mut groups: BTreeMap<(String, String), Vec<Writer<'_>>> = BTreeMap::new();
    for cluster in clusters {
        let Some(file) = cluster.file() else { continue };
        let context = cluster.context.as_deref();
        for object in &cluster.objects {
            for workload in workloads(object) {
                let Decision::Inject(injection) = decide(&file.config, Pod::new(&workload.pod))
                else {
                    continue;
                };
                let written = written(object, &workload, &cluster.config_maps);
                let Some(Written { cluster, is_labelled, .. }) = written else { continue };
                for url in urls(&injection) {
                    let subject = workload.subject.clone();
                    let writer = Writer { context, subject, is_labelled };
                    groups.entry((url, cluster.clone())).or_default().push(writer);
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

fn shared(label: &str, writers: &[Writer<'_>]) -> Option<Problem> {
    let [first, others @ ..] = writers else { return None };
    let is_one_cluster = others.iter().all(|other| other.context == first.context);
    // A single cluster needs no such label.
    if others.is_empty() || (is_one_cluster && label.is_empty()) {
        return None;
    }
    let label = if label.is_empty() { "no".to_owned() } else { format!("the same ({label:?})") };
    let names = others.iter().map(Writer::name).collect::<Vec<_>>().join(", ");
    let message = format!(
        "it has {label} external label cluster, and so has {names}, and all write to one workspace"
    );
    let next = "set the external label cluster to another value, unless both are in one cluster";
    let problem = Problem::new(ProblemKind::SameClusterLabel, first.name(), message, next);
    let is_told_apart = is_one_cluster && writers.iter().all(|writer| writer.is_labelled);
    Some(if is_told_apart { problem.note() } else { problem })
}
