//! What a cluster has around pods that others do not: enforced network policies, and a
//! service mesh. Scenarios install them, and remove them again.

use std::process::Command;

use serde_json::{Value, json};

use super::{Identity, MONITORING, apply_object, kubectl};
use crate::{
    failure::{Context, Outcome},
    kubernetes::{
        images,
        kind::{Cluster, command, manifests},
    },
    tools::{self, KUBE_ROUTER, MESH},
};

/// The namespace of pods in a mesh.
pub const MESH_NAMESPACE: &str = "mesh";
/// The identity of the Prometheus that is a pod there.
pub const IN_MESH: Identity = Identity {
    name: "mesh",
    client_id: "55556666-ffff-7777-aaaa-8888bbbb9999",
    rule: "dcr-00000000000000000000000000000006",
};

/// Removes what kube-router leaves behind: jumps to its chains, and the chains.
const REMOVE_RULES: &str = r#"
rules() { iptables-nft-save -t filter | sed -n "$1"; }
rules 's/^-A \(INPUT\|FORWARD\|OUTPUT\) \(.*-j KUBE-ROUTER-.*\)/-D \1 \2/p' |
  while read -r rule; do eval "iptables-nft -w $rule"; done
chains=$(rules 's/^:\(KUBE-\(ROUTER\|POD-FW\|NWPLCY\)-[^ ]*\) .*/\1/p')
for chain in $chains; do iptables-nft -w -F $chain; done
for chain in $chains; do iptables-nft -w -X $chain; done
"#;

/// Has network policies enforced on these nodes from now on, and starts the pods that try
/// connections.
pub fn enforce_policies(cluster: &Cluster, nodes: &[String]) -> Outcome<()> {
    // Of a run that was interrupted.
    remove_rules(cluster, nodes)?;
    install_missing(&["xtables-nft-multi:iptables", "ipset:ipset", "curl:curl"])?;
    let kube_router = images::kube_router(&tools::built(&KUBE_ROUTER)?)?;
    cluster.load_images(&[kube_router, images::client()?])?;
    cluster.apply(&["kube-router.yaml", "clients.yaml"].map(|file| manifests().join(file)))?;
    cluster.rolled_out("kube-system", "daemonset/kube-router")?;
    for namespace in [MONITORING, "elsewhere"] {
        let wait = ["wait", "--for=condition=Ready", "pods", "--all", "--timeout=1m"];
        kubectl(cluster, &[&wait[..], &["-n", namespace]].concat())?;
    }
    Ok(())
}

/// Removes all of that.
pub fn stop_enforcing(cluster: &Cluster, nodes: &[String]) -> Outcome<()> {
    for file in ["kube-router.yaml", "clients.yaml"] {
        let file = manifests().join(file).display().to_string();
        kubectl(cluster, &["delete", "--ignore-not-found", "-f", &file])?;
    }
    remove_rules(cluster, nodes)
}

fn remove_rules(cluster: &Cluster, nodes: &[String]) -> Outcome<()> {
    nodes.iter().try_for_each(|node| {
        let removed = cluster.on_node(node, &["sh", "-euc", REMOVE_RULES]);
        removed.map(drop).context(format!("remove the rules of kube-router from {node}"))
    })
}

/// Starts the pods of `manifests/kind/mesh.yaml`.
pub fn install_mesh(cluster: &Cluster) -> Outcome<()> {
    install_missing(&["xtables-nft-multi:iptables"])?;
    cluster.load_images(&[images::mesh(&tools::built(&MESH)?)?])?;
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": MESH_NAMESPACE},
    });
    apply_object(cluster, &namespace)?;
    let trust = ["get", "configmap", "azure-trust", "-n", MONITORING, "-o", "json"];
    let trust = kubectl(cluster, &trust)?;
    let trust: Value = serde_json::from_str(&trust).context("read the ConfigMap azure-trust")?;
    let data = trust.get("data").context("find data in the ConfigMap azure-trust")?;
    let copy = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "azure-trust", "namespace": MESH_NAMESPACE},
        "data": data,
    });
    apply_object(cluster, &copy)?;
    cluster.apply(&[manifests().join("mesh.yaml")])
}

/// Removes them.
pub fn remove_mesh(cluster: &Cluster) -> Outcome<()> {
    let delete = ["delete", "namespace", MESH_NAMESPACE, "--ignore-not-found", "--timeout=2m"];
    kubectl(cluster, &delete).map(drop)
}

/// Installs packages of Debian or Ubuntu, by commands that are not there.
fn install_missing(commands: &[&str]) -> Outcome<()> {
    let mut script = Command::new(manifests().join("install-missing"));
    command::ask(script.args(commands)).map(drop)
}
