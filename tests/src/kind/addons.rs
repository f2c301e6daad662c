//! What people have in their clusters before the product comes: Prometheus
//! Operator, and the Secrets Store CSI driver with a provider for tests.

use std::path::{Path, PathBuf};

use super::{Cluster, Steps, command, manifests};
use crate::{
    failure::{Context, Outcome},
    images::{self, CSI_PROVIDER, CSI_REGISTRAR, Image, OPERATOR, RELOADER},
    tools::{self, ADDONS, PROMETHEUS},
};

/// What is applied, from whose module or, without one, from `manifests/kind`.
const OPERATOR_PARTS: [(Option<&str>, &str); 4] = [
    (Some("github.com/prometheus-operator/prometheus-operator"), "example/prometheus-operator-crd"),
    (
        Some("github.com/prometheus-operator/prometheus-operator"),
        "example/rbac/prometheus-operator/prometheus-operator-cluster-role.yaml",
    ),
    (
        Some("github.com/prometheus-operator/prometheus-operator"),
        "example/rbac/prometheus/prometheus-cluster-role.yaml",
    ),
    (None, "prometheus-operator.yaml"),
];

const SECRETS_STORE_PARTS: [(Option<&str>, &str); 5] = [
    (
        Some("sigs.k8s.io/secrets-store-csi-driver"),
        "deploy/secrets-store.csi.x-k8s.io_secretproviderclasses.yaml",
    ),
    (
        Some("sigs.k8s.io/secrets-store-csi-driver"),
        "deploy/secrets-store.csi.x-k8s.io_secretproviderclasspodstatuses.yaml",
    ),
    (Some("sigs.k8s.io/secrets-store-csi-driver"), "deploy/rbac-secretproviderclass.yaml"),
    (Some("sigs.k8s.io/secrets-store-csi-driver"), "deploy/csidriver.yaml"),
    (None, "secrets-store.yaml"),
];

/// Brings their images, applies them and waits until they run.
pub(super) fn install(cluster: &Cluster, steps: &Steps) -> Outcome<()> {
    let images = steps.step("images of the add-ons", images)?;
    let folder = tempfile::tempdir().context("make a folder for images")?;
    steps.step("load them", || {
        for image in &images {
            cluster.load(&[image.save_in(folder.path())?])?;
        }
        Ok(())
    })?;
    steps.step("Prometheus Operator", || {
        apply(cluster, &OPERATOR_PARTS)?;
        rolled_out(cluster, "monitoring", "deployment/prometheus-operator")
    })?;
    steps.step("Secrets Store CSI driver", || {
        apply(cluster, &SECRETS_STORE_PARTS)?;
        rolled_out(cluster, "kube-system", "daemonset/secrets-store-csi-driver")
    })
}

fn images() -> Outcome<Vec<Image>> {
    let addons = tools::built(&ADDONS)?;
    let one = |name, user, file: &str| images::foreign(name, user, &addons.join(file));
    Ok(vec![
        images::prometheus(&tools::built(&PROMETHEUS)?.join("prometheus"))?,
        one(OPERATOR, None, "operator")?,
        one(RELOADER, None, "prometheus-config-reloader")?,
        images::csi_driver(&addons.join("secrets-store-csi-driver"), &addons.join("mount"))?,
        one(CSI_REGISTRAR, Some(0), "csi-registrar")?,
        one(CSI_PROVIDER, Some(0), "csi-provider")?,
    ])
}

/// On the server's side: the operator's definitions are too large for the
/// annotation that the client's side keeps.
fn apply(cluster: &Cluster, parts: &[(Option<&str>, &str)]) -> Outcome<()> {
    for (module, path) in parts {
        let folder: PathBuf = match module {
            Some(module) => tools::source("crds", module)?,
            None => manifests(),
        };
        let mut kubectl = cluster.kubectl();
        kubectl.args(["apply", "--server-side", "--force-conflicts", "--filename"]);
        command::ask(kubectl.arg(folder.join(Path::new(path))))?;
    }
    Ok(())
}

fn rolled_out(cluster: &Cluster, namespace: &str, workload: &str) -> Outcome<()> {
    let mut kubectl = cluster.kubectl();
    kubectl.args(["rollout", "status", workload, "--timeout=3m", "--namespace", namespace]);
    command::ask(&mut kubectl).map(drop)
}
