//! Injected sidecars that do not do what they are for.

use contract::names;
use webhook::effective::wanted;

use super::{Problem, ProblemKind, expiry, kind_of_denial, names_of};
use crate::status::{
    facts::{FoundCluster, FoundPod},
    sidecars::{Freshness, NO_TOKEN, Sidecar},
    span,
};

/// An image is pulled and a token fetched in less, in seconds; before that, a pod
/// is not asked whether it works.
const STARTING: i64 = 2 * 60;
/// Prometheus writes several times a minute, and Azure takes samples that are at most
/// 20 minutes old; in seconds.
const SILENT: i64 = 10 * 60;
/// As the alert `PromRemoteWriteCertificateExpiring` has it.
const CERTIFICATE_DAYS: i64 = 21;

pub(super) fn problems(cluster: &FoundCluster, sidecars: &[Sidecar<'_>], now: i64) -> Vec<Problem> {
    let (mut outdated, mut unread) = (Vec::new(), Vec::new());
    let mut problems = Vec::new();
    for sidecar in sidecars {
        let Sidecar { found, line, .. } = sidecar;
        match line.settings {
            Freshness::Outdated => outdated.push(found.subject()),
            Freshness::Invalid => problems.extend(invalid(cluster, found)),
            Freshness::Current | Freshness::Unknown => {}
        }
        if now - found.created() < STARTING {
            continue;
        }
        if let Some(Err(reason)) = &found.figures {
            unread.push(format!("{} ({reason})", found.subject()));
        }
        problems.extend(not_ready(sidecar));
        let left = line.certificate_expiry.map(|end| end - now);
        let ending =
            left.and_then(|left| expiry("the application's certificate", left, CERTIFICATE_DAYS));
        let renew = "renew it in the vault or Secret that it comes from; the sidecar takes the new one by itself";
        problems.extend(ending.map(|message| {
            Problem::new(ProblemKind::CertificateExpiring, found.subject(), message, renew)
        }));
        problems.extend(silent(sidecar, now));
    }
    if !outdated.is_empty() {
        let message = "the webhook's configuration has changed since they were made";
        let next = "nothing, or delete them, so that their controllers make others";
        let kind = ProblemKind::OutdatedSettings;
        problems.push(Problem::new(kind, names_of(&outdated), message, next).note());
    }
    if !unread.is_empty() {
        let (count, names) = (unread.len(), names_of(&unread));
        let message = format!("the metrics of {count} cannot be read: {names}");
        let next = "allow pods/proxy (`status --rbac`) and traffic from API servers to the sidecar's port; or leave them out with --no-metrics";
        problems.push(Problem::new(ProblemKind::NotSeen, "sidecars", message, next));
    }
    problems
}

fn invalid(cluster: &FoundCluster, found: &FoundPod) -> Option<Problem> {
    let (file, pod) = (cluster.file()?, found.pod());
    let mistakes = wanted(&file.config, pod).err()?;
    let kind = kind_of_denial(file, pod, ProblemKind::Denied);
    let message =
        format!("a pod that replaces it would be denied: {}", contract::report(&mistakes));
    let next = "correct its annotations, or the profile in the chart's values, before the pod is made anew";
    Some(Problem::new(kind, found.subject(), message, next))
}

/// `check`, which finds the reason.
fn check(found: &FoundPod) -> String {
    format!("`kubectl prom-remotewrite check -n {} {}`", found.namespace(), found.name())
}

fn not_ready(Sidecar { found, line, .. }: &Sidecar<'_>) -> Option<Problem> {
    let reason = line.reason.as_deref()?;
    let (message, next) = if reason == NO_TOKEN {
        ("its sidecar holds no valid token".to_owned(), format!("find out why: {}", check(found)))
    } else {
        let (namespace, name) = (found.namespace(), found.name());
        let next = format!("`kubectl describe pod -n {namespace} {name}` says why");
        (format!("its sidecar does not run: {reason}"), next)
    };
    Some(Problem::new(ProblemKind::NotReady, found.subject(), message, next))
}

/// Whether anything arrives, and whether Azure takes it.
fn silent(Sidecar { found, line, port }: &Sidecar<'_>, now: i64) -> Option<Problem> {
    let figures = found.figures()?;
    let start = figures.time("process_start_time_seconds")?;
    let since = line.last_success.unwrap_or(start).max(start);
    if now - since < SILENT {
        return None;
    }
    let (quiet, check) = (span(now - since), check(found));
    let url = format!("http://localhost:{port}{}", names::WRITE_PATH);
    let correct = format!("set the URL of its remote write to {url}");
    let refused = figures.by_reason("prom_remotewrite_refused_requests_total");
    let received = figures.sum("prom_remotewrite_received_bytes_total").unwrap_or_default();
    let (kind, message, next) = if received > 0.0 {
        let message = format!("Azure has accepted nothing for {quiet}");
        let next = format!(
            "find out why: {check}; if all is ok there, does Prometheus still write to {url}?"
        );
        (ProblemKind::NothingAccepted, message, next)
    } else if refused.contains_key("wrong_path") {
        let message = "its Prometheus writes to the sidecar, but to a wrong path".to_owned();
        (ProblemKind::RemoteWrite, message, correct)
    } else if refused.contains_key("foreign_peer") {
        let message = "other pods write to it, which it does not accept".to_owned();
        let next = format!("{correct}, or acceptFrom of its profile to any");
        (ProblemKind::RemoteWrite, message, next)
    } else {
        let message = format!("its Prometheus has written nothing to the sidecar for {quiet}");
        (ProblemKind::RemoteWrite, message, correct)
    };
    Some(Problem::new(kind, found.subject(), message, next))
}
