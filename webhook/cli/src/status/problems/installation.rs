//! The webhook: its configurations, its Deployment, its certificate, its profiles.

use std::collections::BTreeSet;

use contract::annotations;
use serde_json::Value;
use webhook::{config::Config, pod::Pod};

use super::{Problem, ProblemKind};
use crate::{
    policy,
    status::{
        DAY,
        facts::{FoundCluster, FoundPod, FoundWebhook, our_webhook, text},
        span,
    },
    workloads::workloads,
};

/// As the alert `PromRemoteWriteWebhookCertificateExpiring` has it.
const CERTIFICATE_DAYS: i64 = 14;

pub(super) fn problems(cluster: &FoundCluster, now: i64) -> Vec<Problem> {
    let mut problems = Vec::new();
    if cluster.asked_since().is_none() && !has_policies(cluster) {
        problems.push(problem(
            "cluster",
            "there is no MutatingWebhookConfiguration of prom-remotewrite, so no pod gets a sidecar",
            "install the chart, or upgrade it, which restores what was deleted: `helm upgrade --install`",
        ));
    }
    let Some(webhook) = cluster.webhooks.first() else { return problems };
    problems.extend(several(cluster));
    problems.extend(authority(webhook));
    problems.extend(deployment(webhook));
    problems.extend(webhook.replicas.iter().flat_map(|replica| replica_problems(replica, now)));
    match &webhook.file {
        Some(Ok(file)) => problems.extend(unused_profiles(cluster, &file.config)),
        Some(Err(reason)) => problems.push(problem(
            &subject(webhook),
            &format!("its configuration cannot be used: {reason}"),
            "correct the chart's values (`kubectl prom-remotewrite validate --config my-values.yaml`), and upgrade",
        )),
        None => {}
    }
    problems
}

/// Whether sidecars come from policies, which need no webhook.
fn has_policies(cluster: &FoundCluster) -> bool {
    cluster.pods.iter().any(|found| policy::is_by_policy(found.pod()))
}

fn problem(object: &str, message: &str, next: &str) -> Problem {
    Problem::new(ProblemKind::Webhook, object, message, next)
}

fn subject(webhook: &FoundWebhook) -> String {
    match (&webhook.configuration, &webhook.deployment) {
        (Value::Null, Some(deployment)) => crate::workloads::subject(deployment, "Deployment"),
        (configuration, _) => {
            crate::workloads::subject(configuration, "MutatingWebhookConfiguration")
        }
    }
}

fn several(cluster: &FoundCluster) -> Option<Problem> {
    let all: Vec<String> = cluster.webhooks.iter().map(subject).collect();
    let (first, others) = all.split_first()?;
    (!others.is_empty()).then(|| {
        let message = format!(
            "there are more of prom-remotewrite: {}; settings and profiles are judged by the first one's configuration",
            others.join(", ")
        );
        problem(first, &message, "remove all but one, unless their selectors keep them apart").note()
    })
}

/// Without a CA bundle, API servers trust public authorities, of which none has
/// issued this certificate.
fn authority(webhook: &FoundWebhook) -> Option<Problem> {
    let ours = our_webhook(&webhook.configuration)?;
    let is_missing = text(ours, "/clientConfig/caBundle").is_empty();
    let public = ours.pointer("/clientConfig/url").is_some();
    (is_missing && !public).then(|| {
        problem(
            &subject(webhook),
            "it has no CA bundle, so API servers do not trust the webhook",
            "see the log of the Deployment …-certs, which writes it; with a certificate of your own, set certificates.provided.caBundle",
        )
    })
}

fn deployment(webhook: &FoundWebhook) -> Option<Problem> {
    let deployment = webhook.deployment.as_ref()?;
    let count = |path| deployment.pointer(path).and_then(Value::as_u64);
    // Without any, nobody answers either.
    let wanted = count("/spec/replicas").unwrap_or(1).max(1);
    let ready = count("/status/readyReplicas").unwrap_or(0);
    let selector = "app.kubernetes.io/component=webhook";
    let namespace = text(deployment, "/metadata/namespace");
    (ready < wanted).then(|| {
        let none =
            if ready == 0 { ", so pods that ask are refused, or get no sidecar" } else { "" };
        let message = format!("{ready} of {wanted} replicas are ready{none}");
        let next = format!("`kubectl describe pod -n {namespace} -l {selector}` says why");
        problem(&crate::workloads::subject(deployment, "Deployment"), &message, &next)
    })
}

fn replica_problems(replica: &FoundPod, now: i64) -> Vec<Problem> {
    let subject = replica.subject();
    let figures = match &replica.figures {
        Some(Ok(figures)) if replica.is_alive() => figures,
        Some(Err(reason)) if replica.is_alive() => {
            let message = format!("its metrics cannot be read: {reason}");
            let next = "allow pods/proxy (`status --rbac`) and traffic from API servers to its admin port; or leave metrics out with --no-metrics";
            return vec![Problem::new(ProblemKind::NotSeen, subject, message, next)];
        }
        _ => return Vec::new(),
    };
    let mut problems = Vec::new();
    let expiry = figures.time("prom_remotewrite_webhook_certificate_expiry_timestamp_seconds");
    let left = expiry.map(|expiry| expiry - now);
    if let Some(left) = left.filter(|left| *left < CERTIFICATE_DAYS * DAY) {
        let message = match left {
            ..=0 => "its serving certificate has expired".to_owned(),
            _ => format!("its serving certificate expires in {}", span(left)),
        };
        let next = "see the log of the Deployment …-certs, which renews it; renew it yourself if it is your own";
        problems.push(problem(&subject, &message, next));
    }
    if figures.sum("prom_remotewrite_webhook_config_current") == Some(0.0) {
        let message = "it refused the configuration, and goes on with the one before";
        problems.push(problem(
            &subject,
            message,
            "its log says what is wrong: correct the chart's values",
        ));
    }
    problems
}

/// Nobody can say so who has seen only one namespace.
fn unused_profiles(cluster: &FoundCluster, config: &Config) -> Vec<Problem> {
    if cluster.namespace.is_some() {
        return Vec::new();
    }
    let mut used = BTreeSet::new();
    let mut count = |pod: Pod<'_>| {
        let asks =
            annotations::parse_inject(pod.annotation(annotations::INJECT).unwrap_or_default());
        if asks.is_ok_and(|inject| inject.asks) {
            let named = pod.annotation(annotations::PROFILE);
            let named = named.unwrap_or(annotations::DEFAULT_PROFILE);
            used.extend(annotations::profile_names(named).map(str::to_owned));
        }
    };
    cluster.pods.iter().for_each(|found| count(found.pod()));
    for workload in cluster.objects.iter().flat_map(workloads) {
        count(Pod::new(&workload.pod));
    }
    let unused = config.profiles.keys().filter(|name| !used.contains(*name));
    unused
        .map(|name| {
            Problem::new(
                ProblemKind::UnusedProfile,
                format!("profile {name}"),
                "no pod uses it",
                format!("annotate pods with prom-remotewrite/profile: {name}, or remove config.profiles.{name} from the chart's values"),
            )
        })
        .collect()
}
