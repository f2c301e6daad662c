//! Whether a service mesh intercepts the pod's traffic, or will.
//!
//! A mesh redirects the kubelet's HTTP probes to its proxy. A proxy that is an
//! ordinary container starts only after all init containers, and one that
//! demands mutual TLS resets the kubelet's connections.

use super::{Container, Pod};

/// A mesh, and by what it was recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mesh {
    /// Its name.
    pub name: &'static str,
    /// The evidence, such as `container istio-proxy`.
    pub sign: String,
}

/// The traces of a mesh in a pod.
#[derive(Debug)]
pub struct Signs {
    /// Its name.
    pub mesh: &'static str,
    /// Annotations that its injector writes.
    pub annotations: &'static [&'static str],
    /// Containers and init containers that it adds.
    pub containers: &'static [&'static str],
    /// Labels or annotations that ask for it, with the values that do; without
    /// values, any. Its injector may be called after this webhook.
    pub requests: &'static [(&'static str, &'static [&'static str])],
    /// A label or annotation, with the values that decline it.
    pub declines: (&'static str, &'static [&'static str]),
}

/// Names are those of Istio 1.29 (also of AKS' add-on), Linkerd 2.20, Consul 1.9
/// on Kubernetes and Kuma 2.13.
pub const MESHES: [Signs; 4] = [
    Signs {
        mesh: "Istio",
        annotations: &["sidecar.istio.io/status"],
        containers: &["istio-init", "istio-validation", "istio-proxy"],
        requests: &[("sidecar.istio.io/inject", YES), ("istio.io/rev", &[])],
        declines: ("sidecar.istio.io/inject", NO),
    },
    Signs {
        mesh: "Linkerd",
        annotations: &["linkerd.io/proxy-version"],
        containers: &["linkerd-init", "linkerd-network-validator", "linkerd-proxy"],
        requests: &[("linkerd.io/inject", &["enabled", "ingress"])],
        declines: ("linkerd.io/inject", &["disabled"]),
    },
    Signs {
        mesh: "Consul",
        annotations: &["consul.hashicorp.com/connect-inject-status"],
        containers: &["consul-connect-inject-init", "consul-dataplane"],
        requests: &[("consul.hashicorp.com/connect-inject", YES)],
        declines: ("consul.hashicorp.com/connect-inject", NO),
    },
    Signs {
        mesh: "Kuma",
        annotations: &["kuma.io/sidecar-injected"],
        containers: &["kuma-init", "kuma-validation", "kuma-sidecar"],
        requests: &[("kuma.io/sidecar-injection", &["enabled", "true"])],
        declines: ("kuma.io/sidecar-injection", &["disabled", "false"]),
    },
];
/// The values that their injectors read as a boolean.
const YES: &[&str] = &["true", "t", "yes", "y", "on", "1"];
const NO: &[&str] = &["false", "f", "no", "n", "off", "0"];

impl Pod<'_> {
    /// The mesh that this pod shows.
    pub fn mesh(self) -> Option<Mesh> {
        let containers: Vec<&str> = self.containers().map(Container::name).collect();
        MESHES.iter().find_map(|signs| {
            let sign = self.sign_of(signs, &containers)?;
            Some(Mesh { name: signs.mesh, sign })
        })
    }

    fn sign_of(self, signs: &Signs, containers: &[&str]) -> Option<String> {
        if let Some(name) = containers.iter().find(|name| signs.containers.contains(name)) {
            return Some(format!("container {name}"));
        }
        if let Some(name) = signs.annotations.iter().find(|name| self.annotation(name).is_some()) {
            return Some(format!("annotation {name}"));
        }
        let says = |name, values: &[&str]| {
            [("label", self.label(name)), ("annotation", self.annotation(name))]
                .into_iter()
                .find(|(_, value)| value.is_some_and(|value| is_one_of(value, values)))
                .map(|(kind, _)| kind)
        };
        let requested = signs.requests.iter().find_map(|(name, values)| {
            let kind = says(name, values)?;
            Some(format!("{kind} {name}"))
        })?;
        let (name, values) = signs.declines;
        says(name, values).is_none().then_some(requested)
    }
}

/// Whether `value` is one of `values`, case aside; without any, whether it says
/// something.
fn is_one_of(value: &str, values: &[&str]) -> bool {
    let value = value.trim();
    let any = values.is_empty() && !value.is_empty();
    any || values.iter().any(|one| one.eq_ignore_ascii_case(value))
}
