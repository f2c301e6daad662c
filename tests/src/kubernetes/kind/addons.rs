//! What people have in their clusters before the product comes: Prometheus
//! Operator, and the Secrets Store CSI driver with a provider for tests.

use super::{Cluster, Steps, manifests};
use crate::{
    failure::Outcome,
    kubernetes::images::{self, CSI_PROVIDER, CSI_REGISTRAR, Image, OPERATOR, RELOADER},
    tools::{self, ADDONS, PROMETHEUS},
};

/// Prometheus Operator's module.
const OPERATOR_MODULE: &str = "github.com/prometheus-operator/prometheus-operator";
/// The Secrets Store CSI driver's module.
const DRIVER_MODULE: &str = "sigs.k8s.io/secrets-store-csi-driver";

/// What is applied for the operator, from its module.
const OPERATOR_PARTS: [&str; 3] = [
    "example/prometheus-operator-crd",
    "example/rbac/prometheus-operator/prometheus-operator-cluster-role.yaml",
    "example/rbac/prometheus/prometheus-cluster-role.yaml",
];
/// What is applied for the driver, from its module.
const DRIVER_PARTS: [&str; 4] = [
    "deploy/secrets-store.csi.x-k8s.io_secretproviderclasses.yaml",
    "deploy/secrets-store.csi.x-k8s.io_secretproviderclasspodstatuses.yaml",
    "deploy/rbac-secretproviderclass.yaml",
    "deploy/csidriver.yaml",
];

/// Brings their images, applies them and waits until they run.
pub(super) fn install(cluster: &Cluster, steps: &Steps) -> Outcome<()> {
    let images = steps.step("programs of the add-ons", images)?;
    steps.step("their images, into the nodes", || cluster.load_images(&images))?;
    steps.step("Prometheus Operator", || {
        apply(cluster, OPERATOR_MODULE, &OPERATOR_PARTS, "prometheus-operator.yaml")?;
        cluster.rolled_out("monitoring", "deployment/prometheus-operator")
    })?;
    steps.step("Secrets Store CSI driver", || {
        apply(cluster, DRIVER_MODULE, &DRIVER_PARTS, "secrets-store.yaml")?;
        cluster.rolled_out("kube-system", "daemonset/secrets-store-csi-driver")
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

/// Applies parts of a module and a file of ours.
fn apply(cluster: &Cluster, module: &str, parts: &[&str], ours: &str) -> Outcome<()> {
    let folder = tools::source("crds", module)?;
    let mut files: Vec<_> = parts.iter().map(|part| folder.join(part)).collect();
    files.push(manifests().join(ours));
    cluster.apply(&files)
}
