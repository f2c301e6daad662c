//! kind's configuration: `manifests/kind/cluster.yaml`, with the host's ports
//! and absolute paths.

use serde_json::Value;

use super::manifests;
use crate::{
    failure::{Context, Failure, Outcome},
    machine::environment::Lookup,
};

/// The port of a node, and the variable that changes it on the host.
const PORTS: [(u64, &str); 2] = [(30090, "KIND_PROMETHEUS_PORT"), (30091, "KIND_ADMIN_PORT")];

/// Ports of the host, where they differ from the nodes'.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ports(Vec<(u64, u16)>);

impl Ports {
    /// The values of the variables.
    pub(super) fn from(lookup: Lookup<'_>) -> Outcome<Self> {
        let mut ports = Vec::new();
        for (node, variable) in PORTS {
            let Some(value) = lookup(variable) else { continue };
            let port = value.parse().map_err(|_| {
                Failure::new(format!("{variable} is \"{value}\": it takes a port, 0 to 65535"))
            })?;
            ports.push((node, port));
        }
        Ok(Self(ports))
    }
}

/// The configuration, as JSON, which is YAML.
pub(super) fn of(ports: &Ports) -> Outcome<String> {
    let file = manifests().join("cluster.yaml");
    let what = || format!("read {}", file.display());
    let text = std::fs::read_to_string(&file).context(what())?;
    let mut cluster: Value = serde_saphyr::from_str(&text).context(what())?;
    let nodes = cluster.get_mut("nodes").and_then(Value::as_array_mut).context(what())?;
    for node in nodes {
        for mapping in list(node, "extraPortMappings") {
            let port = mapping.get("containerPort").and_then(Value::as_u64);
            let expected = ports.0.iter().find(|(node, _)| Some(*node) == port);
            if let (Some((_, host)), Some(found)) = (expected, mapping.get_mut("hostPort")) {
                *found = (*host).into();
            }
        }
        for mount in list(node, "extraMounts") {
            if let Some(Value::String(path)) = mount.get_mut("hostPath") {
                *path = manifests().join(&*path).display().to_string();
            }
        }
    }
    Ok(cluster.to_string())
}

fn list<'a>(node: &'a mut Value, key: &str) -> impl Iterator<Item = &'a mut Value> {
    node.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_paths_are_filled_in() {
        let ports = Ports::from(&|name| (name == "KIND_ADMIN_PORT").then(|| "4711".to_owned()));
        let cluster: Value = serde_json::from_str(&of(&ports.unwrap()).unwrap()).unwrap();
        let mappings = &cluster["nodes"][0]["extraPortMappings"];
        assert_eq!(mappings[0]["hostPort"], 30090);
        assert_eq!(mappings[1]["hostPort"], 4711);
        for node in cluster["nodes"].as_array().unwrap() {
            for mount in node["extraMounts"].as_array().unwrap() {
                let path = std::path::Path::new(mount["hostPath"].as_str().unwrap());
                assert!(path.is_absolute() && path.exists(), "{}", path.display());
            }
        }
    }

    #[test]
    fn whatever_is_published_is_for_this_machine_alone() {
        let cluster: Value = serde_json::from_str(&of(&Ports(Vec::new())).unwrap()).unwrap();
        assert_eq!(cluster["networking"]["apiServerAddress"], "127.0.0.1");
        for mapping in cluster["nodes"][0]["extraPortMappings"].as_array().unwrap() {
            assert_eq!(mapping["listenAddress"], "127.0.0.1");
        }
    }

    #[test]
    fn a_port_that_is_none_is_named() {
        let failure = Ports::from(&|_| Some("high".to_owned())).unwrap_err().to_string();
        assert!(failure.contains("KIND_PROMETHEUS_PORT") && failure.contains("high"), "{failure}");
    }
}
