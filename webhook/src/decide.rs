//! Whether a pod gets a sidecar, and why or why not.
//!
//! Not asked for: untouched. Asked for and already there: left as it is. Asked
//! for and impossible: denied with everything that stands in the way, since a
//! Prometheus that runs without its sidecar loses data silently, and since on
//! a `StatefulSet` the denial's text is all that anybody sees.

pub(crate) mod neighbours;
#[cfg(test)]
mod tests;

use std::fmt;

use contract::{
    Mistake,
    annotations::{self, INJECT},
};

use crate::{
    config::Config,
    effective::{Effective, wanted},
    pod::Pod,
};

/// What happens to a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It gets a sidecar.
    Inject(Box<Injection>),
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

/// Why a pod stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// Why.
    pub reason: SkipReason,
    /// What its author should know.
    pub warning: Option<String>,
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
    /// Its annotation says `"false"`.
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
            Self::Skip(_) => "skip",
            Self::Deny(_) => "deny",
        }
    }

    /// The reason's word there.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Inject(_) => "asked_for",
            Self::Skip(skip) => skip.reason.word(),
            Self::Deny(denial) => denial.reason.word(),
        }
    }

    /// What the pod's author is told, though the pod is created.
    pub fn warnings(&self) -> &[String] {
        match self {
            Self::Inject(injection) => &injection.warnings,
            Self::Skip(skip) => skip.warning.as_slice(),
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
            Self::OptedOut => "its annotation prom-remotewrite/inject is \"false\"",
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

/// Decides about `pod`, as it is to be created.
pub fn decide(config: &Config, pod: Pod<'_>) -> Decision {
    match unasked(pod) {
        Some(skip) => Decision::Skip(skip),
        None => asked(config, pod),
    }
}

/// Skips without a warning or with one.
pub(crate) fn skip(reason: SkipReason, warning: Option<&str>) -> Skip {
    Skip { reason, warning: warning.map(str::to_owned) }
}

/// The cheap way out, taken by nearly every pod.
fn unasked(pod: Pod<'_>) -> Option<Skip> {
    match pod.annotation(INJECT).map(str::trim) {
        None => {
            let ours = pod.annotations().any(|(name, _)| is_setting(name));
            let warning = "prom-remotewrite/ annotations have no effect without prom-remotewrite/inject: \"true\"";
            Some(skip(SkipReason::NotAskedFor, ours.then_some(warning)))
        }
        Some("false") => Some(skip(SkipReason::OptedOut, None)),
        Some(_) if pod.annotation(MIRROR).is_some() => Some(skip(
            SkipReason::MirrorPod,
            Some("no remote-write sidecar is injected into a static pod"),
        )),
        Some(_) => None,
    }
}

fn is_setting(name: &str) -> bool {
    name.starts_with(annotations::PREFIX) && name != annotations::INJECTED
}

fn asked(config: &Config, pod: Pod<'_>) -> Decision {
    let neighbour = neighbours::sidecar(config, pod);
    if let Some(neighbours::Sidecar::Ours) = neighbour {
        return Decision::Skip(skip(SkipReason::AlreadyInjected, stale(config, pod).as_deref()));
    }
    if let Some(neighbours::Sidecar::HandWritten(name)) = neighbour {
        let warning = format!(
            "container {name:?} is a remote-write sidecar already: none is injected, and prom-remotewrite/ settings have no effect"
        );
        return Decision::Skip(skip(SkipReason::HandWritten, Some(&warning)));
    }
    let wanted = wanted(config, pod);
    let obstacles = neighbours::obstacles(pod, wanted.as_ref().ok());
    match wanted {
        Ok(effective) if obstacles.is_empty() => {
            let warnings = neighbours::warnings(pod, &effective);
            Decision::Inject(Box::new(Injection { effective, warnings }))
        }
        Ok(_) => deny(&[], &obstacles),
        Err(mistakes) => deny(&mistakes, &obstacles),
    }
}

/// All that stands in the way, in one sentence that stands alone.
fn deny(mistakes: &[Mistake], obstacles: &[(DenyReason, String)]) -> Decision {
    let report = (!mistakes.is_empty()).then(|| contract::report(mistakes));
    let others = obstacles.iter().map(|(_, text)| text.clone());
    let texts: Vec<String> = report.into_iter().chain(others).collect();
    let first = obstacles.first().map(|(reason, _)| *reason);
    let reason = first.filter(|_| mistakes.is_empty()).unwrap_or(DenyReason::BadAnnotations);
    let message = format!("cannot inject the remote-write sidecar: {}", texts.join("; "));
    Decision::Deny(Denial { reason, message })
}

/// A pod that was injected elsewhere, with settings that are not today's.
fn stale(config: &Config, pod: Pod<'_>) -> Option<String> {
    let hash = wanted(config, pod).ok()?.fingerprint();
    let injected = pod.annotation(annotations::INJECTED)?;
    (!injected.ends_with(&hash)).then(|| {
        format!(
            "the sidecar in this pod was injected with other settings ({injected}); today's are {hash}"
        )
    })
}
