//! The decision about a pod, with the reason.

use std::fmt;

use crate::{effective::Effective, patch::Additions};

/// The decision about a pod.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It gets a sidecar.
    Inject(Box<Injection>),
    /// It has its sidecar, but a part of it is missing, or is no longer right.
    Repair(Box<Repair>),
    /// It stays unchanged.
    Skip(Skip),
    /// It is not created.
    Deny(Denial),
}

/// A sidecar to inject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injection {
    /// Its settings.
    pub effective: Effective,
    /// Warnings about unusual settings: one sentence each.
    pub warnings: Vec<String>,
}

/// A sidecar that lacks something.
#[derive(Clone, Debug, PartialEq)]
pub struct Repair {
    /// Why.
    pub reason: RepairReason,
    /// The missing part.
    pub additions: Additions,
    /// Warnings for the pod's author: one sentence each.
    pub warnings: Vec<String>,
}

/// Why a sidecar is repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepairReason {
    /// Another webhook has removed fields of it.
    Incomplete,
    /// A mesh's injector was called after the first review: HTTP probes go to its proxy.
    BehindMesh,
    /// Another webhook has added a container, and the pod-level requests have no room for
    /// both: the sidecar requests 0.
    NoRoom,
}

/// Why a pod stays unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// Why.
    pub reason: SkipReason,
    /// Warnings for its author: one sentence each.
    pub warnings: Vec<String>,
}

/// Why a pod stays unchanged.
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
    /// It brings its own sidecar.
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

/// The obstacle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenyReason {
    /// Annotations that are unknown, unreadable, missing or not allowed.
    BadAnnotations,
    /// A container that is not a sidecar has the sidecar's name.
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
            Self::Repair(repair) => repair.reason.word(),
            Self::Skip(skip) => skip.reason.word(),
            Self::Deny(denial) => denial.reason.word(),
        }
    }

    /// Warnings to the pod's author; the pod is created.
    pub fn warnings(&self) -> &[String] {
        match self {
            Self::Inject(injection) => &injection.warnings,
            Self::Repair(repair) => &repair.warnings,
            Self::Skip(skip) => &skip.warnings,
            Self::Deny(_) => &[],
        }
    }
}

impl RepairReason {
    const fn word(self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::BehindMesh => "behind_mesh",
            Self::NoRoom => "no_room",
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
            Self::ExcludedNamespace => "the webhook is not called for pods in its namespace",
            Self::NotAskedFor => "it has no annotation prom-remotewrite/inject: \"true\"",
            Self::OptedOut => "its annotation prom-remotewrite/inject opts out",
            Self::MirrorPod => "a static pod cannot be changed",
            Self::AlreadyInjected => "it has its sidecar already",
            Self::HandWritten => "it has a hand-written sidecar",
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

impl Skip {
    /// Without a warning.
    pub const fn because(reason: SkipReason) -> Self {
        Self { reason, warnings: Vec::new() }
    }
}
