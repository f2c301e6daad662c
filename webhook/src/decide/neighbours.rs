//! The pod's own containers: an existing sidecar, and containers that cannot or should
//! not run next to one.

use contract::{
    DestinationName,
    names::{self, env},
};

use super::DenyReason;
use crate::{
    config::Config,
    effective::Effective,
    inject,
    pod::{Container, Pod},
};

/// An existing sidecar.
#[derive(Debug)]
pub(super) enum Sidecar<'a> {
    /// Injected by this webhook: its place in its list, and the container.
    Ours(usize, Container<'a>),
    /// Written by the pod's author: the container's name.
    HandWritten(&'a str),
}

/// What the path of Microsoft's image has in it: today, and until 2023.
///
/// <https://learn.microsoft.com/azure/azure-monitor/containers/prometheus-remote-write-managed-identity>
pub const MICROSOFTS_IMAGES: [&str; 2] =
    ["/prometheus-remote-write/images", "/promdev/prom-remotewrite"];

/// Ports of a node that the kubelet and kube-proxy have.
pub const NODE_PORTS: [u16; 5] = [10248, 10249, 10250, 10255, 10256];

/// The sidecar that `pod` has already. A reviewed pod that comes again has
/// ours; a pod written after Microsoft's documentation has that one.
pub(super) fn sidecar<'a>(config: &Config, pod: Pod<'a>) -> Option<Sidecar<'a>> {
    let is_injected = pod.annotation(contract::annotations::INJECTED).is_some();
    let found = pod.containers().find(|container| is_sidecar(config, *container, is_injected))?;
    if !is_injected_by_us(pod, found) {
        return Some(Sidecar::HandWritten(found.name()));
    }
    let list = pod.containers().filter(|container| container.is_init == found.is_init);
    let index = list.take_while(|container| container.name() != names::CONTAINER).count();
    Some(Sidecar::Ours(index, found))
}

/// Whether the webhook put this sidecar into the pod.
pub fn is_injected_by_us(pod: Pod<'_>, sidecar: Container<'_>) -> bool {
    // Another webhook may have removed the annotation; this variable is the webhook's, too.
    let is_marked = pod.annotation(contract::annotations::INJECTED).is_some()
        || sidecar.has_variable(env::NATIVE_SIDECAR);
    is_marked && sidecar.name() == names::CONTAINER
}

/// By image, or by our name together with something that every such sidecar has:
/// neither the name nor our annotation proves anything alone.
fn is_sidecar(config: &Config, container: Container<'_>, is_injected: bool) -> bool {
    let named = container.name() == names::CONTAINER;
    let image = || repository(container.image()) == repository(config.image.as_str());
    is_hand_written(container)
        || (named && (image() || (is_injected && container.has_port(names::PORT))))
}

/// Whether this is what Microsoft documents, also from a mirror's registry
/// and under another name: two variables that nothing else has together, each perhaps
/// with a destination's suffix.
pub fn is_hand_written(container: Container<'_>) -> bool {
    let named = container.name() == names::CONTAINER;
    let has = |variable| {
        let mut suffixes =
            container.variable_names().filter_map(|name| name.strip_prefix(variable));
        suffixes.any(|text| text.is_empty() || DestinationName::of_suffix(text).is_some())
    };
    MICROSOFTS_IMAGES.iter().any(|path| container.image().contains(path))
        || (has(env::INGESTION_URL) && (named || has(env::IDENTITY_TYPE)))
}

/// An image without its tag and digest.
pub fn repository(image: &str) -> &str {
    let image = image.split_once('@').map_or(image, |(name, _)| name);
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    }
}

/// Why a sidecar cannot run in this pod, whatever its annotations are.
pub(super) fn obstacles(pod: Pod<'_>, effective: Option<&Effective>) -> Vec<(DenyReason, String)> {
    let mut obstacles = Vec::new();
    if pod.is_windows() {
        let text = "this is a Windows pod, by its spec.os, node selector, required node affinity or windowsOptions, and the sidecar runs on Linux";
        obstacles.push((DenyReason::WindowsPod, text.to_owned()));
    }
    if pod.containers().any(|container| container.name() == names::CONTAINER) {
        let text = format!(
            "a container named {:?} exists and is not a remote-write sidecar: rename it",
            names::CONTAINER
        );
        obstacles.push((DenyReason::ForeignContainer, text));
    }
    let taken = effective.and_then(|effective| port_taken(pod, effective));
    obstacles.extend(taken.map(|text| (DenyReason::PortTaken, text)));
    obstacles
}

/// All containers of a pod share its ports, but an init container that exits before the
/// sidecar listens has given its own back.
fn port_taken(pod: Pod<'_>, effective: &Effective) -> Option<String> {
    let port = effective.settings.listening_port.get();
    let remedy =
        "set prom-remotewrite/listening-port and the port of remote_write.url to a free one";
    let owner = pod
        .containers()
        .filter(|container| container.keeps_running())
        .find(|container| container.ports().any(|taken| taken == u64::from(port)));
    if let Some(owner) = owner {
        return Some(format!("port {port} is taken by container {:?}: {remedy}", owner.name()));
    }
    (pod.is_on_host_network() && NODE_PORTS.contains(&port))
        .then(|| format!("port {port} of the host network belongs to the node: {remedy}"))
}

/// Unusual settings that may be intended.
pub(super) fn warnings(pod: Pod<'_>, effective: &Effective) -> Vec<String> {
    let mut warnings = Vec::new();
    if !pod.containers().any(looks_like_prometheus) {
        warnings.push("no container of this pod looks like Prometheus".to_owned());
    }
    if pod.is_on_host_network() {
        warnings.push(
            "hostNetwork: every process of the node can write through the sidecar, as its identity"
                .to_owned(),
        );
    }
    if pod.ends() && !effective.native {
        warnings.push(
            "this pod will not terminate by itself: its sidecar is an ordinary container that keeps running"
                .to_owned(),
        );
    }
    let certificates = effective.destinations().filter_map(|one| one.certificate);
    for name in certificates.filter_map(|source| inject::existing_certificate(source, pod)) {
        // What an earlier pass has left is not a volume of the pod's own.
        if !inject::is_certificate_volume(name) {
            warnings.push(format!("the certificate is read from the pod's own volume {name:?}"));
        }
    }
    let of_first = effective.settings.warnings();
    let further = effective.further.iter().flat_map(|destination| {
        let others =
            destination.settings.warnings().into_iter().filter(|one| !of_first.contains(one));
        others.map(|one| format!("destination {}: {one}", destination.name))
    });
    let further: Vec<String> = further.collect();
    warnings.extend(of_first.into_iter().chain(further));
    warnings.extend(effective.warnings.iter().cloned());
    warnings
}

/// The operator's pods have `prometheus`, the chart `prometheus` has
/// `prometheus-server`; the config reloader has the word in its image, too.
fn looks_like_prometheus(container: Container<'_>) -> bool {
    let image = repository(container.image()).rsplit('/').next().unwrap_or_default();
    let says_so = |text: &str| text.contains("prometheus") && !text.contains("reloader");
    !container.is_init && (says_so(container.name()) || says_so(image))
}
