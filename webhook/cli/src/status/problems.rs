//! What is wrong, and what to do about it.
//!
//! ```text
//! installation  the webhook and its configuration, or the policies
//! authority     the CA bundle by which API servers trust the webhook
//! unprovided    pods that ask and have no sidecar, or have one written by hand
//! failing       injected sidecars that do not work
//! writers       workloads and Prometheus objects: their annotations and remote write
//! ```

mod authority;
mod failing;
mod installation;
mod unprovided;
mod writers;

use std::collections::BTreeSet;

use contract::annotations;
use serde::Serialize;
use webhook::{config::ConfigFile, pod::Pod};

use super::{
    DAY,
    facts::{FoundCluster, Unread},
    sidecars::Sidecar,
    span,
};
pub(super) use writers::{Writer, same_labels, writers};

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Which kind of problem: a word that stays when texts are reworded.
    pub kind: ProblemKind,
    /// The kubeconfig's context, if several were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Kind, namespace and name.
    pub object: String,
    /// What is wrong with it.
    pub message: String,
    /// What to do.
    pub next_step: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Samples are lost, will be, or it cannot be seen whether they are; or what was
    /// configured has no effect.
    Problem,
    /// It may be meant.
    Note,
}

/// Which kind of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// A pod asks for a sidecar and has none.
    NoSidecar,
    /// Annotations that have no effect where they are.
    IgnoredAnnotations,
    /// A sidecar that the pod's author wrote.
    HandWritten,
    /// Pods are not created.
    Denied,
    /// A profile that does not exist.
    UnknownProfile,
    /// A profile that no pod uses.
    UnusedProfile,
    /// A sidecar with settings that are not today's.
    OutdatedSettings,
    /// A sidecar that does not run, or has no token.
    NotReady,
    /// Prometheus does not write to its sidecar.
    RemoteWrite,
    /// Azure accepts nothing.
    NothingAccepted,
    /// A sidecar's certificate expires soon.
    CertificateExpiring,
    /// Two Prometheus whose series Azure Monitor cannot tell apart.
    SameClusterLabel,
    /// The webhook, its configuration or its certificate.
    Webhook,
    /// Something could not be looked at.
    NotSeen,
}

impl Problem {
    fn new(
        kind: ProblemKind,
        object: impl Into<String>,
        message: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Self {
        let (object, message, next_step) = (object.into(), message.into(), next_step.into());
        Self { severity: Severity::Problem, kind, context: None, object, message, next_step }
    }

    fn note(self) -> Self {
        Self { severity: Severity::Note, ..self }
    }
}

/// Everything that is wrong in a cluster at `now`, in seconds since 1970: the webhook
/// first, since much follows from it.
pub(super) fn of(
    cluster: &FoundCluster,
    sidecars: &[Sidecar<'_>],
    writers: &[Writer<'_>],
    now: i64,
) -> Vec<Problem> {
    let installation = installation::problems(cluster, now);
    let first = before_recreation(cluster, &installation);
    let found = [
        installation,
        unprovided::problems(cluster, first),
        failing::problems(cluster, sidecars, first, now),
        writers.iter().flat_map(Writer::problems).collect(),
        unseen(&cluster.unseen, cluster.namespace.as_deref()),
    ];
    let context = |problem| Problem { context: cluster.context.clone(), ..problem };
    found.into_iter().flatten().map(context).collect()
}

/// What to do before a pod is deleted, so that the one which replaces it is not denied.
fn before_recreation(cluster: &FoundCluster, installation: &[Problem]) -> &'static str {
    let is_bad = |problem: &Problem| {
        problem.kind == ProblemKind::Webhook && problem.severity == Severity::Problem
    };
    if installation.iter().any(is_bad) {
        "first solve the webhook problem above; then "
    } else if cluster.webhooks.first().is_some_and(|webhook| webhook.file.is_none()) {
        "first see with `kubectl prom-remotewrite explain` that it would not be denied; then "
    } else {
        ""
    }
}

/// What could not be read; all that is forbidden is one problem.
pub(crate) fn unseen(all: &[Unread], namespace: Option<&str>) -> Vec<Problem> {
    let (forbidden, others): (Vec<&Unread>, Vec<_>) = all.iter().partition(|it| it.is_forbidden);
    let kinds: BTreeSet<&str> = forbidden.iter().map(|unread| unread.reason.as_str()).collect();
    let kinds: Vec<&str> = kinds.into_iter().collect();
    let reason = format!("forbidden: {}", kinds.join(", "));
    let forbidden = Some(Unread { reason, is_forbidden: true }).filter(|_| !kinds.is_empty());
    let problem = |unread: &Unread| {
        let next = next_step(unread, namespace);
        Problem::new(ProblemKind::NotSeen, "cluster", &unread.reason, next)
    };
    others.into_iter().chain(&forbidden).map(problem).collect()
}

/// What to do where something cannot be read, in a namespace or in all.
pub fn next_step(unread: &Unread, namespace: Option<&str>) -> String {
    let rights = "ask for the rights that `kubectl prom-remotewrite status --rbac` prints";
    match namespace {
        _ if !unread.is_forbidden => "correct its cause, and look again".to_owned(),
        None => format!(
            "{rights}, in the whole cluster; or look at one namespace with --namespace NAME"
        ),
        // Webhooks and policies are in no namespace.
        Some(_) if unread.reason.contains("mutating") => format!("{rights}, in the whole cluster"),
        Some(namespace) => format!("{rights}, in namespace {namespace}"),
    }
}

/// The kind of problem where pods are denied: a profile that does not exist has one of
/// its own.
fn kind_of_denial(file: &ConfigFile, pod: Pod<'_>, otherwise: ProblemKind) -> ProblemKind {
    let named = pod.annotation(annotations::PROFILE).map(annotations::profile_names);
    let is_unknown = |name: &str| !file.config.profiles.contains_key(name);
    if named.into_iter().flatten().any(is_unknown) {
        ProblemKind::UnknownProfile
    } else {
        otherwise
    }
}

/// Whether a certificate has expired, or does so within `days`.
fn expiry(certificate: &str, left: i64, days: i64) -> Option<String> {
    match left {
        ..=0 => Some(format!("{certificate} has expired")),
        left if left < days * DAY => Some(format!("{certificate} expires in {}", span(left))),
        _ => None,
    }
}

/// The first names, and how many more there are: a line holds no fleet.
fn names_of(all: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = all.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
