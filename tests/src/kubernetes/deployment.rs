//! The whole product on a cluster, as users have it: webhook and certs
//! by the chart, three Prometheus resources with a sidecar each, and the
//! stand-in for Azure that they write to.
//!
//! What is installed stands in `manifests/kind`; what is made here is what
//! differs from cluster to cluster: images, keys, certificates.

mod credentials;
mod helm;
mod network;

use std::{collections::BTreeMap, path::PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

pub use self::{
    credentials::Credentials,
    helm::Helm,
    network::{
        IN_MESH, MESH_NAMESPACE, enforce_policies, install_mesh, remove_mesh, stop_enforcing,
    },
};
use crate::{
    failure::{Context, Outcome},
    kubernetes::{
        images,
        kind::{Cluster, Steps, command, manifests},
    },
    machine::folder,
    product::{
        architecture::Architecture,
        binaries::{self, CERTS, SIDECAR, WEBHOOK},
    },
};

/// The namespace of the Prometheus resources.
pub const MONITORING: &str = "monitoring";
/// The namespace of the stand-in.
pub const AZURE: &str = "azure";
/// The chart's release.
pub const RELEASE: &str = "prom-remotewrite";
/// The release's namespace.
pub const RELEASE_NAMESPACE: &str = "prom-remotewrite-webhook";
/// The object that the CSI driver delivers.
pub const CERTIFICATE: &str = "prometheus";

/// A way to prove who one is, with the Prometheus that goes by it: the profile
/// and the resource have its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its name.
    pub name: &'static str,
    /// The client id.
    pub client_id: &'static str,
    /// The data collection rule to which it may write.
    pub rule: &'static str,
}

/// All of them, as `manifests/kind` has them.
pub const IDENTITIES: [Identity; 3] = [
    Identity {
        name: "managed",
        client_id: "00001111-aaaa-2222-bbbb-3333cccc4444",
        rule: "dcr-00000000000000000000000000000001",
    },
    Identity {
        name: "certificate",
        client_id: "11112222-bbbb-3333-cccc-4444dddd5555",
        rule: "dcr-00000000000000000000000000000002",
    },
    Identity {
        name: "workload",
        client_id: "22223333-cccc-4444-dddd-5555eeee6666",
        rule: "dcr-00000000000000000000000000000003",
    },
];

impl Identity {
    /// Its Prometheus' one pod.
    pub fn pod(self) -> String {
        format!("prometheus-{}-0", self.name)
    }

    /// Its Prometheus' `StatefulSet`.
    pub fn stateful_set(self) -> String {
        format!("statefulset/prometheus-{}", self.name)
    }
}

/// Installs everything, or brings it up to date, and waits until it runs.
pub fn install(cluster: &Cluster, steps: &Steps) -> Outcome<()> {
    steps.step("images of the product and of the stand-in", || load(cluster, &PROGRAMS))?;
    steps.step("keys and certificates", || credentials::install(cluster))?;
    steps.step("the stand-in for Azure", || {
        cluster.apply(&[manifests().join("azure.yaml")])?;
        cluster.rolled_out(AZURE, "deployment/azure")
    })?;
    steps.step("the chart", || Helm::find()?.upgrade(cluster, &[]))?;
    steps.step("three Prometheus with a sidecar each", || {
        cluster.apply(&[manifests().join("prometheus.yaml")])?;
        IDENTITIES.into_iter().try_for_each(|identity| running(cluster, identity))
    })
}

/// The Prometheus with two workspaces, by each of which it goes: the managed identity
/// writes to the first, the workload identity to the second.
pub const TWO_WORKSPACES: [Identity; 2] = [
    Identity {
        name: "both",
        client_id: "33334444-dddd-5555-eeee-6666ffff7777",
        rule: "dcr-00000000000000000000000000000004",
    },
    Identity {
        name: "both",
        client_id: "44445555-eeee-6666-ffff-7777aaaa8888",
        rule: "dcr-00000000000000000000000000000005",
    },
];

/// Installs it and waits until it runs.
pub fn install_two_workspaces(cluster: &Cluster) -> Outcome<()> {
    let [first, _] = TWO_WORKSPACES;
    cluster.apply(&[manifests().join("two-workspaces.yaml")])?;
    running(cluster, first)
}

/// Programs of the workspace that become images.
pub const PROGRAMS: [&str; 4] = [SIDECAR, WEBHOOK, CERTS, binaries::AZURE];

/// Makes images of programs as they are now and loads them into every node.
pub fn load(cluster: &Cluster, programs: &[&str]) -> Outcome<()> {
    let folder = folder::temporary("images")?;
    let image = |program: &&str| -> Outcome<PathBuf> {
        let file = binaries::find(program)?;
        let image = match *program {
            binaries::AZURE => images::azure(&file)?,
            program => {
                images::product(program, env!("CARGO_PKG_VERSION"), &file, Architecture::HERE)?
            }
        };
        image.save_in(folder.path())
    };
    cluster.load(&programs.iter().map(image).collect::<Outcome<Vec<_>>>()?)
}

/// Waits until a Prometheus runs, sidecar and all: first for its `StatefulSet`,
/// which the operator makes.
pub fn running(cluster: &Cluster, identity: Identity) -> Outcome<()> {
    let made = identity.stateful_set();
    kubectl(cluster, &["wait", "--for=create", &made, "-n", MONITORING, "--timeout=1m"])?;
    cluster.rolled_out(MONITORING, &made)
}

/// Applies YAML as it stands in a file, or in one that was changed.
pub fn apply_yaml(cluster: &Cluster, text: &str) -> Outcome<()> {
    let folder = folder::temporary("objects")?;
    let file = folder.path().join("objects.yaml");
    std::fs::write(&file, text).context("write objects")?;
    cluster.apply(&[file])
}

/// Runs kubectl; what it prints.
pub fn kubectl(cluster: &Cluster, arguments: &[&str]) -> Outcome<String> {
    command::ask(cluster.kubectl().args(arguments))
}

/// Applies an object that is made here.
pub fn apply_object(cluster: &Cluster, object: &Value) -> Outcome<()> {
    // JSON is YAML.
    apply_yaml(cluster, &object.to_string())
}

/// A Secret with these files.
pub(crate) fn secret(namespace: &str, name: &str, files: &BTreeMap<&str, Vec<u8>>) -> Value {
    let data: BTreeMap<_, _> =
        files.iter().map(|(name, bytes)| (*name, BASE64_STANDARD.encode(bytes))).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    })
}
