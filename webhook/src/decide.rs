//! Whether a pod gets a sidecar, and why or why not.
//!
//! Not requested: unchanged. Requested and already there: left as it is, or
//! repaired. Requested and impossible: denied with everything that prevents it,
//! since a Prometheus that runs without its sidecar loses data silently, and
//! since on a `StatefulSet` the denial's text is all that anybody sees.

pub(crate) mod neighbours;
#[cfg(test)]
mod tests;

use std::fmt;

use contract::{
    Mistake,
    annotations::{self, INJECT, Inject},
};

use crate::{
    config::Config,
    effective::{Effective, wanted},
    inject,
    patch::Additions,
    pod::{Container, Pod},
};

/// What happens to a pod.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It gets a sidecar.
    Inject(Box<Injection>),
    /// It has its sidecar, but another webhook has taken a part of it.
    Repair(Box<Repair>),
    /// It stays as it is.
    Skip(Skip),
    /// It is not created.
    Deny(Denial),
}

/// A sidecar to inject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injection {
    /// Its settings.
    pub effective: Effective,
    /// What is unusual, though allowed: one sentence each.
    pub warnings: Vec<String>,
}

/// A sidecar that lacks something.
#[derive(Clone, Debug, PartialEq)]
pub struct Repair {
    /// What it lacks.
    pub additions: Additions,
    /// What the pod's author should know: one sentence each.
    pub warnings: Vec<String>,
}

/// Why a pod stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// Why.
    pub reason: SkipReason,
    /// What its author should know: one sentence each.
    pub warnings: Vec<String>,
}

/// Why a pod stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// The request does not create a pod.
    NotAPodCreation,
    /// The webhook is not asked about pods in its namespace: never the reason of
    /// a review, only of an explanation.
    ExcludedNamespace,
    /// It has no `inject` annotation.
    NotAskedFor,
    /// Its annotation opts out.
    OptedOut,
    /// The kubelet's mirror of a static pod, which cannot be changed.
    MirrorPod,
    /// This webhook has been here.
    AlreadyInjected,
    /// It brings a sidecar of its own.
    HandWritten,
}

/// Why a pod is not created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The first thing that stands in the way.
    pub reason: DenyReason,
    /// Everything that does, and what to do about it.
    pub message: String,
}

/// What stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenyReason {
    /// Annotations that are unknown, unreadable, missing or not allowed.
    BadAnnotations,
    /// A container that is no sidecar has the sidecar's name.
    ForeignContainer,
    /// Another container has the sidecar's port.
    PortTaken,
    /// There is no sidecar for Windows.
    WindowsPod,
}

impl Decision {
    /// Its word in metrics, logs and the audit log.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Inject(_) => "inject",
            Self::Repair(_) => "repair",
            Self::Skip(_) => "skip",
            Self::Deny(_) => "deny",
        }
    }

    /// The reason's word there.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Inject(_) => "asked_for",
            Self::Repair(_) => "incomplete",
            Self::Skip(skip) => skip.reason.word(),
            Self::Deny(denial) => denial.reason.word(),
        }
    }

    /// What the pod's author is told, though the pod is created.
    pub fn warnings(&self) -> &[String] {
        match self {
            Self::Inject(injection) => &injection.warnings,
            Self::Repair(repair) => &repair.warnings,
            Self::Skip(skip) => &skip.warnings,
            Self::Deny(_) => &[],
        }
    }
}

impl SkipReason {
    const fn word(self) -> &'static str {
        match self {
            Self::NotAPodCreation => "not_a_pod_creation",
            Self::ExcludedNamespace => "excluded_namespace",
            Self::NotAskedFor => "not_asked_for",
            Self::OptedOut => "opted_out",
            Self::MirrorPod => "mirror_pod",
            Self::AlreadyInjected => "already_injected",
            Self::HandWritten => "hand_written",
        }
    }
}

/// As a sentence's end, for people.
impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAPodCreation => "no pod is created",
            Self::ExcludedNamespace => "the webhook is not asked about pods in its namespace",
            Self::NotAskedFor => "it has no annotation prom-remotewrite/inject: \"true\"",
            Self::OptedOut => "its annotation prom-remotewrite/inject opts out",
            Self::MirrorPod => "a static pod cannot be changed",
            Self::AlreadyInjected => "it has its sidecar already",
            Self::HandWritten => "it brings a sidecar of its own",
        })
    }
}

impl DenyReason {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::BadAnnotations, Self::ForeignContainer, Self::PortTaken, Self::WindowsPod];

    /// Its word in metrics.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::BadAnnotations => "bad_annotations",
            Self::ForeignContainer => "foreign_container",
            Self::PortTaken => "port_taken",
            Self::WindowsPod => "windows_pod",
        }
    }
}

/// Where the kubelet marks its mirror pods.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// A warning that is longer may be cut by the API server.
const MAX_WARNING_CHARS: usize = 256;

/// Decides about `pod`, as it is to be created.
pub fn decide(config: &Config, pod: Pod<'_>) -> Decision {
    let mut decision = match unasked(pod) {
        Some(skip) => Decision::Skip(skip),
        None => asked(config, pod),
    };
    let warnings = match &mut decision {
        Decision::Inject(injection) => &mut injection.warnings,
        Decision::Repair(repair) => &mut repair.warnings,
        Decision::Skip(skip) => &mut skip.warnings,
        Decision::Deny(_) => return decision,
    };
    for warning in warnings {
        if let Some((end, _)) = warning.char_indices().nth(MAX_WARNING_CHARS) {
            warning.truncate(end);
        }
    }
    decision
}

impl Skip {
    /// Without a warning.
    pub(crate) const fn because(reason: SkipReason) -> Self {
        Self { reason, warnings: Vec::new() }
    }
}

/// What takes no configuration to decide; the case of nearly every pod.
fn unasked(pod: Pod<'_>) -> Option<Skip> {
    let Some(value) = pod.annotation(INJECT) else {
        return Some(Skip { reason: SkipReason::NotAskedFor, warnings: without_inject(pod) });
    };
    match annotations::parse_inject(value) {
        Ok(Inject { asks: false, .. }) => {
            let warnings = unusual(value).into_iter().collect();
            Some(Skip { reason: SkipReason::OptedOut, warnings })
        }
        _ if pod.annotation(MIRROR).is_some() => {
            let warning = "no remote-write sidecar is injected into a static pod";
            Some(Skip { reason: SkipReason::MirrorPod, warnings: vec![warning.to_owned()] })
        }
        _ => None,
    }
}

/// Annotations of ours in a pod that does not ask: perhaps it means to.
fn without_inject(pod: Pod<'_>) -> Vec<String> {
    let ours = |name: &str| name.starts_with(annotations::PREFIX) && name != annotations::INJECTED;
    if !pod.annotations().any(|(name, _)| ours(name)) {
        return Vec::new();
    }
    let unknown = annotations::unknown_names(pod.annotations());
    let mut warnings: Vec<String> = unknown.iter().map(ToString::to_string).collect();
    warnings.push(
        "prom-remotewrite/ annotations have no effect without prom-remotewrite/inject: \"true\""
            .to_owned(),
    );
    warnings
}

/// A spelling of `inject` that is understood, but not documented.
fn unusual(value: &str) -> Option<String> {
    let inject = annotations::parse_inject(value).ok().filter(|inject| !inject.is_usual)?;
    let asks = inject.asks;
    Some(format!("{INJECT}={value:?} is read as \"{asks}\": write \"{asks}\""))
}

fn asked(config: &Config, pod: Pod<'_>) -> Decision {
    match neighbours::sidecar(config, pod) {
        Some(neighbours::Sidecar::Ours(index, container)) => {
            return there_already(config, pod, index, container);
        }
        Some(neighbours::Sidecar::HandWritten(name)) => {
            let warning = format!(
                "container {name:?} is a remote-write sidecar already: none is injected, and prom-remotewrite/ settings have no effect"
            );
            let reason = SkipReason::HandWritten;
            return Decision::Skip(Skip { reason, warnings: vec![warning] });
        }
        None => {}
    }
    let wanted = wanted(config, pod);
    let obstacles = neighbours::obstacles(pod, wanted.as_ref().ok());
    match wanted {
        Ok(effective) if obstacles.is_empty() => {
            let spelling = pod.annotation(INJECT).and_then(unusual);
            let warnings = spelling.into_iter().chain(neighbours::warnings(pod, &effective));
            let warnings = warnings.collect();
            Decision::Inject(Box::new(Injection { effective, warnings }))
        }
        Ok(_) => deny(&[], &obstacles),
        Err(mistakes) => deny(&mistakes, &obstacles),
    }
}

/// A pod that was injected before, perhaps elsewhere or in an earlier pass.
fn there_already(
    config: &Config,
    pod: Pod<'_>,
    index: usize,
    container: Container<'_>,
) -> Decision {
    let effective = wanted(config, pod).ok();
    let mut warnings: Vec<String> =
        effective.as_ref().and_then(|effective| stale(effective, pod)).into_iter().collect();
    let additions = inject::repair(pod, (index, container), effective.as_ref());
    if additions.is_empty() {
        return Decision::Skip(Skip { reason: SkipReason::AlreadyInjected, warnings });
    }
    warnings.push(
        "another webhook has removed fields of the remote-write sidecar, which are added again: it should be updated"
            .to_owned(),
    );
    Decision::Repair(Box::new(Repair { additions, warnings }))
}

/// Everything that prevents an injection, in one sentence that needs no context.
fn deny(mistakes: &[Mistake], obstacles: &[(DenyReason, String)]) -> Decision {
    let report = (!mistakes.is_empty()).then(|| contract::report(mistakes));
    let others = obstacles.iter().map(|(_, text)| text.clone());
    let texts: Vec<String> = report.into_iter().chain(others).collect();
    let first = obstacles.first().map(|(reason, _)| *reason);
    let reason = first.filter(|_| mistakes.is_empty()).unwrap_or(DenyReason::BadAnnotations);
    let message = format!("cannot inject the remote-write sidecar: {}", texts.join("; "));
    Decision::Deny(Denial { reason, message })
}

/// Whether the sidecar in this pod was injected with settings that are not
/// today's.
fn stale(effective: &Effective, pod: Pod<'_>) -> Option<String> {
    let hash = &effective.fingerprint;
    let injected = pod.annotation(annotations::INJECTED)?;
    (!injected.ends_with(hash)).then(|| {
        format!(
            "the sidecar in this pod was injected with other settings ({injected}); today's are {hash}"
        )
    })
}
