//! Variables that look like a destination's and are somebody else's.
//!
//! Kubernetes tells each container of the Services in its namespace: a Service
//! `cloud` makes `CLOUD_SERVICE_HOST`, `CLOUD_PORT_80_TCP` and others. None of these
//! is a setting, and nobody who creates a Service may keep a sidecar from starting.
//!
//! <https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>

use std::collections::BTreeMap;

/// What the kubelet sets for every Service.
const HOST: &str = "_SERVICE_HOST";
const PORT: &str = "_SERVICE_PORT";
/// How the names of its other variables go on.
const OTHERS: [&str; 2] = ["_SERVICE_PORT_", "_PORT_"];

/// Whether the variable tells of a Service: one with its host and its port is set.
pub(super) fn is_service_link(name: &str, variables: &BTreeMap<String, String>) -> bool {
    let is_service = |service: &str| {
        [HOST, PORT].iter().all(|end| variables.contains_key(&format!("{service}{end}")))
    };
    let by_end = [HOST, PORT, "_PORT"].iter().filter_map(|end| name.strip_suffix(end));
    let within = OTHERS.iter().flat_map(|part| name.match_indices(part));
    let mut services = by_end.chain(within.filter_map(|(at, _)| name.get(..at)));
    services.any(is_service)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a Service's port makes of its environment.
    const LINKS: [&str; 7] = [
        "CLOUD_SERVICE_HOST",
        "CLOUD_SERVICE_PORT",
        "CLOUD_SERVICE_PORT_HTTP",
        "CLOUD_PORT",
        "CLOUD_PORT_80_TCP",
        "CLOUD_PORT_80_TCP_PROTO",
        "CLOUD_PORT_80_TCP_ADDR",
    ];

    #[test]
    fn a_services_variables_are_known_by_each_other() {
        let set = |names: &[&str]| -> BTreeMap<String, String> {
            names.iter().map(|name| ((*name).to_owned(), String::new())).collect()
        };
        for name in LINKS {
            assert!(is_service_link(name, &set(&LINKS)), "{name}");
            assert!(!is_service_link(name, &set(&[name])), "{name} alone may be a destination's");
        }
        for other in ["CLOUD", "CLOUD_TENANTS", "CLOUD_PORTAL", "CLOUDS_PORT"] {
            assert!(!is_service_link(other, &set(&LINKS)), "{other}");
        }
    }
}
