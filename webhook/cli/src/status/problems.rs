//! What is wrong, and what to do about it.

mod failing;
mod installation;
mod unprovided;
mod writers;

use contract::annotations;
use serde::Serialize;
use webhook::{config::ConfigFile, pod::Pod};

use super::facts::FoundCluster;

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
    /// A sidecar's certificate ends soon.
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

/// Everything that is wrong at `now`, in seconds since 1970: by cluster, the webhook
/// first, since much follows from it.
pub(super) fn find(clusters: &[FoundCluster], now: i64) -> Vec<Problem> {
    let mut problems = Vec::new();
    for cluster in clusters {
        let found = [
            installation::problems(cluster, now),
            unprovided::problems(cluster),
            failing::problems(cluster, now),
            writers::problems(cluster),
            unseen(cluster),
        ];
        let context = |problem| Problem { context: cluster.context.clone(), ..problem };
        problems.extend(found.concat().into_iter().map(context));
    }
    problems.extend(writers::same_labels(clusters));
    // Problems before notes, otherwise as they are.
    problems.sort_by_key(|problem| problem.severity == Severity::Note);
    problems
}

fn unseen(cluster: &FoundCluster) -> Vec<Problem> {
    let rights = "ask for the rights that `kubectl prom-remotewrite status --rbac` prints";
    let one = |text: &String| Problem::new(ProblemKind::NotSeen, "cluster", text.as_str(), rights);
    cluster.unseen.iter().map(one).collect()
}

/// The first profile that this pod names and the configuration does not have.
fn unknown_profile<'a>(file: &ConfigFile, pod: Pod<'a>) -> Option<&'a str> {
    let mut names = annotations::profile_names(pod.annotation(annotations::PROFILE)?);
    names.find(|name| !file.config.profiles.contains_key(*name))
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
