//! Injected sidecars that do not do what they are for.

use contract::names;
use webhook::effective::wanted;

use super::{Problem, ProblemKind, names_of, unknown_profile};
use crate::status::{
    DAY,
    facts::{Figures, FoundCluster, FoundPod, Standing},
    sidecars::{Freshness, NO_TOKEN, STARTING, SidecarLine, row},
    span,
};

/// Prometheus writes several times a minute, and Azure takes samples that are at most
/// 20 minutes old; in seconds.
const SILENT: i64 = 10 * 60;
/// As the alert `PromRemoteWriteCertificateExpiring` has it.
const CERTIFICATE_DAYS: i64 = 21;

pub(super) fn problems(cluster: &FoundCluster, now: i64) -> Vec<Problem> {
    let mut problems = Vec::new();
    let (mut outdated, mut unread) = (Vec::new(), Vec::new());
    for found in cluster.pods.iter().filter(|found| found.is_alive()) {
        let Standing::Injected(container) = found.standing() else { continue };
        let line = row(cluster, found, container, now);
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
        let port = container.ports().next().unwrap_or(names::DEFAULT_LISTENING_PORT.into());
        problems.extend(not_ready(&line, found));
        problems.extend(certificate(&line, found, now));
        problems.extend(found.figures().and_then(|figures| silent(found, figures, port, now)));
    }
    problems.extend(all_outdated(&outdated));
    problems.extend(all_unread(&unread));
    problems
}

/// `check`, which finds the reason.
fn check(found: &FoundPod) -> String {
    format!("`kubectl prom-remotewrite check -n {} {}`", found.namespace(), found.name())
}

fn invalid(cluster: &FoundCluster, found: &FoundPod) -> Option<Problem> {
    let (file, pod) = (cluster.file()?, found.pod());
    let mistakes = wanted(&file.config, pod).err()?;
    let kind = match unknown_profile(file, pod) {
        Some(_) => ProblemKind::UnknownProfile,
        None => ProblemKind::Denied,
    };
    Some(Problem::new(
        kind,
        found.subject(),
        format!("a pod that replaces it would be denied: {}", contract::report(&mistakes)),
        "correct its annotations, or the profile in the chart's values, before the pod is made anew",
    ))
}

fn not_ready(line: &SidecarLine, found: &FoundPod) -> Option<Problem> {
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

fn certificate(line: &SidecarLine, found: &FoundPod, now: i64) -> Option<Problem> {
    let left = line.certificate_expiry? - now;
    (left < CERTIFICATE_DAYS * DAY).then(|| {
        let message = match left {
            ..=0 => "the application's certificate has expired".to_owned(),
            _ => format!("the application's certificate expires in {}", span(left)),
        };
        let next = "renew it in the vault or Secret that it comes from; the sidecar takes the new one by itself";
        Problem::new(ProblemKind::CertificateExpiring, found.subject(), message, next)
    })
}

/// Whether anything arrives, and whether Azure takes it.
fn silent(found: &FoundPod, figures: &Figures, port: u64, now: i64) -> Option<Problem> {
    let start = figures.time("process_start_time_seconds")?;
    let success = figures.time("prom_remotewrite_last_success_timestamp_seconds");
    let since = success.unwrap_or(start).max(start);
    if now - since < SILENT {
        return None;
    }
    let quiet = span(now - since);
    let url = format!("http://localhost:{port}{}", names::WRITE_PATH);
    let misdirected = figures.by_reason("prom_remotewrite_refused_requests_total");
    let received = figures.sum("prom_remotewrite_received_bytes_total").unwrap_or_default();
    let correct = format!("set the URL of its remote write to {url}");
    let (kind, message, next) = if received > 0.0 {
        let check = check(found);
        let next = format!(
            "find out why: {check}; if all is ok there, does Prometheus still write to {url}?"
        );
        (ProblemKind::NothingAccepted, format!("Azure has accepted nothing for {quiet}"), next)
    } else if misdirected.contains_key("wrong_path") {
        let message = "its Prometheus writes to the sidecar, but to a wrong path".to_owned();
        (ProblemKind::RemoteWrite, message, correct)
    } else if misdirected.contains_key("foreign_peer") {
        let message = "other pods write to it, which it does not accept".to_owned();
        (
            ProblemKind::RemoteWrite,
            message,
            format!("{correct}, or acceptFrom of its profile to any"),
        )
    } else {
        let message = format!("its Prometheus has written nothing to the sidecar for {quiet}");
        (ProblemKind::RemoteWrite, message, correct)
    };
    Some(Problem::new(kind, found.subject(), message, next))
}

fn all_outdated(pods: &[String]) -> Option<Problem> {
    (!pods.is_empty()).then(|| {
        Problem::new(
            ProblemKind::OutdatedSettings,
            names_of(pods),
            "the webhook's configuration has changed since they were made",
            "nothing, or delete them, so that their controllers make others",
        )
        .note()
    })
}

fn all_unread(pods: &[String]) -> Option<Problem> {
    (!pods.is_empty()).then(|| {
        Problem::new(
            ProblemKind::NotSeen,
            "sidecars",
            format!("the metrics of {} cannot be read: {}", pods.len(), names_of(pods)),
            "allow pods/proxy (`status --rbac`) and traffic from API servers to the sidecar's port; or leave them out with --no-metrics",
        )
    })
}
