//! The webhook: its configurations, its Deployment, its certificate, its profiles.

use std::{borrow::Cow, collections::BTreeSet};

use contract::annotations;
use serde_json::Value;
use webhook::{config::Config, pod::Pod};

use super::{Problem, ProblemKind, authority, expiry};
use crate::{
    status::facts::{FoundCluster, FoundPod, FoundWebhook, text},
    workloads::workloads,
};

/// As the alert `PromRemoteWriteWebhookCertificateExpiring` has it.
const CERTIFICATE_DAYS: i64 = 14;

pub(super) fn problems(cluster: &FoundCluster, now: i64) -> Vec<Problem> {
    let mut problems = Vec::new();
    // What could not be read may be there.
    let incomplete = cluster.incomplete_policies.iter().filter(|_| !cluster.hides_injectors);
    problems.extend(incomplete.map(|(object, lack)| {
        let message = format!("{lack} is missing, so it injects nothing");
        let next = "apply all objects of `kubectl prom-remotewrite policy`; if you removed the profile, delete what is left of it";
        problem(object, &message, next)
    }));
    let has_none = cluster.webhooks.is_empty() && !cluster.has_policies();
    if has_none && !cluster.hides_injectors {
        problems.push(problem(
            "cluster",
            "there is no MutatingWebhookConfiguration of prom-remotewrite, so no pod gets a sidecar",
            "install the chart, or upgrade it, which restores what was deleted: `helm upgrade --install`",
        ));
    }
    let Some(webhook) = cluster.webhooks.first() else { return problems };
    problems.extend(several(cluster));
    problems.extend(authority::problems(webhook, now));
    problems.extend(deployment(webhook));
    problems.extend(webhook.missing.iter().map(|object| {
        let message = "it does not exist, and the webhook does not work without it";
        problem(object, message, "`helm upgrade --install`, which restores it")
    }));
    problems
        .extend(webhook.replicas.iter().flat_map(|(replica, _)| replica_problems(replica, now)));
    match &webhook.file {
        Some(Ok(file)) => problems.extend(unused_profiles(cluster, &file.config)),
        Some(Err(reason)) => problems.push(problem(
            &subject(webhook),
            &format!("its configuration cannot be used: {reason}"),
            "correct the chart's values (`kubectl prom-remotewrite validate --config my-profiles.yaml`), and upgrade",
        )),
        None => {}
    }
    problems
}

pub(super) fn problem(object: &str, message: &str, next: &str) -> Problem {
    Problem::new(ProblemKind::Webhook, object, message, next)
}

pub(super) fn subject(webhook: &FoundWebhook) -> String {
    crate::workloads::subject(&webhook.configuration, "MutatingWebhookConfiguration")
}

/// The command that prints the log of what keeps the webhook's certificate and CA bundle.
pub(super) fn certs_log(namespace: &str) -> String {
    format!("`kubectl logs -n {namespace} -l app.kubernetes.io/component=certs`")
}

fn several(cluster: &FoundCluster) -> Option<Problem> {
    let all: Vec<String> = cluster.webhooks.iter().map(subject).collect();
    let (first, others) = all.split_first()?;
    (!others.is_empty()).then(|| {
        let message = format!(
            "there are others of prom-remotewrite: {}; settings and profiles are compared with the configuration of the first one",
            others.join(", ")
        );
        problem(first, &message, "remove all but one, unless their selectors keep them apart").note()
    })
}

fn deployment(webhook: &FoundWebhook) -> Option<Problem> {
    let deployment = webhook.deployment.as_ref()?;
    let count = |path| deployment.pointer(path).and_then(Value::as_u64);
    // Without any, nobody answers either.
    let expected = count("/spec/replicas").unwrap_or(1).max(1);
    let ready = count("/status/readyReplicas").unwrap_or(0);
    let selector = "app.kubernetes.io/component=webhook";
    let namespace = text(deployment, "/metadata/namespace");
    (ready < expected).then(|| {
        let none =
            if ready == 0 { ", so annotated pods are denied, or get no sidecar" } else { "" };
        let message = format!("{ready} of {expected} replicas are ready{none}");
        let next = format!("`kubectl describe pod -n {namespace} -l {selector}` shows why");
        problem(&crate::workloads::subject(deployment, "Deployment"), &message, &next)
    })
}

fn replica_problems(replica: &FoundPod, now: i64) -> Vec<Problem> {
    let subject = replica.subject();
    let figures = match &replica.figures {
        Some(Ok(figures)) => figures,
        Some(Err(reason)) => {
            let message = format!("its metrics cannot be read: {reason}");
            let next = "allow pods/proxy (`status --rbac`) and traffic from API servers to its admin port; or leave metrics out with --no-metrics";
            return vec![Problem::new(ProblemKind::NotSeen, subject, message, next)];
        }
        None => return Vec::new(),
    };
    let end = figures.time("prom_remotewrite_webhook_certificate_expiry_timestamp_seconds");
    let ending = end.and_then(|end| expiry("its serving certificate", end - now, CERTIFICATE_DAYS));
    let renew = format!(
        "{} shows why it is not renewed; renew it yourself if it is your own",
        certs_log(replica.namespace())
    );
    let is_old = figures.sum("prom_remotewrite_webhook_config_current") == Some(0.0);
    let old = "it rejects the configuration, and continues with the previous one".to_owned();
    let correct = "its log lists every error: correct the chart's values";
    let found = [(ending, renew.as_str()), (Some(old).filter(|_| is_old), correct)];
    let problem =
        |(message, next): (Option<String>, &str)| Some(problem(&subject, &message?, next));
    found.into_iter().filter_map(problem).collect()
}

/// Nobody can say so who has not seen all pods and workloads.
fn unused_profiles(cluster: &FoundCluster, config: &Config) -> Vec<Problem> {
    if cluster.namespace.is_some() || !cluster.unseen.is_empty() {
        return Vec::new();
    }
    let pods = cluster.pods.iter().map(|found| Cow::Borrowed(&found.raw));
    let workloads = cluster.objects.iter().flat_map(workloads).map(|workload| workload.pod);
    let used: BTreeSet<String> = pods.chain(workloads).flat_map(|pod| profiles(&pod)).collect();
    let unused = config.profiles.keys().filter(|name| !used.contains(*name));
    let problem = |name: &String| {
        let next = format!(
            "annotate pods with prom-remotewrite/profile: {name}, or remove config.profiles.{name} from the chart's values"
        );
        let object = format!("profile {name}");
        Problem::new(ProblemKind::UnusedProfile, object, "no pod uses it", next)
    };
    unused.map(problem).collect()
}

/// The profiles that a pod asks for.
fn profiles(pod: &Value) -> Vec<String> {
    let pod = Pod::new(pod);
    let asks = annotations::parse_inject(pod.annotation(annotations::INJECT).unwrap_or_default());
    if !asks.is_ok_and(|inject| inject.asks) {
        return Vec::new();
    }
    let named = pod.annotation(annotations::PROFILE).unwrap_or(annotations::DEFAULT_PROFILE);
    annotations::profile_names(named).map(str::to_owned).collect()
}
