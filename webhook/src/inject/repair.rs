//! What other webhooks took from a sidecar that is there: some decode pods with
//! old types, which drops fields that those do not know.

use contract::{LivenessProbe, Quantity, ReadinessProbe, annotations::INJECTED};
use serde_json::Value;

use super::{
    exec_probe, injected, literal,
    volumes::{Added, Volumes},
};
use crate::{
    effective::Effective,
    patch::{Additions, Json},
    pod::{Container, Pod, Resource},
};

/// What `pod` lacks for `container`, which is our sidecar and stands at `index` of
/// its list; `effective` are its settings, if they can be told. What others have
/// changed stays as it is.
pub fn repair(
    pod: Pod<'_>,
    (index, container): (usize, Container<'_>),
    effective: Option<&Effective>,
) -> Additions {
    let mut additions = Additions::default();
    if container.is_init && container.restart_policy().is_none() {
        let path = ["spec", "initContainers", &index.to_string(), "restartPolicy"];
        additions.fields.push((path.map(str::to_owned).to_vec(), Json::of(&"Always")));
    }
    if let Some(effective) = effective.filter(|effective| has_settings(container, effective))
        && pod.annotation(INJECTED).is_none()
    {
        additions.annotations.push((INJECTED.to_owned(), injected(effective)));
    }
    let has = |name: &str| {
        pod.volumes().any(|volume| volume.get("name").and_then(Value::as_str) == Some(name))
    };
    let volumes = effective.map(|effective| Volumes::new(effective, pod));
    for Added { name, volume } in volumes.into_iter().flat_map(|volumes| volumes.added) {
        let mounted = container.mounts().any(|(_, mounted)| mounted == name);
        if mounted && !has(&name) {
            additions.volumes.push(volume);
        }
    }
    additions
}

/// Commands in place of the HTTP probes of `container`, which is our sidecar and stands at
/// `index` of its list, where its settings now say so: the injector of a mesh that only the
/// namespace asks for was called after this webhook, and the probes go to its proxy.
pub fn probes(
    (index, container): (usize, Container<'_>),
    effective: &Effective,
) -> Vec<(Vec<String>, Json)> {
    [
        ("livenessProbe", effective.liveness == LivenessProbe::Exec),
        ("readinessProbe", effective.readiness == ReadinessProbe::Exec),
    ]
    .into_iter()
    .filter(|(probe, is_command)| *is_command && container.is_probed_by_http(probe))
    .map(|(probe, _)| {
        let path = ["spec", container.list(), &index.to_string(), probe].map(str::to_owned);
        (path.to_vec(), Json::of(&exec_probe()))
    })
    .collect()
}

/// The requests of `container`, which is our sidecar and stands at `index` of its list, where
/// another container has come since, and the pod-level requests have no room for ours: 0 of
/// that resource. The API server would refuse the pod.
pub fn requests(
    pod: Pod<'_>,
    (index, container): (usize, Container<'_>),
) -> Option<(Vec<String>, Json)> {
    let exceeds = |resource: &Resource| pod.exceeds_own(*resource, container);
    let exceeded: Vec<_> = [Resource::Cpu, Resource::Memory].into_iter().filter(exceeds).collect();
    let mut requests = container.requests();
    for resource in &exceeded {
        requests.insert(resource.name().to_owned(), Quantity::none().to_string().into());
    }
    let path = ["spec", container.list(), &index.to_string(), "resources", "requests"];
    (!exceeded.is_empty()).then(|| (path.map(str::to_owned).to_vec(), Json::of(&requests)))
}

/// Whether the sidecar has these settings: otherwise nobody knows whose it has.
fn has_settings(container: Container<'_>, effective: &Effective) -> bool {
    let mut variables = effective.all_variables();
    variables.all(|(name, value)| container.variable(name) == Some(&literal(value)))
}
