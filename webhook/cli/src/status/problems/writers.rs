//! Workloads and Prometheus objects: annotations that reach no pod, pods that are not
//! created, and a remote write that reaches no sidecar.

use std::collections::{BTreeMap, BTreeSet};

use contract::annotations;
use serde_json::Value;
use webhook::{
    decide::{Decision, Denial, SkipReason, decide},
    pod::Pod,
};

use super::{Problem, ProblemKind, kind_of_denial};
use crate::{
    loopback, manifests,
    status::{
        facts::{FoundCluster, items, labels, text},
        plain,
    },
    workloads::{OPERATORS, Workload, subject, workloads},
};

/// Containers that prometheus-operator adds. An object changes them by their names.
const OPERATORS_CONTAINERS: [&str; 4] =
    ["prometheus", "config-reloader", "thanos-sidecar", "thanos-ruler"];

/// A workload, and what comes of it.
pub(in crate::status) struct Writer<'a> {
    cluster: &'a FoundCluster,
    object: &'a Value,
    workload: Workload<'a>,
    /// What the webhook decides about its pods; `None` if it is not asked about them, or if
    /// its configuration is not known.
    decision: Option<Decision>,
    written: Option<Written>,
}

/// What a Prometheus writes, by its configuration.
struct Written {
    /// Where that is said.
    place: &'static str,
    urls: Vec<String>,
    /// Its external label `cluster`; empty without one.
    cluster: String,
}

/// All workloads of a cluster that people have written.
pub(in crate::status) fn writers(cluster: &FoundCluster) -> Vec<Writer<'_>> {
    let all = cluster
        .objects
        .iter()
        .flat_map(|object| workloads(object).into_iter().map(move |workload| (object, workload)));
    // A StatefulSet that a controller made is corrected where the controller reads.
    let own = all.filter(|(object, workload)| {
        workload.writes.is_some() || Pod::new(object).owner().is_none()
    });
    let writers = own.map(|(object, workload)| {
        let namespace = workload.namespace.as_deref().unwrap_or_default();
        // An operator adds labels that its object does not name.
        let labels = workload.writes.is_none().then(|| labels(&workload.pod));
        let file = cluster.file().filter(|_| cluster.unselected(namespace, labels).is_none());
        let decision = file.map(|file| decide(&file.config, Pod::new(&workload.pod)));
        let written = written(object, &workload, &cluster.config_maps);
        Writer { cluster, object, workload, decision, written }
    });
    writers.collect()
}

fn written(object: &Value, workload: &Workload<'_>, config_maps: &[Value]) -> Option<Written> {
    if let Some(urls) = &workload.writes {
        return Some(Written {
            place: "spec.remoteWrite",
            urls: urls.clone(),
            cluster: text(object, "/spec/externalLabels/cluster").to_owned(),
        });
    }
    let file = plain::configuration(workload, config_maps)?;
    Some(Written {
        place: "remote_write of its ConfigMap",
        urls: items(&file, "/remote_write").map(|entry| text(entry, "/url").to_owned()).collect(),
        cluster: text(&file, "/global/external_labels/cluster").to_owned(),
    })
}

impl Writer<'_> {
    pub(super) fn problems(&self) -> Vec<Problem> {
        let misplaced = self.workload.hints.iter().filter(|hint| *hint != OPERATORS);
        let misplaced = misplaced.map(|hint| self.hinted(ProblemKind::IgnoredAnnotations, hint));
        let mut problems: Vec<Problem> = misplaced.collect();
        match &self.decision {
            Some(Decision::Deny(denial)) => problems.extend(self.denied(denial)),
            Some(Decision::Inject(injection)) => {
                let written = self.written.iter();
                let hints =
                    written.flat_map(|it| manifests::unreached(it.place, &it.urls, injection));
                problems.extend(hints.map(|hint| self.hinted(ProblemKind::RemoteWrite, &hint)));
                problems.extend(self.not_created());
            }
            Some(Decision::Skip(skip)) if skip.reason == SkipReason::NotAskedFor => {
                problems.extend(self.nobody_listens());
            }
            None if self.asks() => problems.extend(self.not_created()),
            Some(Decision::Skip(_) | Decision::Repair(_)) | None => {}
        }
        problems
    }

    /// A hint says what is wrong, and then what to do.
    fn hinted(&self, kind: ProblemKind, hint: &str) -> Problem {
        let (message, next) = hint.split_once(": ").unwrap_or((hint, "correct it"));
        Problem::new(kind, &self.workload.subject, message, next)
    }

    fn denied(&self, denial: &Denial) -> Option<Problem> {
        let pod = Pod::new(&self.workload.pod);
        let kind = kind_of_denial(self.cluster.file()?, pod, ProblemKind::Denied);
        let message = format!("its pods are denied: {}", denial.message);
        let next = "correct its annotations, or the profile in the chart's values";
        Some(Problem::new(kind, &self.workload.subject, message, next))
    }

    /// Whether its pods are annotated for a sidecar. What cannot be read is denied.
    fn asks(&self) -> bool {
        let inject = Pod::new(&self.workload.pod).annotation(annotations::INJECT);
        let declines = |text| annotations::parse_inject(text).is_ok_and(|inject| !inject.asks);
        inject.is_some_and(|text| !declines(text))
    }

    /// Pods that are not there for a reason that the webhook does not give: it does not answer
    /// or is not trusted, a policy denies them, a quota, Pod Security.
    fn not_created(&self) -> Option<Problem> {
        let own = (text(self.object, "/kind"), text(self.object, "/metadata/name"));
        // An operator lets a StatefulSet create the pods of its object.
        let is_made = |object: &&Value| {
            Pod::new(object).owner() == Some(own)
                && object.pointer("/metadata/namespace")
                    == self.object.pointer("/metadata/namespace")
        };
        let made = self.cluster.objects.iter().filter(is_made);
        let message = std::iter::once(self.object).chain(made).find_map(|it| self.refused(it))?;
        let next = "correct what it names; its controller then retries";
        Some(Problem::new(ProblemKind::Denied, &self.workload.subject, message, next))
    }

    /// How many pods `controller` has not created, and why.
    fn refused(&self, controller: &Value) -> Option<String> {
        let count = |path| controller.pointer(path).and_then(Value::as_u64);
        let expected =
            count("/spec/replicas").or_else(|| count("/status/desiredNumberScheduled"))?;
        let created = count("/status/replicas").or_else(|| count("/status/currentNumberScheduled"));
        let created = created.unwrap_or(0);
        let subject = subject(controller, text(controller, "/kind"));
        let mut refusals = self.cluster.refusals.iter().rev().filter(|_| created < expected);
        let (_, why) = refusals.find(|(who, _)| *who == subject)?;
        Some(format!("{created} of {expected} pods are created: {why}"))
    }

    /// A Prometheus object that writes to a sidecar that it does not ask for. Containers of
    /// its own may be what it writes to, but not what it changes in those of the operator.
    fn nobody_listens(&self) -> Option<Problem> {
        let is_own = |container: &Value| {
            container.get("image").is_some()
                && !OPERATORS_CONTAINERS.contains(&text(container, "/name"))
        };
        if items(self.object, "/spec/containers").any(is_own) {
            return None;
        }
        let mut written = self.workload.writes.iter().flatten();
        let url = written.find(|url| loopback::parse(url).is_some())?;
        let message = format!("it writes to {url}, and its pods are not annotated for a sidecar");
        let next = "add prom-remotewrite/inject: \"true\" to spec.podMetadata.annotations";
        Some(Problem::new(ProblemKind::RemoteWrite, &self.workload.subject, message, next))
    }

    fn name(&self) -> String {
        let context = self.cluster.context.as_ref().map(|context| format!(" of {context}"));
        self.workload.subject.clone() + &context.unwrap_or_default()
    }
}

/// Prometheus of several clusters with the same external label `cluster` in front of the
/// same ingestion URL: by that label nobody can tell where a series comes from.
pub(in crate::status) fn same_labels(writers: &[Writer<'_>]) -> Vec<Problem> {
    let mut groups: BTreeMap<(String, &str), Vec<&Writer<'_>>> = BTreeMap::new();
    for writer in writers {
        let (Some(Decision::Inject(injection)), Some(written)) =
            (&writer.decision, &writer.written)
        else {
            continue;
        };
        // Two destinations in front of one workspace are one.
        let destinations = injection.effective.destinations();
        let urls: BTreeSet<String> =
            destinations.map(|it| it.settings.ingestion_url.to_string()).collect();
        for url in urls {
            groups.entry((url, &written.cluster)).or_default().push(writer);
        }
    }
    groups.iter().filter_map(|((_, label), writers)| shared(label, writers)).collect()
}

fn shared(label: &str, writers: &[&Writer<'_>]) -> Option<Problem> {
    let (first, others) = writers.split_first()?;
    let uid = "/metadata/uid";
    let own = text(first.object, uid);
    // Two contexts may be of one cluster.
    let has_own = |cluster: &FoundCluster| cluster.objects.iter().any(|it| text(it, uid) == own);
    let is_elsewhere = |it: &&&Writer<'_>| {
        it.cluster.context != first.cluster.context && (own.is_empty() || !has_own(it.cluster))
    };
    others.iter().find(is_elsewhere)?;
    let is_other = |it: &&&Writer<'_>| own.is_empty() || text(it.object, uid) != own;
    let others: Vec<String> = others.iter().filter(is_other).map(|it| it.name()).collect();
    let has = if others.len() == 1 { "has" } else { "have" };
    let label = if label.is_empty() { "no".to_owned() } else { format!("the same ({label:?})") };
    let message = format!(
        "it has {label} external label cluster, and so {has} {}, and all write to one workspace",
        others.join(", ")
    );
    let next = "set the external label cluster to another value in each cluster";
    let object = &first.workload.subject;
    let problem = Problem::new(ProblemKind::SameClusterLabel, object, message, next);
    Some(Problem { context: first.cluster.context.clone(), ..problem })
}
