//! From settings to a container and its volumes, as Kubernetes' own types.
//!
//! The container keeps to the restricted Pod Security standard by itself,
//! whatever the pod says, since a namespace may enforce it.

mod repair;
mod volumes;

use std::{borrow::Cow, collections::BTreeMap};

use contract::{Identity, LivenessProbe, Quantity, ReadinessProbe, TokenProxy, names};
use k8s_openapi::{
    api::core::v1::{
        Capabilities, Container, ContainerPort, EnvVar, ExecAction, HTTPGetAction,
        LocalObjectReference, Probe, ResourceRequirements, SeccompProfile, SecurityContext,
        VolumeMount,
    },
    apimachinery::pkg::{api::resource, util::intstr::IntOrString},
};

use crate::{
    VERSION,
    config::Resources,
    effective::Effective,
    patch::{Additions, Json},
    pod::Pod,
};
use volumes::{Added, Volumes};

pub use repair::{probes, repair, requests};
pub use volumes::{existing as existing_certificate, is_certificate_volume};

/// The annotation by which a pod asks azure-workload-identity for an identity binding.
pub const ASKS_FOR_BINDING: &str = "azure.workload.identity/use-identity-binding";
/// The user of the sidecar's image.
const IMAGE_USER: i64 = 65532;
/// Three failed probes, ten seconds apart, and it is restarted.
const PROBE_PERIOD_SECONDS: i32 = 10;
/// For an answer over HTTP, which takes less than a millisecond.
const HTTP_TIMEOUT_SECONDS: i32 = 3;
/// For a command: an overloaded node may take seconds to start a process.
const EXEC_TIMEOUT_SECONDS: i32 = 10;

/// What `pod` gets for `effective`.
pub fn additions(effective: &Effective, pod: Pod<'_>) -> Additions {
    let Volumes { added, mounts } = Volumes::new(effective, pod);
    let container = Json::of(&container(effective, pod, mounts));
    let (init_containers, containers) = if effective.native {
        (vec![container], Vec::new())
    } else {
        (Vec::new(), vec![container])
    };
    Additions {
        fields: Vec::new(),
        annotations: vec![(contract::annotations::INJECTED.to_owned(), injected(effective))],
        init_containers,
        containers,
        volumes: added.into_iter().map(|Added { volume, .. }| volume).collect(),
        image_pull_secrets: pull_secrets(effective, pod),
    }
}

/// The annotation's text: which version, and a hash of which settings.
pub fn injected(effective: &Effective) -> String {
    format!("version={VERSION} settings={}", effective.fingerprint)
}

fn container(effective: &Effective, pod: Pod<'_>, mounts: Vec<VolumeMount>) -> Container {
    let port = i32::from(effective.settings.listening_port.get());
    Container {
        name: names::CONTAINER.to_owned(),
        image: Some(effective.image.to_string()),
        image_pull_policy: Some(effective.image_pull_policy.to_string()),
        env: Some(environment(effective, pod)),
        ports: Some(vec![ContainerPort {
            name: Some(names::PORT.to_owned()),
            container_port: port,
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }]),
        restart_policy: effective.native.then(|| "Always".to_owned()),
        liveness_probe: match effective.liveness {
            LivenessProbe::Http => Some(http_probe()),
            LivenessProbe::Exec => Some(exec_probe()),
            LivenessProbe::None => None,
        },
        readiness_probe: match effective.readiness {
            ReadinessProbe::Http => Some(http_probe()),
            ReadinessProbe::Exec => Some(exec_probe()),
            ReadinessProbe::None => None,
        },
        resources: Some(resources(&effective.resources)),
        security_context: Some(security_context(pod)),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

/// The variables; those of further destinations come last.
fn environment(effective: &Effective, pod: Pod<'_>) -> Vec<EnvVar> {
    let own = &effective.variables;
    let host = effective.unsaid_authority();
    let variable = |name: &str, value: &str| EnvVar {
        name: name.to_owned(),
        value: Some(literal(value).into_owned()),
        ..EnvVar::default()
    };
    let own = own.iter().map(|(name, value)| variable(name, value));
    let host = host.map(|host| variable(names::env::AZURE_AUTHORITY_HOST, host.as_str()));
    // The default, by which a sidecar is known as ours where the annotation is removed.
    let kind = (!effective.native).then(|| variable(names::env::NATIVE_SIDECAR, "false"));
    let unset = unset_of_binding(effective, pod).map(|name| variable(name, ""));
    let further = effective.further_variables.iter();
    let further = further.map(|(name, value)| variable(name, value));
    own.chain(kind).chain(host).chain(unset).chain(further).collect()
}

/// The variables of an identity binding that a workload identity does without, in a pod
/// that has asked azure-workload-identity for one. That webhook adds them where they are
/// absent, also if it is called after this one.
fn unset_of_binding(effective: &Effective, pod: Pod<'_>) -> impl Iterator<Item = &'static str> {
    let asks =
        pod.annotation(ASKS_FOR_BINDING).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let identity = &effective.settings.identity;
    // A name that is missing may be added: the profile need not know it.
    let may_be_added = |name: &str| {
        name == names::env::AZURE_KUBERNETES_SNI_NAME && identity.token_proxy().is_some()
    };
    let is_unset = move |name: &&str| {
        !may_be_added(name) && effective.variables.iter().all(|(other, _)| other != name)
    };
    let is_bound = asks && matches!(identity, Identity::WorkloadIdentity { .. });
    let all = if is_bound { TokenProxy::VARIABLES.as_slice() } else { &[] };
    all.iter().copied().filter(is_unset)
}

/// The kubelet replaces `$(NAME)` in values, and makes one dollar of two
/// wherever they stand: doubled, all come through as they are.
fn literal(value: &str) -> Cow<'_, str> {
    if value.contains('$') { value.replace('$', "$$").into() } else { value.into() }
}

/// No startup probe: in a native sidecar it would hold back Prometheus, which
/// retries refused connections anyway.
fn http_probe() -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(names::HEALTH_PATH.to_owned()),
            port: IntOrString::String(names::PORT.to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(PROBE_PERIOD_SECONDS),
        timeout_seconds: Some(HTTP_TIMEOUT_SECONDS),
        ..Probe::default()
    }
}

/// The same check from within the container.
fn exec_probe() -> Probe {
    let command = [names::PROGRAM, names::HEALTH_COMMAND].map(str::to_owned);
    Probe {
        exec: Some(ExecAction { command: Some(command.into()) }),
        period_seconds: Some(PROBE_PERIOD_SECONDS),
        timeout_seconds: Some(EXEC_TIMEOUT_SECONDS),
        ..Probe::default()
    }
}

fn resources(resources: &Resources) -> ResourceRequirements {
    let amounts = |cpu: &Option<Quantity>, memory: &Option<Quantity>| {
        let amount = |name: &str, quantity: &Option<Quantity>| {
            let text = quantity.as_ref()?.to_string();
            Some((name.to_owned(), resource::Quantity(text)))
        };
        let both: BTreeMap<_, _> =
            [amount("cpu", cpu), amount("memory", memory)].into_iter().flatten().collect();
        Some(both).filter(|both| !both.is_empty())
    };
    ResourceRequirements {
        requests: amounts(&resources.cpu_request, &resources.memory_request),
        limits: amounts(&resources.cpu_limit, &resources.memory_limit),
        ..ResourceRequirements::default()
    }
}

/// The image's user is taken, so that platforms which assign users can assign
/// one; but root, which the container would inherit and the kubelet refuse.
fn security_context(pod: Pod<'_>) -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
        privileged: Some(false),
        read_only_root_filesystem: Some(true),
        run_as_non_root: Some(true),
        run_as_user: pod.runs_as_root().then_some(IMAGE_USER),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
        ..SecurityContext::default()
    }
}

fn pull_secrets(effective: &Effective, pod: Pod<'_>) -> Vec<Json> {
    effective
        .image_pull_secrets
        .iter()
        .filter(|secret| !pod.image_pull_secrets().any(|name| name == secret.as_str()))
        .map(|secret| Json::of(&LocalObjectReference { name: secret.to_string() }))
        .collect()
}
