//! The chart, by Helm.

use std::{path::PathBuf, process::Command};

use super::{RELEASE, RELEASE_NAMESPACE, manifests};
use crate::{
    failure::{Context, Failure, Outcome},
    kind::Cluster,
    tools,
};

/// The program.
#[derive(Clone, Debug)]
pub struct Helm {
    file: PathBuf,
}

impl Helm {
    /// Finds it, or builds it.
    pub fn find() -> Outcome<Self> {
        Ok(Self { file: tools::find(&tools::HELM, "helm")? })
    }

    /// Installs the chart or brings it up to date with values besides those of
    /// `manifests/kind/values.yaml`, and waits until its webhooks run.
    pub fn upgrade(&self, cluster: &Cluster, set: &[&str]) -> Outcome<()> {
        let chart = manifests().join("chart");
        let values = manifests().join("kind/values.yaml");
        let mut command = Command::new(&self.file);
        command
            .args(["upgrade", "--install", RELEASE])
            .arg(chart)
            .args(["--namespace", RELEASE_NAMESPACE, "--create-namespace"])
            .arg("--values")
            .arg(values)
            .args(["--wait", "--timeout=3m", "--kubeconfig"])
            .arg(cluster.kubeconfig());
        for one in set {
            command.args(["--set", one]);
        }
        let said = command.output().context("run helm")?;
        if said.status.success() {
            return Ok(());
        }
        Err(Failure::new(String::from_utf8_lossy(&said.stderr).trim())).context("install the chart")
    }
}
