//! What is wrong, and what to do about it.

mod authority;
mod failing;
mod installation;
mod unprovided;
mod writers;

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
    let unseen = cluster.unseen.iter();
    let unseen = unseen.map(|unread| {
        Problem::new(ProblemKind::NotSeen, "cluster", &unread.reason, next_step(unread))
    });
    let found = [
        installation::problems(cluster, now),
        unprovided::problems(cluster),
        failing::problems(cluster, sidecars, now),
        writers.iter().flat_map(Writer::problems).collect(),
        unseen.collect(),
    ];
    let context = |problem| Problem { context: cluster.context.clone(), ..problem };
    found.into_iter().flatten().map(context).collect()
}

/// What to do where something cannot be read.
pub(crate) const fn next_step(unread: &Unread) -> &'static str {
    if unread.is_forbidden {
        "ask for the rights that `kubectl prom-remotewrite status --rbac` prints, in the whole cluster"
    } else {
        "correct its cause, and look again"
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
