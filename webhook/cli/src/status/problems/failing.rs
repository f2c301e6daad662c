//! Injected sidecars that do not do what they are for.

use contract::{DestinationName, names};
use webhook::effective::settings_for;

use super::{Problem, ProblemKind, expiry, kind_of_denial, names_of};
use crate::status::{
    facts::{FoundCluster, FoundPod},
    sidecars::{Freshness, NO_TOKEN, Sidecar, SidecarLine},
    span,
};

/// An image is pulled and a token fetched in less, in seconds; before that, a pod
/// is not asked whether it works.
const STARTING: i64 = 2 * 60;
/// Prometheus writes several times a minute, and Azure takes samples that are at most
/// 20 minutes old; in seconds.
const SILENT: i64 = 10 * 60;
/// Requests that were not sent on, by reason.
const REFUSED: &str = "prom_remotewrite_refused_requests_total";
/// As the alert `PromRemoteWriteCertificateExpiring` has it.
const CERTIFICATE_DAYS: i64 = 21;

/// All of them at `now`; `first` is what to do before a pod is recreated.
pub(super) fn problems(
    cluster: &FoundCluster,
    sidecars: &[Sidecar<'_>],
    first: &str,
    now: i64,
) -> Vec<Problem> {
    let (mut outdated, mut unread) = (Vec::new(), Vec::new());
    let mut problems = Vec::new();
    for sidecar in sidecars {
        let Sidecar { found, lines, .. } = sidecar;
        match lines.first().map(|line| line.settings) {
            Some(Freshness::Outdated) => outdated.push(found.subject()),
            Some(Freshness::Invalid) => problems.extend(invalid(cluster, found)),
            Some(Freshness::Current | Freshness::Unknown) | None => {}
        }
        if now - found.created() < STARTING {
            continue;
        }
        if let Some(Err(reason)) = &found.figures {
            unread.push(format!("{} ({reason})", found.subject()));
        }
        problems.extend(not_ready(sidecar));
        for line in lines {
            problems.extend(certificate(sidecar, line, now));
            problems.extend(silent(sidecar, line, now));
        }
    }
    if !outdated.is_empty() {
        let message = "the configuration has changed since they were created";
        let next = format!("nothing, or {first}delete them: their controllers recreate them");
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

fn certificate(sidecar: &Sidecar<'_>, line: &SidecarLine, now: i64) -> Option<Problem> {
    let whose = format!("the application's certificate{}", of(line));
    let message = expiry(&whose, line.certificate_expiry? - now, CERTIFICATE_DAYS)?;
    let renew = "renew it in the vault or Secret that it comes from; the sidecar loads the new one automatically";
    let kind = ProblemKind::CertificateExpiring;
    Some(Problem::new(kind, sidecar.found.subject(), message, renew))
}

/// Which destination a sentence is about, unless it is the unnamed one.
fn of(line: &SidecarLine) -> String {
    let name = &line.destination;
    if name.is_empty() { String::new() } else { format!(" for destination {name}") }
}

fn invalid(cluster: &FoundCluster, found: &FoundPod) -> Option<Problem> {
    const DENIED: &str = "a pod that replaces it would be denied";
    let pod = found.pod();
    if cluster.lost_policy(pod) {
        let message = format!("{DENIED}: no policy injects its profile");
        let next = "annotate it with another profile, or apply all objects of `kubectl prom-remotewrite policy`, before the pod is recreated";
        return Some(Problem::new(ProblemKind::Denied, found.subject(), message, next));
    }
    let file = cluster.file()?;
    let errors = settings_for(&file.config, pod).err()?;
    let kind = kind_of_denial(file, pod, ProblemKind::Denied);
    let message = format!("{DENIED}: {}", contract::report(&errors));
    let next = "correct its annotations, or the profile in the chart's values, before the pod is recreated";
    Some(Problem::new(kind, found.subject(), message, next))
}

/// `check`, which finds the reason.
fn check(found: &FoundPod) -> String {
    format!("`kubectl prom-remotewrite check -n {} {}`", found.namespace(), found.name())
}

/// A sidecar that does not run is said once, one without tokens for each destination.
fn not_ready(Sidecar { found, lines, .. }: &Sidecar<'_>) -> Vec<Problem> {
    let reasons = lines.iter().filter_map(|line| Some((line, line.reason.as_deref()?)));
    let mut problems = Vec::new();
    for (line, reason) in reasons {
        let problem =
            |message, next| Problem::new(ProblemKind::NotReady, found.subject(), message, next);
        if reason != NO_TOKEN {
            return vec![problem(format!("its sidecar does not run: {reason}"), found.reasons())];
        }
        let message = format!("its sidecar holds no valid token{}", of(line));
        problems.push(problem(message, format!("find out why: {}", check(found))));
    }
    problems
}

/// Whether anything arrives, and whether Azure takes it.
fn silent(sidecar: &Sidecar<'_>, line: &SidecarLine, now: i64) -> Option<Problem> {
    let Sidecar { found, port, .. } = sidecar;
    let all = found.figures()?;
    let start = all.time("process_start_time_seconds")?;
    let since = line.last_success.unwrap_or(start).max(start);
    if now - since < SILENT {
        return None;
    }
    let (quiet, check, of) = (span(now - since), check(found), of(line));
    let url = format!("http://localhost:{port}{}", path(line));
    let correct = format!("set the URL of its remote write{of} to {url}");
    let refused = all.by_reason(REFUSED);
    let received =
        all.of_destination(&line.destination).sum("prom_remotewrite_received_bytes_total");
    let (kind, message, next) = if received.unwrap_or_default() > 0.0 {
        let message = format!("Azure has accepted nothing{of} for {quiet}");
        let next = format!(
            "find out why: {check}; if all is ok there, does Prometheus still write to {url}?"
        );
        (ProblemKind::NothingAccepted, message, next)
    } else if refused.contains_key("wrong_path") {
        let message = format!(
            "its Prometheus writes to the sidecar, but to a wrong path: nothing has arrived{of}"
        );
        (ProblemKind::RemoteWrite, message, correct)
    } else if refused.contains_key("foreign_peer") {
        let message = "other pods write to it, which it does not accept".to_owned();
        let next = format!("{correct}, or acceptFrom of its profile to any");
        (ProblemKind::RemoteWrite, message, next)
    } else {
        let message = format!("its Prometheus has written nothing to the sidecar{of} for {quiet}");
        (ProblemKind::RemoteWrite, message, correct)
    };
    Some(Problem::new(kind, found.subject(), message, next))
}

/// Where Prometheus writes what is for a destination.
fn path(line: &SidecarLine) -> String {
    let name: Option<DestinationName> = line.destination.parse().ok();
    name.map_or_else(|| names::WRITE_PATH.to_owned(), |name| name.write_path())
}
